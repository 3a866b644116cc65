"""What is volatile of a live step: where each granted, unsettled mini-batch is right now.

Below `cursor` every mini-batch is in exactly one place: settled (see `steps`), under a lease, `free`, a `suspect` (one more
lost agent would fail it for good), waiting among `retries`, or `held_back` (a restarted daemon does not know yet who runs
it). From `cursor` up it was never granted. `check` proves that the places add up.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from prsd.core.ranges import Interval, IntervalSet
from prsd.core.steps import StepRecord
from prsd.core.vocabulary import Phase, Range, StepId


class Piece(NamedTuple):
    """What the next lease may be: a range with one attempt number. `is_alone`: its agent gets nothing beside it."""

    first: int
    stop: int
    attempt: int
    is_alone: bool = False


class Issued(NamedTuple):
    """To whom a token was given, and for what: late results are accepted from there alone."""

    boot: str
    first: int
    stop: int


@dataclass(slots=True)
class Holding:
    """A lease in force. `remaining` shrinks as its indexes are settled, revoked or given back."""

    token: int
    step: StepId
    phase: Phase
    session: str
    remaining: IntervalSet
    is_alone: bool = False
    taken_back_at: float | None = None

    def ranges(self) -> tuple[Range, ...]:
        """What remains, for a command."""
        return tuple(Range(first, stop - first) for first, stop in self.remaining)


@dataclass(slots=True)
class Instance:
    """An agent's part in a step, from Open until CLOSED."""

    step: StepId
    session: str
    workers: int
    node: int
    is_adopted: bool = False  # after a restart: what the agent says, not what was granted in this life
    is_closing: bool = False
    kill: bool = False
    close_deadline: float = 0.0
    want: int = 0
    ready_workers: int = 0
    waiting_reason: str = ""  # in the agent's words: why it has no worker yet, when that passes by itself
    is_hungry: bool = False  # wanted more than there was when it was last served
    took_back_at: float | None = None


@dataclass(slots=True)
class Clocks:
    """The step's own deadlines; None where nothing runs. Times are those of `Core.handle`, in seconds."""

    first_task_deadline: float | None = None
    progress_since: float | None = None  # running since; None while no agent takes part
    progress_spent_s: float = 0.0
    opened_at: float | None = None


@dataclass(slots=True)
class Work:
    """A live step at work; exists from the moment that the step may start until it is final."""

    step: StepRecord
    cursor: int = 0
    free: IntervalSet = field(default_factory=IntervalSet)
    suspects: IntervalSet = field(default_factory=IntervalSet)
    held_back: IntervalSet = field(default_factory=IntervalSet)
    retries: deque[int] = field(default_factory=deque)
    leases: dict[int, Holding] = field(default_factory=dict)  # of phase RUN, by token
    phase_lease: Holding | None = None  # the divide or commit lease
    phase_losses: int = 0
    issued: dict[int, Issued] = field(default_factory=dict)
    issued_limit: int = 4096
    instances: dict[str, Instance] = field(default_factory=dict)  # by session
    gave_up: dict[str, None] = field(default_factory=dict)  # boots on which no worker could be started
    next_node: int = 0
    is_resuming: bool = False  # after a restart, until every recorded session is back or timed out
    has_been_ready: bool = False
    clocks: Clocks = field(default_factory=Clocks)
    to_serve: dict[str, None] = field(default_factory=dict)  # sessions
    serve_hungry: bool = False

    @property
    def available(self) -> int:
        """Mini-batches that could be granted now."""
        return len(self.free) + len(self.retries) + len(self.suspects) + self.step.divided - self.cursor

    def keep_progress_clock(self, now: float) -> None:
        """Let it run while an agent takes part: init() that hangs everywhere is no progress either (spec section 2.4)."""
        clocks = self.clocks
        is_running = bool(self.leases) or any(not instance.is_closing for instance in self.instances.values())
        if is_running and clocks.progress_since is None:
            clocks.progress_since = now
        elif not is_running and clocks.progress_since is not None:
            clocks.progress_spent_s += now - clocks.progress_since
            clocks.progress_since = None

    def note_progress(self, now: float) -> None:
        """Start the progress clock again."""
        self.clocks.progress_spent_s = 0.0
        if self.clocks.progress_since is not None:
            self.clocks.progress_since = now

    def open_instances(self) -> list[Instance]:
        """Those that take part, in the order in which they were opened."""
        return [instance for instance in self.instances.values() if not instance.is_closing]

    def put_back(self, first: int, stop: int) -> None:
        """Make unsettled mini-batches grantable again; nothing is charged."""
        self.serve_hungry = True
        for suspect in self._last_chance().overlap(first, stop):
            self.suspects.add(*suspect)
        for start, end in self._last_chance().gaps(first, stop):
            at = start
            for index in sorted(index for index in self.step.charges if start <= index < end):
                self.retries.append(index)
                self.free.add(at, index)
                at = index + 1
            self.free.add(at, end)

    def take(self, most: int, idle: bool) -> Piece | None:
        """The next piece to grant, of at most `most` mini-batches. Suspects go last, to agents that hold nothing else."""
        if self.free:
            return self._take_free(most)
        if self.retries:
            index = self.retries.popleft()
            return Piece(index, index + 1, self.step.attempt_of(index))
        if self.cursor < self.step.divided:
            first, stop = self.cursor, min(self.step.divided, self.cursor + most)
            self.cursor = stop
            return Piece(first, stop, 1)
        if self.suspects and idle:
            first, stop = self.suspects.pop_first(1)
            return Piece(first, stop, self.step.attempt_of(first), is_alone=True)
        return None

    def withdraw(self, first: int, stop: int) -> int:
        """Settled: take these from wherever they wait to be granted; returns how many did."""
        waiting = [index for index in self.retries if first <= index < stop]
        for index in waiting:
            self.retries.remove(index)
        places = (self.free, self.suspects, self.held_back)
        return len(waiting) + sum(place.remove(first, stop) for place in places if place)

    def release_held_back(self) -> None:
        """After a restart everyone is back or given up: what nobody claimed is free."""
        self.is_resuming = False
        pieces: list[Interval] = list(self.held_back)
        self.held_back.clear()
        for piece in pieces:
            self.put_back(*piece)

    def drop_supply(self) -> None:
        """The step ends: nothing of it is granted any more."""
        for place in (self.free, self.suspects, self.held_back):
            place.clear()
        self.retries.clear()
        self.serve_hungry = False
        self.to_serve.clear()

    def forget_settled_tokens(self) -> None:
        """Keep `issued` small: a token whose whole range is settled can bring no result any more."""
        if len(self.issued) < self.issued_limit:
            return
        covers = self.step.settled.covers
        self.issued = {token: of for token, of in self.issued.items() if not covers(of.first, of.stop)}
        self.issued_limit = max(4096, 2 * len(self.issued))

    def _last_chance(self) -> IntervalSet:
        return self.step.losses[-1] if self.step.losses else IntervalSet()

    def _take_free(self, most: int) -> Piece:
        first, stop = self.free.first_interval()
        stop = min(stop, first + most)
        for level in self.step.losses:
            edge = level.next_edge(first)
            stop = stop if edge is None else min(stop, edge)
        self.free.remove(first, stop)
        return Piece(first, stop, self.step.attempt_of(first))
