"""What happened, in the past tense: what the daemon said, and what became of processes on this node. All frozen."""

from __future__ import annotations

from dataclasses import dataclass

from prs_agent.ledger.ranges import Range
from prs_agent.ledger.vocabulary import CommitDone, DivisionProgress, Failure, Lease, Results, StartError, StepId

# What the daemon said.


@dataclass(frozen=True, slots=True)
class Welcomed:
    """A session began. `hello_sent_at` is when the agent asked for it, on its own monotonic clock."""

    session_timeout_s: float
    heartbeat_s: float
    hello_sent_at: float
    kept: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class StreamLost:
    """The stream broke; the session lives on until its deadline."""


@dataclass(frozen=True, slots=True)
class Echoed:
    """The daemon answered the Sync that was sent at this time."""

    sent_at: float


@dataclass(frozen=True, slots=True)
class StepOpened:
    """Take part in a step. `is_command`: one attempt without workers. `gpus`: how many devices its workers share."""

    step: StepId
    workers: int
    node: int
    is_command: bool = False
    gpus: int = 0


@dataclass(frozen=True, slots=True)
class LeaseGranted:
    lease: Lease


@dataclass(frozen=True, slots=True)
class LeaseRevoked:
    token: int
    ranges: tuple[Range, ...]


@dataclass(frozen=True, slots=True)
class TakeBackAsked:
    token: int


@dataclass(frozen=True, slots=True)
class CloseAsked:
    step: StepId
    kill: bool


@dataclass(frozen=True, slots=True)
class Acknowledged:
    number: int


# What became of processes on this node. `worker` is the worker's number within the step.


@dataclass(frozen=True, slots=True)
class WorkerReady:
    step: StepId
    worker: int


@dataclass(frozen=True, slots=True)
class WorkerStartFailed:
    """The worker could not load the entry script, or init() raised; it exits by itself."""

    step: StepId
    worker: int
    error: StartError


@dataclass(frozen=True, slots=True)
class StepBroken:
    """Nothing of the step can be started on this node: an input is missing, the snapshot cannot be had."""

    step: StepId
    error: StartError


@dataclass(frozen=True, slots=True)
class StepDelayed:
    """What the step waits for on this node before anything of it can start; "" when it waits no more."""

    step: StepId
    reason: str


@dataclass(frozen=True, slots=True)
class RangeFinished:
    """Results of a worker, or of a command step's attempt (`worker` None)."""

    worker: int | None
    results: Results


@dataclass(frozen=True, slots=True)
class AttemptFailed:
    """`directive`: None, "restart_process" or "stop_process" (spec section 3.6)."""

    worker: int | None
    failure: Failure
    directive: str | None = None


@dataclass(frozen=True, slots=True)
class WorkerGaveBack:
    """The worker's answer to a take-back: these indexes were not started."""

    step: StepId
    worker: int
    token: int
    ranges: tuple[Range, ...]


@dataclass(frozen=True, slots=True)
class WorkerExited:
    """A worker process and all its children are gone.

    `cause`: "" (by itself), "timeout" or "load timeout" (killed for that), "killed" (by a command of the ledger).
    `token`, `index`: what its slot said was running; None when nothing was. `detail` is one line for people.
    """

    step: StepId
    worker: int
    detail: str
    cause: str = ""
    token: int = 0
    index: int | None = None
    started_at: float = 0.0
    run_us: int = 0


@dataclass(frozen=True, slots=True)
class DivisionAdvanced:
    progress: DivisionProgress


@dataclass(frozen=True, slots=True)
class CommitFinished:
    done: CommitDone


@dataclass(frozen=True, slots=True)
class AttemptStopped:
    """A divide, commit or command attempt that was told to stop is gone."""

    token: int


@dataclass(frozen=True, slots=True)
class DrainAsked:
    """Finish what runs, take nothing new, then leave."""


@dataclass(frozen=True, slots=True)
class Ticked:
    """Time went by."""


Event = (
    Welcomed
    | StreamLost
    | Echoed
    | StepOpened
    | LeaseGranted
    | LeaseRevoked
    | TakeBackAsked
    | CloseAsked
    | Acknowledged
    | WorkerReady
    | WorkerStartFailed
    | StepBroken
    | StepDelayed
    | RangeFinished
    | AttemptFailed
    | WorkerGaveBack
    | WorkerExited
    | DivisionAdvanced
    | CommitFinished
    | AttemptStopped
    | DrainAsked
    | Ticked
)
