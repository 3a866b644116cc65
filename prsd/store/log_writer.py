"""Writes groups of appends to the database. Everything here runs in the writer thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field

from prsd.core.facts import Fact, JobChanged, JobRecorded
from prsd.core.vocabulary import StepId
from prsd.store.chain import Head, LogRow, checksum_of
from prsd.store.documents import document_of
from prsd.store.errors import DiskFull, JobExists, UnknownJob, UnknownStep
from prsd.store.group_commit import Append
from prsd.store.kinds import address_of
from prsd.store.named_sql import queries
from prsd.store.rows import JobDocument
from prsd.store.stored_rows import (
    document_columns,
    job_columns,
    job_update,
    read_job_summary,
    read_step,
    reuse_columns,
    step_columns,
)
from prsd.store.summaries import JobSummary, StepSummary, steps_recorded


@dataclass(slots=True)
class _OpenStep:
    number: int
    summary: StepSummary


@dataclass(slots=True)
class _OpenJob:
    number: int
    summary: JobSummary
    steps: dict[str, _OpenStep] = field(default_factory=dict)


def lacks_room(error: sqlite3.Error) -> bool:
    """Whether a write failed for want of room. A failed fsync is never that: what it was to save may be lost already."""
    code = getattr(error, "sqlite_errorcode", 0)
    # The index of the write-ahead log grows in a file of its own, and its errors do not say why.
    return code & 0xFF == sqlite3.SQLITE_FULL or code == sqlite3.SQLITE_IOERR_SHMSIZE


class LogWriter:
    """Knows the head of the log and the summaries of the jobs that facts still come for."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._sql = queries()
        self._head = self._read_head()
        self.last_fact = self._head.number
        self._is_committing = False
        self._jobs: dict[str, _OpenJob] = {}
        self._changed_jobs: dict[int, JobSummary] = {}
        self._changed_steps: dict[int, StepSummary] = {}

    def write(self, group: list[Append]) -> None:
        """One transaction; it is durable when this returns.

        After DiskFull nothing of it was recorded and the same group may come again; after any other exception the writer
        must not be used again.
        """
        try:
            self._write(group)
        except sqlite3.Error as error:
            if not lacks_room(error):
                raise
            self._start_over(error)
        self.last_fact = self._head.number

    def _write(self, group: list[Append]) -> None:
        rows: list[LogRow] = []
        self._is_committing = False
        with self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            for append in group:
                append.outcome = self._existing(append.documents, append.facts) or self._add(append, rows)
            self._connection.executemany(self._sql["insert_fact"], rows)
            self._update_summaries()
            self._connection.execute(self._sql["move_head"], self._head._asdict())
            self._is_committing = True
        self._forget_ended()

    def _start_over(self, error: sqlite3.Error) -> None:
        """Back to what the disk says; raises DiskFull unless the disk says that the commit was made after all."""
        if self._connection.in_transaction:
            self._connection.rollback()
        meant = self._head
        self._head = self._read_head()
        for known in (self._jobs, self._changed_jobs, self._changed_steps):
            known.clear()
        if not (self._is_committing and self._head == meant and meant.number > self.last_fact):
            raise DiskFull(f"there is no room for the log: {error}") from error

    def _read_head(self) -> Head:
        return Head(*self._connection.execute(self._sql["head"]).fetchone())

    def _existing(self, documents: Sequence[JobDocument], facts: Sequence[Fact]) -> JobExists | None:
        for fact in facts:
            if isinstance(fact, JobRecorded) and self._row("job_by_name", name=fact.job):
                return JobExists(fact.job)
        for document in documents:
            row = self._row("job_by_request", request_id=document.request_id) if document.request_id else None
            if row:
                return JobExists(row["name"], document.request_id)
        return None

    def _add(self, append: Append, rows: list[LogRow]) -> int:
        for fact, body in zip(append.facts, append.bodies, strict=True):
            if isinstance(fact, JobRecorded):
                self._record_job(fact, document_of(fact, append.documents, append.recorded_at))
            kind, job, step, first = address_of(fact)
            numbers = self._fold(fact, job, step, append.recorded_at)
            number = self._head.number + 1
            row = LogRow(number, *numbers, int(kind), first, append.recorded_at, body, 0)
            self._head = Head(number, checksum_of(self._head.checksum, row))
            rows.append(row._replace(checksum=self._head.checksum))
        return self._head.number

    def _fold(
        self, fact: Fact, job_name: str | None, step_id: StepId | None, recorded_at: float
    ) -> tuple[int | None, int | None]:
        """Takes the fact into its summaries; returns the numbers of its job and step."""
        if job_name is None:
            return None, None
        job = self._job(job_name)
        if isinstance(fact, JobChanged):
            job.summary.fold(fact, recorded_at)
            self._changed_jobs[job.number] = job.summary
        if step_id is None:
            return job.number, None
        step = self._step(job, step_id)
        step.summary.fold(fact, recorded_at)
        self._changed_steps[step.number] = step.summary
        return job.number, step.number

    def _record_job(self, fact: JobRecorded, document: JobDocument) -> None:
        summary = JobSummary(fact.job)
        job = _OpenJob(self._insert("insert_job", job_columns(document, summary)), summary)
        self._insert("insert_document", {"job": job.number, **document_columns(document.document_json.encode())})
        for each in steps_recorded(fact):
            number = self._insert("insert_step", {"job": job.number, **step_columns(each)})
            job.steps[each.step.step] = _OpenStep(number, each)
            if (definition := document.definitions.get(each.step.step)) is not None:
                self._insert("insert_definition", {"step": number, **document_columns(definition)})
            if (reuse := document.reuse_keys.get(each.step.step)) is not None:
                self._insert("insert_reuse_key", {"step": number, "name": each.step.step, **reuse_columns(reuse)})
        self._jobs[fact.job] = job

    def _job(self, name: str) -> _OpenJob:
        """The job of a fact; read again when it was recorded before a restart, or has ended."""
        if (known := self._jobs.get(name)) is not None:
            return known
        row = self._row("job_by_name", name=name)
        if row is None:
            raise UnknownJob(name)
        job = _OpenJob(row["number"], read_job_summary(row))
        for each in self._connection.execute(self._sql["steps_of_job"], {"job": job.number}):
            job.steps[each["name"]] = _OpenStep(each["number"], read_step(each, name))
        self._jobs[name] = job
        return job

    @staticmethod
    def _step(job: _OpenJob, step: StepId) -> _OpenStep:
        try:
            return job.steps[step.step]
        except KeyError:
            raise UnknownStep(*step) from None

    def _update_summaries(self) -> None:
        for number, job in self._changed_jobs.items():
            self._connection.execute(self._sql["update_job"], job_update(number, job))
        for number, step in self._changed_steps.items():
            self._connection.execute(self._sql["update_step"], {"number": number, **step_columns(step)})

    def _forget_ended(self) -> None:
        for job in self._changed_jobs.values():
            if job.ended_at is not None:
                del self._jobs[job.name]
        self._changed_jobs.clear()
        self._changed_steps.clear()

    def _insert(self, name: str, parameters: dict[str, object]) -> int:
        number = self._connection.execute(self._sql[name], parameters).lastrowid
        assert number is not None  # an INSERT always has one
        return number

    def _row(self, query: str, /, **parameters: object) -> sqlite3.Row | None:
        row: sqlite3.Row | None = self._connection.execute(self._sql[query], parameters).fetchone()
        return row
