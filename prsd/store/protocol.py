"""What a store promises. `Queries` is all that an edge (gRPC, the studio) may see of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from prsd.core.facts import Fact, FailureRecorded, StartFailureRecorded
from prsd.core.vocabulary import CommitDone, Failure, Results, StepId
from prsd.store.lineage import Lineage
from prsd.store.rows import Division, ErrorGroup, JobDocument, JobRow, ReuseKey, StepRow

CHUNK = 1_000


class Queries(Protocol):
    """Reads what is durable. Every method blocks on the disk and may be called in any thread: `asyncio.to_thread`.

    A step that is not recorded raises `UnknownStep`. Bytes that cannot be what was written raise `StoreDamaged`.
    """

    def job_of_request(self, request_id: str) -> str | None:
        """The name of the job that this request was recorded as."""

    def jobs(self, limit: int = 100) -> list[JobRow]:
        """The newest jobs, newest first."""

    def find_job(self, reference: str) -> JobRow:
        """The job of this name, else of this unique beginning of a name, or the newest for `@latest`.

        Raises UnknownJob or AmbiguousJob.
        """

    def document_of(self, job: str) -> str:
        """The JSON text that was recorded with the job; UnknownJob."""

    def steps_of(self, job: str) -> list[StepRow]:
        """The steps in the order of the pipeline; UnknownJob."""

    def definition_of(self, step: StepId) -> bytes:
        """The serialized definition that was recorded with the job."""

    def reuse_key_of(self, step: StepId) -> ReuseKey | None:
        """The reuse key that was recorded with the job; None where there is none."""

    def reusable_steps(self, key: str, limit: int = 10) -> list[StepId]:
        """The newest completed steps that have this reuse key and ran themselves, newest first."""

    def reuse_keys_of_name(self, name: str, limit: int = 10) -> list[tuple[StepId, ReuseKey]]:
        """The same of the newest completed steps that are called `name`, whatever their keys."""

    def division_of(self, step: StepId) -> Division:
        """The recorded manifest parts, whether division has ended, and its notices."""

    def commit_of(self, step: StepId) -> CommitDone | None:
        """What the commit attempt reported, once it has."""

    def results_of(self, step: StepId, chunk: int = CHUNK) -> Iterator[list[Results]]:
        """All recorded results ordered by first index, in lists of at most `chunk` ranges: the commit plan, streamed."""

    def failed_of(self, step: StepId, chunk: int = CHUNK) -> Iterator[list[Failure]]:
        """The last failure of each mini-batch that failed for good, ordered by index, in lists of at most `chunk`."""

    def error_groups(self, step: StepId, limit: int = 20) -> list[ErrorGroup]:
        """The distinct errors, most frequent first, then in order of first appearance."""

    def first_error(self, step: StepId) -> FailureRecorded | StartFailureRecorded | None:
        """The failure that was recorded first."""


class Store(Queries, Protocol):
    """The log of facts of one daemon. `open`, then `read_facts` once, then `append` until `close`."""

    def open(self) -> None:
        """Takes the data folder and creates or migrates what is in it.

        Raises StoreInUse, StoreTooNew, StoreDamaged. Blocks.
        """

    def read_facts(self) -> Iterator[Fact]:
        """The facts of all jobs that have not ended, and those of the daemon itself, in recorded order.

        The whole log is verified on the way, also the facts that are left out: read to the end before trusting any. Raises
        StoreDamaged with the number of the first fact that is not what was written. Blocks.
        """

    @property
    def lineage(self) -> Lineage:
        """Which log this is; known once it is open."""

    @property
    def last_fact(self) -> int:
        """The number of the last durable fact; 0 for an empty log."""

    @property
    def is_full(self) -> bool:
        """Whether appends wait for room on the disk. They go on by themselves; nothing of them is lost or acknowledged."""

    def note_behind(self, sentence: str) -> None:
        """Remember durably that no daemon may go on from this log, and why, until somebody renews its lineage. Blocks."""

    async def append(self, facts: Sequence[Fact], *, recorded_at: float, documents: Sequence[JobDocument] = ()) -> int:
        """Records the facts, and the documents of the jobs among them, all or nothing; durable when it returns.

        The order of calls is the order of facts; concurrent calls share a transaction. `recorded_at` is the wall clock.
        Returns the number of the last fact. Raises JobExists (nothing was recorded, the store goes on), ValueError for what
        cannot be stored (the same), or StoreFailed: then every later append raises that very error, and the daemon must
        stop.
        On a full disk it waits, see `is_full`.
        A caller that is cancelled while it waits does not undo its append.
        """

    async def close(self) -> None:
        """Writes what was appended, then lets go of the data folder. Idempotent."""
