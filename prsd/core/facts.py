"""What is recorded durably. A restart folds the facts of the log, in order, into the same state that recorded them.

Durable state changes through `apply(fact)` alone, live and at a restart, so the two cannot differ.
"""

from __future__ import annotations

from dataclasses import dataclass

from prsd.core.vocabulary import CommitDone, Failure, ManifestPart, Range, Results, StartError, State, StepId, StepTerms


@dataclass(frozen=True, slots=True)
class DaemonStarted:
    """A new incarnation; the first fact of every life of the daemon. Tokens are fenced by it."""

    incarnation: int


@dataclass(frozen=True, slots=True)
class JobRecorded:
    job: str
    steps: tuple[StepTerms, ...]
    continue_on_step_failure: bool


@dataclass(frozen=True, slots=True)
class JobChanged:
    job: str
    state: State
    reason: str = ""


@dataclass(frozen=True, slots=True)
class StepChanged:
    """A step's new state. `reason` is for people; it stays the step's error when the state is Failed."""

    step: StepId
    state: State
    reason: str = ""


@dataclass(frozen=True, slots=True)
class StepEnding:
    """The step will end as `outcome` once its workers are gone and its reports are written.

    One thing can still change that: an output that cannot be published turns Completed into Failed.
    """

    step: StepId
    outcome: State
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SessionOpened:
    """A session that leases may be granted to: after a restart the daemon waits for it, or for its timeout."""

    session: str
    agent: str
    boot: str


@dataclass(frozen=True, slots=True)
class SessionClosed:
    session: str


@dataclass(frozen=True, slots=True)
class DivisionRecorded:
    step: StepId
    parts: tuple[ManifestPart, ...]
    ended: bool
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class IndexesReserved:
    """Indexes below `stop` may have been granted. Leases are not durable; this is: it is recorded before the grant leaves.

    After a restart what lies below and is not settled may be running somewhere; what lies above is certainly not.
    """

    step: StepId
    stop: int


@dataclass(frozen=True, slots=True)
class ResultsRecorded:
    """Accepted results: exactly the part of a reported range that had neither a result nor a final failure."""

    results: Results
    session: str


@dataclass(frozen=True, slots=True)
class FailureRecorded:
    """A charged failure. `final`: the mini-batch has no attempt left; with phase RUN it counts against the thresholds."""

    failure: Failure
    final: bool


@dataclass(frozen=True, slots=True)
class LossRecorded:
    """An agent was lost with these under lease. Not charged, but counted: the third loss of an index fails it for good."""

    step: StepId
    ranges: tuple[Range, ...]
    agent: str


@dataclass(frozen=True, slots=True)
class StartFailureRecorded:
    """A worker could not load the entry script, or init() raised."""

    step: StepId
    agent: str
    error: StartError


@dataclass(frozen=True, slots=True)
class CommitRecorded:
    done: CommitDone


Fact = (
    DaemonStarted
    | JobRecorded
    | JobChanged
    | StepChanged
    | StepEnding
    | SessionOpened
    | SessionClosed
    | DivisionRecorded
    | IndexesReserved
    | ResultsRecorded
    | FailureRecorded
    | LossRecorded
    | StartFailureRecorded
    | CommitRecorded
)
