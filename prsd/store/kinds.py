"""The number that each kind of fact has in the log, and what of a fact the log is searched by."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple, assert_never

from prsd.core.facts import (
    CommitRecorded,
    DaemonStarted,
    DivisionRecorded,
    Fact,
    FailureRecorded,
    IndexesReserved,
    JobChanged,
    JobRecorded,
    LossRecorded,
    ResultsRecorded,
    SessionClosed,
    SessionOpened,
    StartFailureRecorded,
    StepChanged,
    StepEnding,
)
from prsd.core.vocabulary import StepId


class Kind(IntEnum):
    """Stored: a number is never given another meaning. A new kind takes the next one."""

    DAEMON_STARTED = 1
    JOB_RECORDED = 2
    JOB_CHANGED = 3
    STEP_CHANGED = 4
    STEP_ENDING = 5
    SESSION_OPENED = 6
    SESSION_CLOSED = 7
    DIVISION_RECORDED = 8
    INDEXES_RESERVED = 9
    RESULTS_RECORDED = 10
    FAILURE_RECORDED = 11
    LOSS_RECORDED = 12
    START_FAILURE_RECORDED = 13
    COMMIT_RECORDED = 14


class Address(NamedTuple):
    """What a fact is about. `job` is None for facts of the daemon itself, `first` for what is about no mini-batch."""

    kind: Kind
    job: str | None = None
    step: StepId | None = None
    first: int | None = None


def address_of(fact: Fact) -> Address:
    """Where the log files this fact."""
    match fact:
        case ResultsRecorded(results=results):  # nearly all facts are these: asked first
            return Address(Kind.RESULTS_RECORDED, results.step.job, results.step, results.first)
        case DaemonStarted():
            return Address(Kind.DAEMON_STARTED)
        case SessionOpened():
            return Address(Kind.SESSION_OPENED)
        case SessionClosed():
            return Address(Kind.SESSION_CLOSED)
        case JobRecorded(job=job):
            return Address(Kind.JOB_RECORDED, job)
        case JobChanged(job=job):
            return Address(Kind.JOB_CHANGED, job)
        case _:
            return _address_of_step_fact(fact)


def _address_of_step_fact(
    fact: StepChanged
    | StepEnding
    | DivisionRecorded
    | IndexesReserved
    | FailureRecorded
    | LossRecorded
    | StartFailureRecorded
    | CommitRecorded,
) -> Address:
    match fact:
        case StepChanged(step=step):
            return Address(Kind.STEP_CHANGED, step.job, step)
        case StepEnding(step=step):
            return Address(Kind.STEP_ENDING, step.job, step)
        case DivisionRecorded(step=step):
            return Address(Kind.DIVISION_RECORDED, step.job, step)
        case IndexesReserved(step=step):
            return Address(Kind.INDEXES_RESERVED, step.job, step)
        case FailureRecorded(failure=failure):
            return Address(Kind.FAILURE_RECORDED, failure.step.job, failure.step, failure.index)
        case LossRecorded(step=step):
            return Address(Kind.LOSS_RECORDED, step.job, step)
        case StartFailureRecorded(step=step):
            return Address(Kind.START_FAILURE_RECORDED, step.job, step)
        case CommitRecorded(done=done):
            return Address(Kind.COMMIT_RECORDED, done.step.job, done.step)
        case _:
            assert_never(fact)
