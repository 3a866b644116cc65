"""A store without a disk: the same meaning as the one in SQLite, for unit tests, simulations and throw-away daemons."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace

from prsd.core.facts import (
    CommitRecorded,
    DivisionRecorded,
    Fact,
    FailureRecorded,
    JobChanged,
    JobRecorded,
    ResultsRecorded,
    StartFailureRecorded,
)
from prsd.core.vocabulary import CommitDone, Failure, Results, State, StepId
from prsd.store.codec import decode, encode
from prsd.store.documents import check_documents, document_of
from prsd.store.error_groups import ErrorGroups
from prsd.store.errors import AmbiguousJob, JobExists, StoreFailed, UnknownJob, UnknownStep
from prsd.store.failed import failures_for_good
from prsd.store.kinds import address_of
from prsd.store.lineage import Lineage
from prsd.store.protocol import CHUNK
from prsd.store.rows import Division, ErrorGroup, JobDocument, JobRow, ReuseKey, StepRow
from prsd.store.summaries import JobSummary, StepSummary, steps_recorded


@dataclass(slots=True)
class _Step:
    summary: StepSummary
    facts: list[Fact] = field(default_factory=list)


@dataclass(slots=True)
class _Job:
    document: JobDocument
    summary: JobSummary
    steps: dict[str, _Step]

    def to_row(self) -> JobRow:
        document, summary = self.document, self.summary
        return JobRow(
            summary.name,
            summary.state,
            summary.reason,
            document.created_at,
            summary.started_at,
            summary.ended_at,
            document.display_name,
            document.request_id,
            document.notices,
        )


class MemoryStore:
    """Implements `protocol.Store`. What was appended stays when it is closed and opened again, as on a disk.

    Facts are kept in their stored form, so that what could not be stored is refused here too.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._log: list[tuple[str | None, bytes]] = []
        self._jobs: dict[str, _Job] = {}
        self._failure: StoreFailed | None = StoreFailed("the store is not open: nothing can be recorded")
        self.lineage = Lineage(secrets.token_hex(16))
        # Set by tests: nothing here needs room.
        self.is_full = False

    @property
    def last_fact(self) -> int:
        return len(self._log)

    def note_behind(self, sentence: str) -> None:
        self.lineage = replace(self.lineage, behind=sentence)

    def open(self) -> None:
        self._failure = None

    def break_down(self, failure: StoreFailed) -> None:
        """From now on every append raises this, as when a disk is broken."""
        self._failure = failure

    async def close(self) -> None:
        self._failure = StoreFailed("the store is closed: nothing more can be recorded")

    def read_facts(self) -> Iterator[Fact]:
        with self._lock:
            log = list(self._log)
        for job, body in log:
            if job is None or self._jobs[job].summary.ended_at is None:
                yield decode(body)

    async def append(self, facts: Sequence[Fact], *, recorded_at: float, documents: Sequence[JobDocument] = ()) -> int:
        if self._failure is not None:
            raise self._failure
        check_documents(facts, documents)
        bodies = [encode(fact) for fact in facts]
        with self._lock:
            self._refuse_existing(facts, documents)
            self._fail_on_unrecorded(facts)
            for fact, body in zip(facts, bodies, strict=True):
                self._add(fact, body, documents, recorded_at)
            return len(self._log)

    def _refuse_existing(self, facts: Sequence[Fact], documents: Sequence[JobDocument]) -> None:
        for fact in facts:
            if isinstance(fact, JobRecorded) and fact.job in self._jobs:
                raise JobExists(fact.job)
        for document in documents:
            if document.request_id and (job := self._requested(document.request_id)) is not None:
                raise JobExists(job, document.request_id)

    def _fail_on_unrecorded(self, facts: Sequence[Fact]) -> None:
        known: dict[str | None, Collection[str]] = {name: job.steps.keys() for name, job in self._jobs.items()}
        known |= {fact.job: [terms.name for terms in fact.steps] for fact in facts if isinstance(fact, JobRecorded)}
        for _, job, step, _ in map(address_of, facts):
            if job is not None and (job not in known or (step is not None and step.step not in known[job])):
                self._failure = StoreFailed(f"the log cannot be written: nothing is recorded of {step or job!r}")
                raise self._failure

    def _add(self, fact: Fact, body: bytes, documents: Sequence[JobDocument], recorded_at: float) -> None:
        if isinstance(fact, JobRecorded):
            steps = {each.step.step: _Step(each) for each in steps_recorded(fact)}
            self._jobs[fact.job] = _Job(document_of(fact, documents, recorded_at), JobSummary(fact.job), steps)
        address = address_of(fact)
        if address.step is not None:
            step = self._step(address.step)
            step.summary.fold(fact, recorded_at)
            step.facts.append(fact)
        elif isinstance(fact, JobChanged):
            self._job(fact.job).summary.fold(fact, recorded_at)
        self._log.append((address.job, body))

    def job_of_request(self, request_id: str) -> str | None:
        with self._lock:
            return self._requested(request_id)

    def jobs(self, limit: int = 100) -> list[JobRow]:
        with self._lock:
            return [job.to_row() for job in [*reversed(self._jobs.values())][:limit]]

    def find_job(self, reference: str) -> JobRow:
        newest = self.jobs(limit=len(self._jobs))
        if reference == "@latest":
            found = newest[:1]
        else:
            exact = [job for job in newest if job.name == reference]
            found = exact or [job for job in newest if reference and job.name.startswith(reference)]
        if not found:
            raise UnknownJob(reference)
        if len(found) > 1:
            raise AmbiguousJob(reference, [job.name for job in found[:5]])
        return found[0]

    def document_of(self, job: str) -> str:
        return self._job(job).document.document_json

    def steps_of(self, job: str) -> list[StepRow]:
        with self._lock:
            return [step.summary.to_row() for step in self._job(job).steps.values()]

    def definition_of(self, step: StepId) -> bytes:
        self._step(step)
        try:
            return self._job(step.job).document.definitions[step.step]
        except KeyError:
            raise UnknownStep(*step) from None

    def reuse_key_of(self, step: StepId) -> ReuseKey | None:
        self._step(step)
        return self._job(step.job).document.reuse_keys.get(step.step)

    def reusable_steps(self, key: str, limit: int = 10) -> list[StepId]:
        return [step for step, reuse in self._reuse_keys() if reuse.key == key][:limit]

    def reuse_keys_of_name(self, name: str, limit: int = 10) -> list[tuple[StepId, ReuseKey]]:
        return [(step, reuse) for step, reuse in self._reuse_keys() if step.step == name][:limit]

    def _reuse_keys(self) -> list[tuple[StepId, ReuseKey]]:
        """Of the completed steps that ran themselves, newest first."""
        with self._lock:
            keyed = [
                (step.summary.step, job.document.reuse_keys[name])
                for job in self._jobs.values()
                for name, step in job.steps.items()
                if name in job.document.reuse_keys and step.summary.state is State.COMPLETED
            ]
        return [(step, reuse) for step, reuse in reversed(keyed) if reuse.own]

    def division_of(self, step: StepId) -> Division:
        facts = [fact for fact in self._facts(step) if isinstance(fact, DivisionRecorded)]
        return Division(
            tuple(part for fact in facts for part in fact.parts),
            any(fact.ended for fact in facts),
            tuple(notice for fact in facts for notice in fact.notices),
        )

    def commit_of(self, step: StepId) -> CommitDone | None:
        done = [fact.done for fact in self._facts(step) if isinstance(fact, CommitRecorded)]
        return done[-1] if done else None

    def results_of(self, step: StepId, chunk: int = CHUNK) -> Iterator[list[Results]]:
        results = [fact.results for fact in self._facts(step) if isinstance(fact, ResultsRecorded)]
        results.sort(key=lambda each: each.first)
        for start in range(0, len(results), chunk):
            yield results[start : start + chunk]

    def failed_of(self, step: StepId, chunk: int = CHUNK) -> Iterator[list[Failure]]:
        failed = sorted(failures_for_good(self._facts(step)), key=lambda failure: failure.index)
        for start in range(0, len(failed), chunk):
            yield failed[start : start + chunk]

    def error_groups(self, step: StepId, limit: int = 20) -> list[ErrorGroup]:
        groups = ErrorGroups()
        groups.take(self._errors(step))
        return groups.most_frequent(limit)

    def first_error(self, step: StepId) -> FailureRecorded | StartFailureRecorded | None:
        return next(iter(self._errors(step)), None)

    def _errors(self, step: StepId) -> list[FailureRecorded | StartFailureRecorded]:
        return [fact for fact in self._facts(step) if isinstance(fact, FailureRecorded | StartFailureRecorded)]

    def _facts(self, step: StepId) -> list[Fact]:
        with self._lock:
            return list(self._step(step).facts)

    def _step(self, step: StepId) -> _Step:
        job = self._jobs.get(step.job)
        if job is None or step.step not in job.steps:
            raise UnknownStep(*step)
        return job.steps[step.step]

    def _job(self, name: str) -> _Job:
        try:
            return self._jobs[name]
        except KeyError:
            raise UnknownJob(name) from None

    def _requested(self, request_id: str) -> str | None:
        names = (name for name, job in self._jobs.items() if request_id and job.document.request_id == request_id)
        return next(names, None)
