"""What can be asked of the database; see `protocol.Queries` for what each answer means."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

from prsd.core.facts import CommitRecorded, DivisionRecorded, Fact, FailureRecorded, ResultsRecorded, StartFailureRecorded
from prsd.core.vocabulary import CommitDone, Failure, Results, StepId
from prsd.store.codec import decode
from prsd.store.error_groups import ErrorGroups
from prsd.store.errors import AmbiguousJob, StoreDamaged, UnknownJob, UnknownStep
from prsd.store.failed import failures_for_good
from prsd.store.kinds import Kind
from prsd.store.named_sql import queries
from prsd.store.protocol import CHUNK
from prsd.store.reading import Readers
from prsd.store.rows import Division, ErrorGroup, JobRow, ReuseKey, StepRow
from prsd.store.stored_rows import read_job, read_step

_AMBIGUOUS_SHOWN = 5
_GROUPED_STEPS = 32
_ERRORS = {"failure": int(Kind.FAILURE_RECORDED), "start_failure": int(Kind.START_FAILURE_RECORDED)}


class SqliteQueries:
    """Implements `protocol.Queries`. Every query is a short transaction of its own, so that none holds up a checkpoint."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._sql = queries()
        self._readers = Readers(file)
        self._grouping = threading.Lock()
        self._grouped: OrderedDict[StepId, tuple[int, ErrorGroups]] = OrderedDict()

    def job_of_request(self, request_id: str) -> str | None:
        rows = self._rows("job_by_request", request_id=request_id)
        return rows[0]["name"] if rows else None

    def jobs(self, limit: int = 100) -> list[JobRow]:
        return [read_job(row) for row in self._rows("newest_jobs", limit=limit)]

    def find_job(self, reference: str) -> JobRow:
        if reference == "@latest":
            rows = self._rows("newest_jobs", limit=1)
        else:
            rows = self._rows("job_by_name", name=reference)
            if not rows and reference:
                rows = self._rows("jobs_by_prefix", prefix=reference, limit=_AMBIGUOUS_SHOWN)
        if not rows:
            raise UnknownJob(reference)
        if len(rows) > 1:
            raise AmbiguousJob(reference, [row["name"] for row in rows])
        return read_job(rows[0])

    def document_of(self, job: str) -> str:
        rows = self._rows("document", name=job)
        if not rows:
            raise UnknownJob(job)
        return self._checked(rows[0], f"the document of job {job!r}").decode()

    def steps_of(self, job: str) -> list[StepRow]:
        rows = self._rows("job_by_name", name=job)
        if not rows:
            raise UnknownJob(job)
        return [read_step(row, job).to_row() for row in self._rows("steps_of_job", job=rows[0]["number"])]

    def definition_of(self, step: StepId) -> bytes:
        rows = self._rows("definition", step=self._number(step))
        if not rows:
            raise UnknownStep(*step)
        return self._checked(rows[0], f"the definition of step {step.step!r} of job {step.job!r}")

    def reuse_key_of(self, step: StepId) -> ReuseKey | None:
        rows = self._rows("reuse_key", step=self._number(step))
        return self._reuse_key(rows[0], step) if rows else None

    def reusable_steps(self, key: str, limit: int = 10) -> list[StepId]:
        return [StepId(row["job"], row["step"]) for row in self._rows("reusable_steps", key=key, limit=limit)]

    def reuse_keys_of_name(self, name: str, limit: int = 10) -> list[tuple[StepId, ReuseKey]]:
        rows = self._rows("keys_of_name", name=name, limit=limit)
        steps = [StepId(row["job"], row["step"]) for row in rows]
        return [(step, self._reuse_key(row, step)) for step, row in zip(steps, rows, strict=True)]

    def _reuse_key(self, row: Any, step: StepId) -> ReuseKey:
        body = self._checked(row, f"the reuse key of step {step.step!r} of job {step.job!r}")
        return ReuseKey(row["key"], body.decode(), bool(row["own"]))

    def division_of(self, step: StepId) -> Division:
        facts = [fact for fact in self._facts_of_kind(step, Kind.DIVISION_RECORDED) if isinstance(fact, DivisionRecorded)]
        return Division(
            tuple(part for fact in facts for part in fact.parts),
            any(fact.ended for fact in facts),
            tuple(notice for fact in facts for notice in fact.notices),
        )

    def commit_of(self, step: StepId) -> CommitDone | None:
        facts = [fact for fact in self._facts_of_kind(step, Kind.COMMIT_RECORDED) if isinstance(fact, CommitRecorded)]
        return facts[-1].done if facts else None

    def results_of(self, step: StepId, chunk: int = CHUNK) -> Iterator[list[Results]]:
        for facts in self._pages(step, Kind.RESULTS_RECORDED, chunk):
            yield [fact.results for fact in facts if isinstance(fact, ResultsRecorded)]

    def failed_of(self, step: StepId, chunk: int = CHUNK) -> Iterator[list[Failure]]:
        for facts in self._pages(step, Kind.FAILURE_RECORDED, chunk):
            if failed := failures_for_good(facts):
                yield failed

    def error_groups(self, step: StepId, limit: int = 20) -> list[ErrorGroup]:
        number = self._number(step)
        with self._grouping:
            since, groups = self._grouped.pop(step, (0, ErrorGroups()))
            for row in self._rows("errors_since", step=number, number=since, **_ERRORS):
                groups.take([self._error(row)])
                since = row["number"]
            self._grouped[step] = (since, groups)
            if len(self._grouped) > _GROUPED_STEPS:
                self._grouped.popitem(last=False)
            return groups.most_frequent(limit)

    def first_error(self, step: StepId) -> FailureRecorded | StartFailureRecorded | None:
        rows = self._rows("first_error", step=self._number(step), **_ERRORS)
        return self._error(rows[0]) if rows else None

    def _pages(self, step: StepId, kind: Kind, chunk: int) -> Iterator[list[Fact]]:
        number = self._number(step)
        last = {"first": -1, "number": 0}
        while rows := self._rows("facts_by_mini_batch", step=number, kind=int(kind), limit=chunk, **last):
            yield [self._decoded(row) for row in rows]
            last = {"first": rows[-1]["first"], "number": rows[-1]["number"]}

    def _facts_of_kind(self, step: StepId, kind: Kind) -> list[Fact]:
        return [self._decoded(row) for row in self._rows("facts_of_kind", step=self._number(step), kind=int(kind))]

    def _number(self, step: StepId) -> int:
        rows = self._rows("step_number", job=step.job, step=step.step)
        if not rows:
            raise UnknownStep(*step)
        return int(rows[0]["number"])

    def _rows(self, query: str, /, **parameters: object) -> list[Any]:
        with self._readers.lend() as connection:
            return connection.execute(self._sql[query], parameters).fetchall()

    def _error(self, row: Any) -> FailureRecorded | StartFailureRecorded:
        fact = self._decoded(row)
        if not isinstance(fact, FailureRecorded | StartFailureRecorded):
            raise StoreDamaged(str(self._file), row["number"], "it is filed as a failure but is none")
        return fact

    def _decoded(self, row: Any) -> Fact:
        try:
            return decode(row["body"])
        except ValueError as error:
            raise StoreDamaged(str(self._file), row["number"], str(error)) from error

    def _checked(self, row: Any, what: str) -> bytes:
        body: bytes = row["body"]
        if crc32(body) != row["crc32"]:
            raise StoreDamaged(str(self._file), 0, f"{what} is not what was written")
        return body
