"""What the core is told, in the past tense. Each event carries the time only through `Core.handle(event, now)`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from prsd.core.vocabulary import (
    CommitDone,
    DivisionProgress,
    Failure,
    GivenBack,
    HeldLease,
    InstanceState,
    Results,
    StartError,
    StepId,
    StepTerms,
    TakenOver,
    Want,
)


@dataclass(frozen=True, slots=True)
class JobSubmitted:
    job: str
    steps: tuple[StepTerms, ...]
    continue_on_step_failure: bool = True
    # By the name of the step: what a resumed job takes over from the one before. Recorded with the job, all or nothing.
    taken_over: Mapping[str, TakenOver] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CancelRequested:
    job: str


@dataclass(frozen=True, slots=True)
class AgentJoined:
    """An agent's Hello. The same boot under a new session takes over what the former session held."""

    session: str
    agent: str
    boot: str
    compute: str
    slots: int
    held: tuple[HeldLease, ...] = ()
    open_steps: tuple[StepId, ...] = ()
    # The node numbers and worker counts of `open_steps`. A restarted daemon knows neither; without them it makes up new
    # numbers, and takes as many workers for granted as the step may have.
    open_nodes: tuple[int, ...] = ()
    open_workers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class AgentSynced:
    """A heartbeat, or news: the tokens that the agent holds, the highest that it has seen, and what it wants to hold."""

    session: str
    held: tuple[int, ...]
    seen: int
    wants: tuple[Want, ...] = ()
    draining: bool = False


@dataclass(frozen=True, slots=True)
class AttemptsReported:
    """A numbered report of a boot; may be a repetition. Answered with Acknowledge whatever became of its parts."""

    session: str
    number: int
    results: tuple[Results, ...] = ()
    failures: tuple[Failure, ...] = ()
    given_back: tuple[GivenBack, ...] = ()
    divisions: tuple[DivisionProgress, ...] = ()
    commits: tuple[CommitDone, ...] = ()


@dataclass(frozen=True, slots=True)
class InstanceReported:
    session: str
    step: StepId
    state: InstanceState
    error: StartError | None = None
    waiting_reason: str = ""  # what passes on that node and holds up its workers, such as a full disk


@dataclass(frozen=True, slots=True)
class RoomNoted:
    """Whether there is room for new work on the disk of the jobs' storage."""

    is_there: bool


@dataclass(frozen=True, slots=True)
class StreamEnded:
    """The stream of a session broke without Goodbye: the session lives on until its deadline."""

    session: str


@dataclass(frozen=True, slots=True)
class AgentLeft:
    """Goodbye: the agent stops by its own will; what it held was not running any more."""

    session: str


@dataclass(frozen=True, slots=True)
class Stalled:
    """The daemon itself stood still this long (a blocked loop, a slow disk): every deadline moves by as much."""

    duration_s: float


@dataclass(frozen=True, slots=True)
class DeadlinePassed:
    """The time that `next_deadline()` named has come."""


Event = (
    JobSubmitted
    | CancelRequested
    | AgentJoined
    | AgentSynced
    | AttemptsReported
    | InstanceReported
    | RoomNoted
    | StreamEnded
    | AgentLeft
    | Stalled
    | DeadlinePassed
)
