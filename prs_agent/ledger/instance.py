"""PURE: this agent's part in one step: its workers, what each was fed, what waits to be fed, and how fast it goes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum, auto

from prs_agent.ledger.commands import Command, Feed, StartWorker
from prs_agent.ledger.ranges import Range, RangeSet
from prs_agent.ledger.vocabulary import Lease, StartError, StepId, Want

FRAME_S = 0.03  # what one frame should keep a worker busy for: long against a frame's cost, short against a take-back
HELD_S = 0.4  # what the agent wants to hold, so that a report's round trip leaves no worker dry
FRAMES_PER_WORKER = 2  # one runs, one waits
INIT_FAILURES_PER_WORKER = 3  # spec section 3.6: after 3 * workers consecutive failures no new worker is started
_MEMORY = 0.7  # how much of the former measurement of speed survives a new one


class WorkerState(Enum):
    STARTING = auto()
    READY = auto()
    FAILED = auto()  # init failed, or it was killed: its exit is awaited
    CLOSING = auto()  # runs shutdown() when its frames are done


@dataclass(slots=True)
class Piece:
    """Indexes of a lease that no worker has."""

    lease: Lease
    range: Range


@dataclass(slots=True)
class Frame:
    """What is left of what a worker was fed at once."""

    lease: Lease
    left: RangeSet


@dataclass(slots=True)
class Worker:
    """A worker process, as the ledger knows it."""

    number: int
    gpu: int | None
    state: WorkerState = WorkerState.STARTING
    frames: list[Frame] = field(default_factory=list)
    busy_since: float = 0.0  # when it was last heard of, or fed after being idle
    has_settled: bool = False
    revoked: dict[int, list[Range]] = field(default_factory=dict)  # token → what it may still be running

    def take_out(self, token: int, taken: Range) -> list[tuple[Lease, Range]]:
        """Removes indexes from its frames; says which of them were there."""
        found = [
            (frame.lease, part) for frame in self.frames if frame.lease.token == token for part in frame.left.remove(taken)
        ]
        self.frames = [frame for frame in self.frames if frame.left]
        return found

    def has_any(self, token: int, of: Range) -> bool:
        """Some of these indexes of the lease are in its frames."""
        return any(frame.lease.token == token and frame.left.overlaps(of) for frame in self.frames)

    def empty(self) -> list[Piece]:
        """Removes everything from its frames."""
        pieces = [Piece(frame.lease, left) for frame in self.frames for left in frame.left]
        self.frames = []
        return pieces


class Instance:
    """An open step on this agent. It decides whom to feed and whom to start; the ledger decides everything else."""

    def __init__(self, step: StepId, workers: int, is_command: bool, gpus: int, emit: Callable[[Command], None]) -> None:
        self.step = step
        self.is_command = is_command
        self.target = workers
        self.workers: dict[int, Worker] = {}
        self.was_ready = False
        self.gave_up = False
        self.error: StartError | None = None  # why it gave up: told again to a daemon that has not heard it
        self.waiting_reason = ""  # what it waits for before any worker can start
        self.is_closing = False
        self.is_paused = False  # fenced or draining: no worker is started
        self.init_failures = 0
        self.barren_deaths = 0  # workers that died idle, one after the other, without having settled anything
        self._workers_asked = workers
        self._gpus = gpus
        self._emit = emit
        self._next_number = 0
        self._queue: deque[Piece] = deque()
        self._unfed = 0
        self._time_s = 0.0
        self._settled = 0.0
        self._last_want = 0

    @property
    def starts_workers(self) -> bool:
        return not (self.is_command or self.gave_up or self.is_closing or self.is_paused)

    @property
    def failures_are_too_many(self) -> bool:
        """Spec section 3.6, rule 1; a worker that dies idle before it did anything counts alike."""
        return max(self.init_failures, self.barren_deaths) >= INIT_FAILURES_PER_WORKER * self._workers_asked

    def top_up(self) -> None:
        """Starts workers until there are as many as wanted. A dead one's number is not used again (spec section 3.4)."""
        while self.starts_workers and not self.failures_are_too_many and len(self.workers) < self.target:
            worker = Worker(self._next_number, self._free_gpu())
            self._next_number += 1
            self.workers[worker.number] = worker
            self._emit(StartWorker(self.step, worker.number, worker.gpu))

    def _free_gpu(self) -> int | None:
        taken = {worker.gpu for worker in self.workers.values()}
        return next((index for index in range(self._gpus) if index not in taken), None)

    def live(self, *states: WorkerState) -> list[Worker]:
        """Workers in one of these states, by number."""
        return [worker for worker in self.workers.values() if worker.state in states]

    # What waits to be fed.

    def enqueue(self, piece: Piece, at_front: bool = False) -> None:
        self._unfed += piece.range.count
        if at_front:
            self._queue.appendleft(piece)
        else:
            self._queue.append(piece)

    def withdraw(self, token: int | None, which: Range | None = None) -> list[Piece]:
        """Takes unfed indexes out of the queue: those of a lease (None: of all), within a range (None: all)."""
        kept: deque[Piece] = deque()
        taken: list[Piece] = []
        for piece in self._queue:
            if token is not None and piece.lease.token != token:
                kept.append(piece)
                continue
            left = RangeSet([piece.range])
            taken += [Piece(piece.lease, each) for each in left.remove(which or piece.range)]
            kept.extend(Piece(piece.lease, each) for each in left)
        self._queue = kept
        self._unfed = sum(piece.range.count for piece in kept)
        return taken

    def feed(self, now: float) -> None:
        """Gives ready workers frames: first to those that have none, then the one that waits."""
        ready = self.live(WorkerState.READY)
        for depth in range(1, FRAMES_PER_WORKER + 1):
            for worker in ready:
                if not self._queue:
                    return
                if len(worker.frames) < depth:
                    self._give(worker, self._next_frame(len(ready)), now)

    def _next_frame(self, ready: int) -> tuple[Lease, Range, str]:
        """The next indexes: by measured speed, never more than a worker's share, never across a part of the manifest."""
        piece = self._queue[0]
        pace_s = self.pace_s
        by_speed = 1 if pace_s is None else round(FRAME_S / pace_s) if pace_s > 0 else self._unfed
        first = piece.range.first
        count = min(piece.range.count, max(1, min(by_speed, -(-self._unfed // ready))))
        part = next((p for p in piece.lease.parts if p.first <= first < p.first + p.count), None)
        if part is not None:
            count = min(count, part.first + part.count - first)
        self._queue.popleft()
        if count < piece.range.count:
            self._queue.appendleft(Piece(piece.lease, Range(first + count, piece.range.count - count)))
        self._unfed -= count
        return piece.lease, Range(first, count), part.name if part else ""

    def _give(self, worker: Worker, frame: tuple[Lease, Range, str], now: float) -> None:
        lease, fed, part = frame
        if not worker.frames:
            worker.busy_since = now
        worker.frames.append(Frame(lease, RangeSet([fed])))
        self._emit(Feed(self.step, worker.number, lease.token, fed.first, fed.count, lease.attempt, part))

    # Speed.

    def settle(self, worker: Worker, token: int, settled: Range, now: float) -> None:
        """Notes that a worker is through with these indexes, and how long it took for them."""
        worker.take_out(token, settled)
        self._time_s = self._time_s * _MEMORY + max(now - worker.busy_since, 0.0)
        self._settled = self._settled * _MEMORY + settled.count
        worker.busy_since = now
        worker.has_settled = True
        self.barren_deaths = 0

    @property
    def pace_s(self) -> float | None:
        """Seconds that one worker needs for one mini-batch, reading and writing included; None before the first."""
        return self._time_s / self._settled if self._settled else None

    @property
    def is_dry(self) -> bool:
        """A ready worker has nothing to do."""
        return any(not worker.frames for worker in self.live(WorkerState.READY))

    def want(self) -> Want:
        """What to hold in all: enough for HELD_S of all workers, two for each of them at least, at most doubling."""
        ready = self.live(WorkerState.READY)
        if self.is_command:
            idle = not (self.gave_up or self.is_closing or self.is_paused)
            return Want(self.step, int(idle), int(idle))
        if not self.starts_workers:
            return Want(self.step, 0, len(ready))
        workers = len(ready) + len(self.live(WorkerState.STARTING))
        least = FRAMES_PER_WORKER * workers
        if self.pace_s is None:
            return Want(self.step, least, len(ready))
        enough = int(workers * HELD_S / max(self.pace_s, 1e-7))
        return Want(self.step, max(least, min(enough, 2 * self._last_want)), len(ready))

    def note_want(self, want: Want) -> None:
        """The daemon has been told."""
        self._last_want = want.count

    def frames_of(self, token: int) -> Iterator[Worker]:
        """Workers that have indexes of this lease."""
        return (w for w in self.workers.values() if any(frame.lease.token == token for frame in w.frames))
