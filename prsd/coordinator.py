"""The shell round the core: inbox → handle → store → carry out. One loop, one timer, one line of batches for the disk.

While a batch of facts is being written, the next events are handled already; their effects wait in line behind their own
facts. So the disk bounds how fast effects leave, not how fast events are taken in.

While the disk is full nothing leaves and nothing expires, but events are still handled: heartbeats are answered, so agents
keep what they run, and all of it goes on where it stood once there is room.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from prsd.board import Board, Views
from prsd.core import commands
from prsd.core.core import Core
from prsd.core.events import DeadlinePassed, Event, Stalled
from prsd.core.facts import Fact
from prsd.store.errors import JobExists
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
    refused: list[tuple[asyncio.Future[None], JobExists]] = field(default_factory=list)
    views: Views = ()
    written: asyncio.Task[int] | None = None


class Coordinator:
    """Owns the core. Everything that happens to the daemon's state goes through `post`."""

    def __init__(
        self,
        core: Core,
        store: Store,
        board: Board,
        carry_out: Callable[[Effect, int], None],
        *,
        before_showing: Callable[[Sequence[Fact]], Awaitable[None]],
        forget: Callable[[str], None],
    ) -> None:
        """`carry_out` sends a command, with the number of the last durable fact, to its session; `before_showing` runs
        between durable facts and their showing; `forget` is called with each job that has ended, when that was shown."""
        self._core = core
        self._store = store
        self._board = board
        self._carry_out = carry_out
        self._before_showing = before_showing
        self._forget = forget
        self._inbox: asyncio.Queue[Posting] = asyncio.Queue(_INBOX_SIZE)
        self._in_writing: asyncio.Queue[_Batch] = asyncio.Queue(_BATCHES_IN_WRITING)
        self._line_moved = asyncio.Event()
        self._round_at = time.monotonic()
        self._full_since: float | None = None
        self._last_fact = store.last_fact
        self._jobs: set[str] = set()
        self._job_of_request: dict[str, str] = {}
        self._failed = asyncio.Event()
        self._failure: Exception | None = None

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
        """As `post`, but returns when everything that follows from the event is durable.

        Raises JobExists, when the job that has the document's name or request is durable, for a second one.
        """
        recorded: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        await self._inbox.put(Posting(event, time.monotonic(), document, None, recorded))
        await recorded

    def fail(self, error: Exception) -> None:
        """End the daemon with this error. Nothing that is not under way yet leaves it any more."""
        self._failure = error
        self._failed.set()

    async def run(self) -> None:
        """Until cancelled or told to fail, or until the store fails: then the exception ends the daemon, which must not
        outrun its disk."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._take_in(group), name="coordinator")
            group.create_task(self._follow_writing(), name="facts on their way to disk")
            group.create_task(self._fail_when_told(), name="failure")

    async def _fail_when_told(self) -> None:
        await self._failed.wait()
        assert self._failure is not None
        raise self._failure

    async def _take_in(self, group: asyncio.TaskGroup) -> None:
        first = _Batch()
        self._collect(self._core.start(time.monotonic()), first)
        self._board.look_at(self._core.unfinished_jobs())
        first.views = self._board.look(self._core, first.facts)
        await self._write(first, group)
        batch = _Batch()
        while True:
            postings = await self._take()
            self._note_stall(batch)
            for posting in postings:
                self._handle(posting, batch)
            self._expire(batch)
            if await self._has_room_in_line():
                batch.views = self._board.look(self._core, batch.facts)
                await self._write(batch, group)
                batch = _Batch()

    async def _has_room_in_line(self) -> bool:
        """Waits for a place in the line to the disk. On a full disk that may take for ever: then False, and what is handled
        meanwhile gathers in one batch."""
        while self._in_writing.full():
            if self._store.is_full:
                return False
            self._line_moved.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_ROUND_S):
                    await self._line_moved.wait()
        return True

    async def _take(self) -> list[Posting]:
        """Everything that is waiting, up to a bound; empty when the core's next deadline or the round has come first."""
        deadline = None if self._store.is_full else self._core.next_deadline()
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
        self._note_full_disk(batch, now)
        gap_s = now - self._round_at - _ROUND_S
        if gap_s > _STALL_S:
            log.warning("the daemon stood still for %.1f s: every deadline moves by as much", gap_s)
            self._collect(self._core.handle(Stalled(gap_s), now), batch)
        self._round_at = now

    def _note_full_disk(self, batch: _Batch, now: float) -> None:
        """Agents could not be acknowledged for so long: no deadline may count that against them or their steps."""
        if self._store.is_full:
            self._full_since = self._full_since or now
        elif self._full_since is not None:
            self._collect(self._core.handle(Stalled(now - self._full_since), now), batch)
            self._full_since = None

    def _handle(self, posting: Posting, batch: _Batch) -> None:
        if posting.document is not None and (twin := self._twin_of(posting.document)) is not None:
            if posting.recorded is not None:
                batch.refused.append((posting.recorded, twin))
            return
        self._collect(self._core.handle(posting.event, posting.received_at), batch)
        if posting.document is not None:
            batch.documents.append(posting.document)
        if posting.recorded is not None:
            batch.recorded.append(posting.recorded)
        if posting.on_handled is not None:
            posting.on_handled()

    def _twin_of(self, document: JobDocument) -> JobExists | None:
        """Two of a kind may be submitted before either is durable, when no query can tell yet; notes what is new."""
        if document.request_id and (job := self._job_of_request.get(document.request_id)) is not None:
            return JobExists(job, document.request_id)
        if document.job in self._jobs:
            return JobExists(document.job)
        self._jobs.add(document.job)
        if document.request_id:
            self._job_of_request[document.request_id] = document.job
        return None

    def _expire(self, batch: _Batch) -> None:
        deadline = self._core.next_deadline()
        now = time.monotonic()
        # Nothing expires while events that were received earlier still wait, or while nothing can be acknowledged.
        if deadline is not None and deadline <= now and self._inbox.empty() and not self._store.is_full:
            self._collect(self._core.handle(DeadlinePassed(), now), batch)

    @staticmethod
    def _collect(emitted: Sequence[commands.Command], batch: _Batch) -> None:
        for command in emitted:
            if isinstance(command, commands.Record):
                batch.facts.append(command.fact)
            else:
                batch.effects.append(command)

    async def _write(self, batch: _Batch, group: asyncio.TaskGroup) -> None:
        if not (batch.facts or batch.effects or batch.recorded or batch.refused or batch.views):
            return
        if batch.facts or batch.documents:
            append = self._store.append(batch.facts, recorded_at=time.time(), documents=batch.documents)
            batch.written = group.create_task(append)
        await self._in_writing.put(batch)

    async def _follow_writing(self) -> None:
        while True:
            batch = await self._in_writing.get()
            self._line_moved.set()
            if batch.written is not None:
                self._last_fact = max(self._last_fact, await batch.written)
            if self._failure is not None:
                return
            for effect in batch.effects:
                self._carry_out(effect, self._last_fact)
            await self._before_showing(batch.facts)
            self._board.publish(batch.views)
            self._forget_ended(batch.views)
            for future in batch.recorded:
                if not future.done():
                    future.set_result(None)
            for future, twin in batch.refused:
                if not future.done():
                    future.set_exception(twin)

    def _forget_ended(self, views: Views) -> None:
        """What is asked about an ended job is answered from the store; in memory it would stay for ever."""
        for view in views:
            if view.state.is_final:
                self._core.forget(view.id)
                self._board.forget(view.id)
                self._forget(view.id)
