"""What the agent's ledger talks about: the nouns. All of them are frozen.

They mirror the messages of prsd.v1.agents; the ledger stays free of protobuf, so that a simulator can run thousands of them.
Columns are kept in their stored form (prsd.base.columns): the bytes of a worker's frame go to the wire as they came.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from prs_agent.ledger.ranges import Range


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


def worker_name(number: int) -> str:
    """ "process000" for 0: the name of a worker in logs and reports (spec section 3.4)."""
    return f"process{number:03d}"
