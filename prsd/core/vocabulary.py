"""The values that events, commands and facts are made of. Every one is frozen; none knows a path, a row or a socket."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, StrEnum
from typing import NamedTuple

from prsd.base.columns import Column


class StepId(NamedTuple):
    """A step of a job."""

    job: str
    step: str


@dataclass(frozen=True, slots=True, order=True)
class Range:
    """`count` consecutive indexes of mini-batches from `first`."""

    first: int
    count: int

    @property
    def stop(self) -> int:
        return self.first + self.count


class Phase(Enum):
    """What an attempt does. A command step is a RUN of one mini-batch; it has neither DIVIDE nor COMMIT."""

    DIVIDE = "divide"
    RUN = "run"
    COMMIT = "commit"


class State(StrEnum):
    """States of jobs and steps, in Azure's words. A step is never CANCEL_REQUESTED, a job never SKIPPED."""

    QUEUED = "Queued"
    PREPARING = "Preparing"
    RUNNING = "Running"
    FINALIZING = "Finalizing"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCEL_REQUESTED = "CancelRequested"
    CANCELED = "Canceled"
    SKIPPED = "Skipped"

    @property
    def is_final(self) -> bool:
        return self in (State.COMPLETED, State.FAILED, State.CANCELED, State.SKIPPED)


class StepKind(Enum):
    PARALLEL = "parallel"
    COMMAND = "command"


@dataclass(frozen=True, slots=True)
class StepTerms:
    """What the core must know of a step: its place in the graph, its size in workers, and its limits.

    The source of each limit is section 2.1 of the behaviour's specification; a threshold of -1 (100 percent) is off.
    """

    name: str
    kind: StepKind
    depends_on: tuple[str, ...] = ()
    compute: str = ""  # "" means any agent
    instance_count: int = 1
    workers_per_instance: int = 0  # 0: as many as the agent has slots
    max_retries: int = 2
    error_threshold: int = -1
    mini_batch_error_threshold: int = -1
    allowed_failed_percent: float = 100.0
    first_task_creation_timeout_s: float = 600.0
    progress_update_timeout_s: float = 1980.0
    appends_rows: bool = False  # then "no item returned at all" fails the step
    rank_mini_batch_count: int = 0  # > 0: that many mini-batches without input, and no divide attempt


@dataclass(frozen=True, slots=True)
class Lease:
    """An agent's right to carry out attempts: `count` mini-batches from `first`, or one divide or commit (0, 1).

    `token` is the daemon's incarnation shifted left by 32, plus a counter of grants: tokens only grow.
    `attempt` is the number of these attempts from 1, equal for the whole range (ranges are cut so that it is).
    """

    token: int
    step: StepId
    phase: Phase
    first: int
    count: int
    attempt: int = 1

    @property
    def range(self) -> Range:
        return Range(self.first, self.count)


@dataclass(frozen=True, slots=True)
class HeldLease:
    """What an agent says that it still holds of a lease, when it joins with leases of an earlier session."""

    token: int
    step: StepId
    phase: Phase
    ranges: tuple[Range, ...]


@dataclass(frozen=True, slots=True)
class Want:
    """How many mini-batches of an open step an agent wants to hold in all (not: in addition)."""

    step: StepId
    count: int
    ready_workers: int = 0


@dataclass(frozen=True, slots=True)
class Block:
    """Where returned rows lie: consecutive payloads in a segment, those of mini-batches `first`, `first + 1`, … .

    The accepted results of a block may be fewer than the block holds (another attempt was first): the block stays as it is,
    and its own `first` says where each payload is.
    """

    segment: str
    offset: int  # of the payload of `first`, in bytes
    first: int
    lengths: Column  # bytes of each payload
    crc32: int  # of all payloads together


