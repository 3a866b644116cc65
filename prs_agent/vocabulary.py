"""What the agent's ledger talks about: values, events (past tense) and commands (imperative). All of them are frozen.

They mirror the messages of prsd.v1.agents; the ledger stays free of protobuf, so that a simulator can run thousands of them.
Columns are kept in their stored form (prsd.base.columns): the bytes of a worker's frame go to the wire as they came.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from prs_agent.ranges import Range


class StepId(NamedTuple):
    """A step of a job."""

    job: str
    step: str


class Phase(Enum):
    """What an attempt does."""

    DIVIDE = "divide"
    RUN = "run"
    COMMIT = "commit"


class InstanceState(Enum):
    """What the agent says of its part in a step."""

    OPENED = "opened"
    READY = "ready"
    START_FAILED = "start failed"
    GAVE_UP = "gave up"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class ManifestPart:
    """A file of the manifest that describes `count` mini-batches from `first`."""

    name: str
    first: int
    count: int
    items: int = 0
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Lease:
    """An agent's right to carry out attempts; see the daemon's protocol for the fields that only some phases use."""

    token: int
    step: StepId
    phase: Phase
    first: int
    count: int
    attempt: int = 1
    parts: tuple[ManifestPart, ...] = ()
    publish: bool = False


@dataclass(frozen=True, slots=True)
class HeldLease:
    """What is left of a lease, for a Hello."""

    token: int
    step: StepId
    phase: Phase
    ranges: tuple[Range, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """Where returned rows lie in a segment. `lengths` is a packed column."""

    segment: str
    offset: int
    lengths: bytes
    crc32: int


@dataclass(frozen=True, slots=True)
class Results:
    """Succeeded (or empty) mini-batches, consecutive, of one worker."""

    step: StepId
    token: int
    first: int
    count: int
    items_total: bytes
    items_succeeded: bytes
    run_us: bytes
    block: Block | None = None
    empty: bool = False
    started_at: float = 0.0
    worker: str = ""
    attempt: int = 1

    @property
    def range(self) -> Range:
        return Range(self.first, self.count)


@dataclass(frozen=True, slots=True)
class Failure:
    """One attempt that ended without a result."""

    step: StepId
    token: int
    phase: Phase
    index: int
    kind: str
    message: str
    traceback: str = ""
    started_at: float = 0.0
    run_us: int = 0
    worker: str = ""
    items_total: int = 0
    attempt: int = 1
    permanent: bool = False


@dataclass(frozen=True, slots=True)
class GivenBack:
    """Indexes of a lease that were never started."""

    token: int
    ranges: tuple[Range, ...]


@dataclass(frozen=True, slots=True)
class DivisionProgress:
    """Parts of the manifest that are durable now."""

    step: StepId
    token: int
    parts: tuple[ManifestPart, ...]
    ended: bool
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CommitDone:
    """The output is published, or the reports of a step that publishes nothing are written."""

    step: StepId
    token: int
    size_bytes: int = 0
    digest: str = ""
    rows: int = 0
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """Numbered from 1 within a boot; kept until it is acknowledged."""

    number: int
    results: tuple[Results, ...] = ()
    failures: tuple[Failure, ...] = ()
    given_back: tuple[GivenBack, ...] = ()
    divisions: tuple[DivisionProgress, ...] = ()
    commits: tuple[CommitDone, ...] = ()


@dataclass(frozen=True, slots=True)
class StartError:
    """Why a worker could not be started. `permanent`: no worker can."""

    kind: str
    message: str
    traceback: str = ""
    permanent: bool = False
    worker: str = ""


@dataclass(frozen=True, slots=True)
class Want:
    """How many mini-batches of a step the agent wants to hold in all."""

    step: StepId
    count: int
    ready_workers: int


# Events: what the daemon said.


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


# Events: what became of processes on this node. `worker` is the worker's number within the step.


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


# Commands.


@dataclass(frozen=True, slots=True)
class SendSync:
    held: tuple[int, ...]
    seen: int
    wants: tuple[Want, ...]
    sent_at: float
    draining: bool = False


@dataclass(frozen=True, slots=True)
class SendReport:
    """The bytes that the report refers to must be durable before it leaves."""

    report: Report


@dataclass(frozen=True, slots=True)
class SendInstance:
    step: StepId
    state: InstanceState
    error: StartError | None = None
    waiting_reason: str = ""


@dataclass(frozen=True, slots=True)
class DropStream:
    """The daemon does not answer: break the stream and connect anew."""


@dataclass(frozen=True, slots=True)
class StartWorker:
    """`gpu`: the index for CUDA_VISIBLE_DEVICES, None for a worker without (spec section 3.4)."""

    step: StepId
    worker: int
    gpu: int | None = None


@dataclass(frozen=True, slots=True)
class Feed:
    """A frame for a worker: it never crosses a part of the manifest (`part` "" when there is none)."""

    step: StepId
    worker: int
    token: int
    first: int
    count: int
    attempt: int
    part: str


@dataclass(frozen=True, slots=True)
class AskBack:
    """Ask a worker for what it has not started of a lease."""

    step: StepId
    worker: int
    token: int


@dataclass(frozen=True, slots=True)
class CloseWorker:
    """Let the worker finish its frames, run shutdown() and exit."""

    step: StepId
    worker: int


@dataclass(frozen=True, slots=True)
class KillWorker:
    step: StepId
    worker: int


@dataclass(frozen=True, slots=True)
class KillIfRunning:
    """Kill the worker if what it runs at this moment lies in one of these ranges of the lease."""

    step: StepId
    worker: int
    token: int
    ranges: tuple[Range, ...]


@dataclass(frozen=True, slots=True)
class StartAttempt:
    """Carry out a divide or commit attempt, or a command step, in a process of its own."""

    lease: Lease


@dataclass(frozen=True, slots=True)
class StopAttempt:
    token: int


@dataclass(frozen=True, slots=True)
class ForgetStep:
    """The step is closed on this node: release what was kept for it."""

    step: StepId


@dataclass(frozen=True, slots=True)
class Leave:
    """Draining is over: nothing is held any more."""


Command = (
    SendSync
    | SendReport
    | SendInstance
    | DropStream
    | StartWorker
    | Feed
    | AskBack
    | CloseWorker
    | KillWorker
    | KillIfRunning
    | StartAttempt
    | StopAttempt
    | ForgetStep
    | Leave
)


def worker_name(number: int) -> str:
    """ "process000" for 0: the name of a worker in logs and reports (spec section 3.4)."""
    return f"process{number:03d}"
