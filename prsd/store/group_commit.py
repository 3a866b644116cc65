"""Group commit: all appends that wait share one transaction, in one thread that alone writes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

from prsd.core.facts import Fact
from prsd.store.errors import DiskFull, JobExists, StoreFailed
from prsd.store.rows import JobDocument

RETRY_EVERY_S = 1.0


@dataclass(slots=True, eq=False)
class Append:
    """One call of `Store.append`. The writer sets `outcome`: the number of the last fact, or why nothing was recorded."""

    facts: Sequence[Fact]
    bodies: Sequence[bytes]
    documents: Sequence[JobDocument]
    recorded_at: float
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    waiter: asyncio.Future[int] = field(init=False)
    outcome: int | JobExists = 0

    def __post_init__(self) -> None:
        self.waiter = self.loop.create_future()


class GroupCommit:
    """`write` gets whatever is waiting, in order, and returns when it is durable.

    While it raises DiskFull it gets the same group again every second; any other exception ends all writing.
    """

    def __init__(self, write: Callable[[list[Append]], None]) -> None:
        self._write = write
        self._queue: SimpleQueue[Append | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._closed = threading.Event()
        # True while a group waits for room on the disk.
        self.is_full = False
        self.failure: StoreFailed | None = None
        self.groups = 0

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def submit(self, append: Append) -> asyncio.Future[int]:
        """Queues an append; the future ends when it is durable. StoreFailed at once when nothing can be written any more."""
        if self.failure is not None:
            raise self.failure
        if self._closed.is_set():
            raise StoreFailed("the store is closed: nothing more can be recorded")
        self._queue.put(append)
        return append.waiter

    def stop(self) -> None:
        """Writes what is queued and ends the thread; on a full disk what waits fails. Blocks; idempotent."""
        if not self._closed.is_set():
            self._closed.set()
            self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        stopping = False
        while not stopping:
            group, stopping = self._take()
            if group:
                self._commit(group)
                _deliver(group, self.failure)

    def _take(self) -> tuple[list[Append], bool]:
        """Waits for one append, then takes all that are there; True with it when the thread should end."""
        group: list[Append] = []
        waiting = self._queue.get()
        with suppress(Empty):
            while waiting is not None:
                group.append(waiting)
                waiting = self._queue.get_nowait()
            return group, True
        return group, False

    def _commit(self, group: list[Append]) -> None:
        if self.failure is not None:
            return
        try:
            self._write_when_there_is_room(group)
            self.groups += 1
        except Exception as error:  # whatever it is: what was decided is not on the disk, and the daemon must hear of it
            self.failure = StoreFailed(f"the log cannot be written: {error}")
            self.failure.__cause__ = error

    def _write_when_there_is_room(self, group: list[Append]) -> None:
        while True:
            try:
                self._write(group)
            except DiskFull:
                self.is_full = True
                if self._closed.wait(RETRY_EVERY_S):
                    raise
            else:
                self.is_full = False
                return


def _deliver(group: list[Append], failure: StoreFailed | None) -> None:
    """Wakes the waiters: one call into each event loop (in a daemon there is one), not one for each append."""
    for loop in dict.fromkeys(append.loop for append in group):
        mine = [append for append in group if append.loop is loop]
        with suppress(RuntimeError):  # the loop was closed: nobody waits any more
            loop.call_soon_threadsafe(_settle, mine, failure)


def _settle(group: list[Append], failure: StoreFailed | None) -> None:
    for append in group:
        if append.waiter.done():  # its caller was cancelled
            continue
        if failure is not None:
            append.waiter.set_exception(failure)
        elif isinstance(append.outcome, JobExists):
            append.waiter.set_exception(append.outcome)
        else:
            append.waiter.set_result(append.outcome)
