"""The shell round the core: inbox → handle → store → carry out. One loop, one timer, one line of batches for the disk.

While a batch of facts is being written, the next events are handled already; their effects wait in line behind their own
facts. So the disk bounds how fast effects leave, not how fast events are taken in.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from prsd.board import Board, Views
from prsd.core import commands
from prsd.core.core import Core
from prsd.core.events import DeadlinePassed, Event, Stalled
from prsd.core.facts import Fact
from prsd.store.protocol import Store
from prsd.store.rows import JobDocument

log = logging.getLogger(__name__)

# A full inbox holds senders back: this is the daemon's back-pressure on agents.
_INBOX_SIZE = 4096
# Batches that may wait for the disk before the loop stops taking in events.
_BATCHES_IN_WRITING = 16
# The loop wakes at least this often, so that a longer gap between two rounds is a stall of the daemon itself.
_ROUND_S = 0.5
_STALL_S = 1.0
# Taking in many events at once bounds how long effects of the first wait for the last.
_EVENTS_PER_ROUND = 512

Effect = (
    commands.Welcome
    | commands.Grant
    | commands.Revoke
    | commands.TakeBack
    | commands.Open
    | commands.Close
    | commands.Acknowledge
    | commands.Dismiss
)


@dataclass(slots=True)
class Posting:
    """An event on its way to the core, with what hangs on it."""

    event: Event
    received_at: float
    document: JobDocument | None = None
    # Called in the loop as soon as the core has handled the event, before anything is durable.
    on_handled: Callable[[], None] | None = None
    # Done when everything that the event caused is durable.
    recorded: asyncio.Future[None] | None = None


@dataclass(slots=True)
class _Batch:
    facts: list[Fact] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    documents: list[JobDocument] = field(default_factory=list)
    recorded: list[asyncio.Future[None]] = field(default_factory=list)
    views: Views = ()
    written: asyncio.Task[int] | None = None


class Coordinator:
    """Owns the core. Everything that happens to the daemon's state goes through `post`."""

    def __init__(
        self,
        core: Core,
        store: Store,
        board: Board,
        carry_out: Callable[[Effect], None],
        before_showing: Callable[[Sequence[Fact]], Awaitable[None]],
    ) -> None:
        """`carry_out` sends a command to its session; `before_showing` runs between durable facts and their showing."""
        self._core = core
        self._store = store
        self._board = board
        self._carry_out = carry_out
        self._before_showing = before_showing
        self._inbox: asyncio.Queue[Posting] = asyncio.Queue(_INBOX_SIZE)
        self._in_writing: asyncio.Queue[_Batch] = asyncio.Queue(_BATCHES_IN_WRITING)
        self._round_at = time.monotonic()

    async def post(
        self,
        event: Event,
        *,
        on_handled: Callable[[], None] | None = None,
        document: JobDocument | None = None,
    ) -> None:
        """Hand an event to the core; waits only while the inbox is full."""
        await self._inbox.put(Posting(event, time.monotonic(), document, on_handled))

    async def post_and_record(self, event: Event, document: JobDocument | None = None) -> None:
        """As `post`, but returns when everything that follows from the event is durable."""
        recorded: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        await self._inbox.put(Posting(event, time.monotonic(), document, None, recorded))
        await recorded

    async def run(self) -> None:
        """Until cancelled, or until the store fails: then the exception ends the daemon, which must not outrun its disk."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._take_in(group), name="coordinator")
            group.create_task(self._follow_writing(), name="facts on their way to disk")

    async def _take_in(self, group: asyncio.TaskGroup) -> None:
        first = _Batch()
        self._collect(self._core.start(time.monotonic()), first)
        await self._write(first, group)
        while True:
            postings = await self._take()
            batch = _Batch()
            self._note_stall(batch)
            for posting in postings:
                self._handle(posting, batch)
            self._expire(batch)
            batch.views = self._board.look(self._core, batch.facts)
            await self._write(batch, group)

    async def _take(self) -> list[Posting]:
        """Everything that is waiting, up to a bound; empty when the core's next deadline or the round has come first."""
        deadline = self._core.next_deadline()
        timeout_s = _ROUND_S if deadline is None else min(_ROUND_S, max(0.0, deadline - time.monotonic()))
        postings: list[Posting] = []
        if self._inbox.empty():
            try:
                async with asyncio.timeout(timeout_s):
                    postings.append(await self._inbox.get())
            except TimeoutError:
                return postings
        while len(postings) < _EVENTS_PER_ROUND and not self._inbox.empty():
            postings.append(self._inbox.get_nowait())
        return postings

    def _note_stall(self, batch: _Batch) -> None:
        now = time.monotonic()
        gap_s = now - self._round_at - _ROUND_S
        if gap_s > _STALL_S:
            log.warning("the daemon stood still for %.1f s: every deadline moves by as much", gap_s)
            self._collect(self._core.handle(Stalled(gap_s), now), batch)
        self._round_at = now

    def _handle(self, posting: Posting, batch: _Batch) -> None:
        self._collect(self._core.handle(posting.event, posting.received_at), batch)
        if posting.document is not None:
            batch.documents.append(posting.document)
        if posting.recorded is not None:
            batch.recorded.append(posting.recorded)
        if posting.on_handled is not None:
            posting.on_handled()

    def _expire(self, batch: _Batch) -> None:
        deadline = self._core.next_deadline()
        now = time.monotonic()
        # Nothing expires while events that were received earlier still wait.
        if deadline is not None and deadline <= now and self._inbox.empty():
            self._collect(self._core.handle(DeadlinePassed(), now), batch)

    @staticmethod
    def _collect(emitted: Sequence[commands.Command], batch: _Batch) -> None:
        for command in emitted:
            if isinstance(command, commands.Record):
                batch.facts.append(command.fact)
            else:
                batch.effects.append(command)

    async def _write(self, batch: _Batch, group: asyncio.TaskGroup) -> None:
        if not (batch.facts or batch.effects or batch.recorded or batch.views):
            return
        if batch.facts or batch.documents:
            append = self._store.append(batch.facts, recorded_at=time.time(), documents=batch.documents)
            batch.written = group.create_task(append)
        await self._in_writing.put(batch)

    async def _follow_writing(self) -> None:
        while True:
            batch = await self._in_writing.get()
            if batch.written is not None:
                await batch.written
            for effect in batch.effects:
                self._carry_out(effect)
            await self._before_showing(batch.facts)
            self._board.publish(batch.views)
            for future in batch.recorded:
                if not future.done():
                    future.set_result(None)
