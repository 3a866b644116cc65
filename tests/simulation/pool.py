"""The workers of a step on a node, and the segments that their rows go to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING
from zlib import crc32

from prs_agent.ledger.events import RangeFinished, WorkerExited
from prs_agent.ledger.vocabulary import Block, Results, StepId, worker_name
from prsd.base.columns import Column
from tests.simulation.storage import Segment, payload_of
from tests.simulation.translate import to_step
from tests.simulation.workers import Finished, SimWorker

if TYPE_CHECKING:
    from tests.simulation.ledger_agent import LedgerAgent


class Pool:
    """Between the ledger's commands and the processes of one opening of a step."""

    def __init__(self, agent: LedgerAgent, step: StepId, node: int, size: int, opening: int) -> None:
        self.agent = agent
        self.step = step
        self.core_step = to_step(step)
        self.node = node
        self.size = size
        self.is_closing = False
        self.has_been_ready = False
        self.workers: dict[int, SimWorker] = {}
        self._owner = f"{agent.boot}-{opening}" if opening > 1 else agent.boot
        self._terms = agent.cluster.terms[self.core_step]
        self._segments: dict[int, Segment] = {}
        self._innocents: set[tuple[int, int]] = set()
        self._syncing_until = 0.0  # one at a time: a segment must not be closed meanwhile

    @property
    def is_running(self) -> bool:
        """Some process of the step is alive."""
        return any(not worker.is_gone for worker in self.workers.values())

    @property
    def has_something_to_write(self) -> bool:
        """A process that has run something is alive: its shutdown() may write."""
        return any(worker.has_run and not worker.is_gone for worker in self.workers.values())

    def start(self, number: int) -> None:
        self.workers[number] = SimWorker(self, number)

    def note_fed(self, token: int, first: int, count: int) -> None:
        """Mini-batches that a dead worker had not started are fed again."""
        fed = {(token, index) for index in range(first, first + count)} & self._innocents
        self.agent.world.counts["innocents_refed"] += len(fed)
        self._innocents -= fed

    def take_results(self, worker: SimWorker, finished: list[Finished]) -> None:
        """Results of a worker: their rows go to its segment first."""
        token, first, is_empty = finished[0]
        count = len(finished)
        items = 0 if is_empty else 4
        short = not is_empty and self.agent.world.chance(self.agent.world.options.short_probability)
        results = Results(
            step=self.step,
            token=token,
            first=first,
            count=count,
            items_total=Column.repeat(items, count).to_bytes(),
            items_succeeded=Column.repeat(1 if short else items, count).to_bytes(),
            run_us=Column.repeat(1000, count).to_bytes(),
            block=None if is_empty or not self._terms.appends_rows else self._store(worker.number, token, first, count),
            empty=is_empty,
            worker=worker_name(worker.number),
        )
        self.agent.post(RangeFinished(worker.number, results))

    def _store(self, number: int, token: int, first: int, count: int) -> Block:
        segment = self._segments.get(number)
        if segment is None:
            name = self.segment_name(number)
            segment = self._segments[number] = self.agent.cluster.storage.create(self.core_step, name, self.agent.boot)
        payloads = [payload_of(self.core_step, index, token) for index in range(first, first + count)]
        whole = b"".join(payloads)
        lengths = Column.of(len(payload) for payload in payloads).to_bytes()
        return Block(segment.name, segment.append(whole), lengths, crc32(whole))

    def segment_name(self, number: int) -> str:
        """Never used twice: a boot is new, and so is a number within an opening."""
        return f"{self.agent.name}.{self._owner}.{worker_name(number)}.seg"

    def make_durable(self, names: Iterable[str] | None) -> float:
        """Syncs the segments of these names that are open (None: all); returns when that will be done."""
        wanted = None if names is None else set(names)
        segments = [each for each in self._segments.values() if wanted is None or each.name in wanted]
        return self._sync(segments)

    def _sync(self, segments: list[Segment]) -> float:
        world = self.agent.world
        is_dirty = any(segment.synced < len(segment.data) for segment in segments)
        takes_s = self.agent.options.sync_s * (0.5 + world.rng.random()) if is_dirty else 0.0
        self._syncing_until = max(self._syncing_until, world.now) + takes_s
        world.at(self._syncing_until, self._synced, [(segment, len(segment.data)) for segment in segments])
        return self._syncing_until

    def _synced(self, segments: list[tuple[Segment, int]]) -> None:
        if self.agent.has_power:
            for segment, size in segments:
                segment.synced = max(segment.synced, size)

    def bury(self, worker: SimWorker, running: tuple[int, int] | None) -> None:
        """A worker is gone and everything that it said was heard: its segment is closed, then the ledger is told."""
        segment = self._segments.get(worker.number)
        at = self._sync([segment] if segment else [])
        self.agent.world.at(at, self.agent.fire_agent, self._buried, worker, running)

    def _buried(self, worker: SimWorker, running: tuple[int, int] | None) -> None:
        self._segments.pop(worker.number, None)
        del self.workers[worker.number]
        token, index = running or (0, None)
        cause = worker.kill_cause
        if running and cause != "killed":
            self._innocents.update(worker.waiting)
        self.agent.post(WorkerExited(self.step, worker.number, "gone", cause, token, index))