@dataclass(frozen=True, slots=True)
class Results:
    """Succeeded (or empty) mini-batches, consecutive, under one lease, by one worker."""

    step: StepId
    token: int
    first: int
    items_total: Column
    items_succeeded: Column
    run_us: Column
    block: Block | None = None
    empty: bool = False  # nothing was left to run on: outside every total and percentage
    worker: str = ""
    started_at: float = 0.0  # wall clock of the agent; for reports only
    attempt: int = 1

    @property
    def count(self) -> int:
        return len(self.items_total)

    def cut(self, first: int, stop: int) -> Results:
        """The part that is about [first, stop); the block stays whole."""
        offset, count = first - self.first, stop - first
        if count == self.count:
            return self
        return replace(
            self,
            first=first,
            items_total=self.items_total.slice(offset, count),
            items_succeeded=self.items_succeeded.slice(offset, count),
            run_us=self.run_us.slice(offset, count),
        )


@dataclass(frozen=True, slots=True)
class Failure:
    """One attempt that ended without a result. `permanent`: to repeat it cannot help (a missing input, a bad output)."""

    step: StepId
    token: int
    phase: Phase
    index: int
    kind: str  # "exception", "timeout", "load timeout", "worker died", "bad return", "output"
    message: str
    traceback: str = ""
    items_total: int = 0
    worker: str = ""
    started_at: float = 0.0
    run_us: int = 0
    attempt: int = 1
    permanent: bool = False


@dataclass(frozen=True, slots=True)
class GivenBack:
    """Indexes of a lease that were never started: free again, nothing is charged."""

    token: int
    ranges: tuple[Range, ...]


@dataclass(frozen=True, slots=True)
class ManifestPart:
    """An immutable file that describes `count` mini-batches from `first`; durable before it is reported.

    `digest` covers what the part says: a repeated divide attempt must come to the same, or the step fails.
    """

    name: str
    first: int
    count: int
    items: int  # 0: unknown before the mini-batches are read
    digest: str


@dataclass(frozen=True, slots=True)
class DivisionProgress:
    step: StepId
    token: int
    parts: tuple[ManifestPart, ...]
    ended: bool
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CommitDone:
    """The output is published (or the reports of a step that publishes nothing are written)."""

    step: StepId
    token: int
    size_bytes: int = 0
    digest: str = ""
    rows: int = 0
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TakenOver:
    """What a step of a resumed job begins with, out of the same step of the job that it goes on from.

    Results, failures and `committed` name the step of the new job. Only a completed step brings failures (those that its
    thresholds tolerated): in any other step what has failed runs again, with fresh budgets.
    """

    parts: tuple[ManifestPart, ...] = ()
    division_ended: bool = False
    results: tuple[Results, ...] = ()
    notices: tuple[str, ...] = ()
    is_completed: bool = False
    failures: tuple[Failure, ...] = ()
    committed: CommitDone | None = None


class InstanceState(Enum):
    """What an agent says of its part in a step."""

    OPENED = "opened"  # workers are being started
    READY = "ready"  # a worker has loaded the entry script and run init()
    START_FAILED = "start failed"  # a worker could not; others are tried
    GAVE_UP = "gave up"  # none could; the agent tries no more
    CLOSED = "closed"  # after Close: every worker is gone


@dataclass(frozen=True, slots=True)
class StartError:
    """Why a worker could not load the entry script. `permanent`: it cannot load anywhere (no run(), a syntax error)."""

    kind: str
    message: str
    traceback: str = ""
    permanent: bool = False
    worker: str = ""


@dataclass(frozen=True, slots=True)
class CoreSettings:
    """Times in seconds. Defaults are those of the architecture's rulings."""

    session_timeout_s: float = 15.0
    loss_limit: int = 3  # that many agents lost under one mini-batch fail it for good
    phase_attempts: int = 3  # tries of a divide or commit attempt that fails
    init_failure_grace_s: float = 120.0  # init failures stop a step only after this long, unless no agent is left
    close_timeout_s: float = 60.0  # how long shutdown() may take before workers are killed
    reserve_ahead: int = 65_536  # indexes per durable reservation; see facts.IndexesReserved
    take_back_interval_s: float = 2.0  # an idle agent asks others for unstarted work at most this often
