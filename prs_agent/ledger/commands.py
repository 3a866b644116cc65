"""What the ledger asks for, in the imperative. All frozen."""

from __future__ import annotations

from dataclasses import dataclass

from prs_agent.ledger.ranges import Range
from prs_agent.ledger.vocabulary import InstanceState, Lease, Report, StartError, StepId, Want


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
