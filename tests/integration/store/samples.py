"""Facts of a small job, as a core would record them."""

from __future__ import annotations

from prsd.base.columns import Column
from prsd.core.facts import (
    CommitRecorded,
    DaemonStarted,
    DivisionRecorded,
    Fact,
    FailureRecorded,
    IndexesReserved,
    JobChanged,
    JobRecorded,
    ResultsRecorded,
    SessionOpened,
    StartFailureRecorded,
    StepChanged,
)
from prsd.core.vocabulary import (
    Block,
    CommitDone,
    Failure,
    ManifestPart,
    Phase,
    Results,
    StartError,
    State,
    StepId,
    StepKind,
    StepTerms,
)
from prsd.store.rows import JobDocument

STEP = StepId("night_run", "score")
PARTS = (ManifestPart("part-0000000000-a.prsm", 0, 10, 100, "d0"), ManifestPart("part-0000000010-a.prsm", 10, 5, 50, "d1"))
ERROR = StartError("init", "no model", "traceback of init")


def job_recorded(name: str = STEP.job) -> JobRecorded:
    terms = (StepTerms("score", StepKind.PARALLEL), StepTerms("merge", StepKind.COMMAND, depends_on=("score",)))
    return JobRecorded(name, terms, True)


def document(name: str = STEP.job, request_id: str = "") -> JobDocument:
    definitions = {"score": b"\x00definition", "merge": b""}
    return JobDocument(name, '{"a":"é"}', definitions, request_id, f"Display {name}", ("a notice",), 100.0)


def results(first: int, count: int, step: StepId = STEP, attempt: int = 1) -> ResultsRecorded:
    block = Block("segment", first * 8, first, Column.repeat(8, count), 99)
    column = Column.repeat(10, count)
    run_us = Column.of(range(count))
    return ResultsRecorded(Results(step, 1, first, column, column, run_us, block, attempt=attempt), "session")


def failure(index: int, message: str, final: bool, attempt: int = 3) -> FailureRecorded:
    return FailureRecorded(Failure(STEP, 1, Phase.RUN, index, "exception", message, "traceback", 10, attempt=attempt), final)


def division(part: int, ended: bool) -> DivisionRecorded:
    return DivisionRecorded(STEP, (PARTS[part],), ended, (f"notice {part}",))


def whole_life() -> list[Fact]:
    """Everything that happens to the step, but for the records of job and daemon."""
    return [
        SessionOpened("session", "agent", "boot"),
        JobChanged(STEP.job, State.RUNNING),
        StepChanged(STEP, State.PREPARING),
        division(0, False),
        IndexesReserved(STEP, 100),
        StartFailureRecorded(STEP, "agent", ERROR),
        StepChanged(STEP, State.RUNNING),
        results(5, 5),
        failure(3, "row 7 is bad", False, attempt=1),
        division(1, True),
        results(0, 3),
        failure(4, "row 8 is bad", True),
        results(10, 5, attempt=2),
        failure(3, "row 7 is worse", True),
        StepChanged(STEP, State.FINALIZING),
        CommitRecorded(CommitDone(STEP, 2, 1234, "digest", 13, ("committed",))),
        StepChanged(STEP, State.COMPLETED, "done"),
    ]


def started(incarnation: int = 1) -> DaemonStarted:
    return DaemonStarted(incarnation)
