"""Time and chance: a heap of calls, one random generator, and the connections that calls travel over."""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable
from typing import Any
from zlib import crc32

from tests.simulation.options import Options


class World:
    """Virtual time. Everything that happens is a call on the heap, in the order (time, number)."""

    def __init__(self, seed: int, options: Options, rng: random.Random, is_tracing: bool = False) -> None:
        self.seed = seed
        self.options = options
        self.rng = rng
        self.now = 0.0
        self.counts: Counter[str] = Counter()
        self.is_healed = False
        self.is_tracing = is_tracing
        self.story = 0  # a running hash of everything that happened: equal for equal seeds
        self._heap: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._number = 0

    def after(self, delay_s: float, call: Callable[..., None], *arguments: Any) -> None:
        """Make a call when `delay_s` seconds have passed."""
        self._number += 1
        heapq.heappush(self._heap, (self.now + delay_s, self._number, call, arguments))

    def at(self, time: float, call: Callable[..., None], *arguments: Any) -> None:
        """Make a call at this very time: equal times keep the order in which they were asked for."""
        self._number += 1
        heapq.heappush(self._heap, (max(time, self.now), self._number, call, arguments))

    def step(self) -> bool:
        """Make the next call; False when there is none."""
        if not self._heap:
            return False
        self.now, _, call, arguments = heapq.heappop(self._heap)
        self.counts["calls"] += 1
        call(*arguments)
        return True

    def chance(self, probability: float) -> bool:
        """True with this probability, and never once the faults are over."""
        return not self.is_healed and probability > 0 and self.rng.random() < probability

    def tell(self, *words: object) -> None:
        """A line of the story, printed with --trace."""
        self.story = crc32(f"{self.now:.6f} {words[0]}".encode(), self.story)
        if self.is_tracing:
            print(f"{self.now:10.3f} ", *words)


class Link:
    """One stream between an agent and the daemon. Messages of a direction stay in order unless said otherwise.

    A cut drops what is under way, and each side learns of it after a delay of its own. A silent link (a partition, of one
    direction or both) keeps what is sent until it is healed.
    """

    def __init__(self, world: World, agent: Any, daemon: Any) -> None:
        self.world = world
        self.agent = agent
        self.daemon = daemon
        self.life = daemon.life  # what was sent to a daemon that died does not reach the next one
        self.session = ""
        self.is_cut = False
        self.lingers = False  # after the cut, what was on its way up arrives all the same
        self.silent: tuple[str, ...] = ()  # directions
        self._kept: list[tuple[str, Callable[..., None], tuple[Any, ...]]] = []
        self._last_at = {"up": 0.0, "down": 0.0}

    def up(self, *message: Any, is_droppable: bool = False) -> None:
        """From the agent to the daemon."""
        self._send("up", is_droppable, self.daemon.receive, self, *message)

    def down(self, *message: Any, is_droppable: bool = False) -> None:
        """From the daemon to the agent."""
        self._send("down", is_droppable, self.agent.receive, self, *message)

    def cut(self) -> None:
        """Break the stream; both ends will notice."""
        if self.is_cut:
            return
        self.is_cut = True
        self.world.after(self._delay() + self.world.rng.random(), self.agent.on_cut, self)
        self.world.after(self._delay() + self.world.rng.random(), self.daemon.on_cut, self)

    def heal(self) -> None:
        """The partition is over: what was sent arrives after all, or the stream turns out to be broken."""
        self.silent = ()
        kept, self._kept = self._kept, []
        if self.world.rng.random() < 0.5:
            self.cut()
            return
        for direction, call, arguments in kept:  # at once: a message that was sent later must not overtake these
            self._deliver(direction, call, arguments)

    def _delay(self) -> float:
        return self.world.options.latency_s * (0.5 + self.world.rng.random())

    def _lag_s(self, direction: str) -> float:
        nodes = self.world.options.nodes
        return nodes.lag_s if nodes and direction == "down" and not self.world.is_healed else 0.0

    def _send(self, direction: str, is_droppable: bool, call: Callable[..., None], *arguments: Any) -> None:
        options = self.world.options
        if is_droppable and self.world.chance(options.loss):
            self.world.counts["messages_lost"] += 1
            return
        copies = 2 if is_droppable and self.world.chance(options.duplication) else 1
        for _ in range(copies):
            if is_droppable and self.world.chance(options.reorder):
                self.world.after(self._delay() + 3 * self.world.rng.random(), self._deliver, direction, call, arguments)
                continue
            at = max(self._last_at[direction], self.world.now + self._delay() + self._lag_s(direction))
            self._last_at[direction] = at
            self.world.at(at, self._deliver, direction, call, arguments)

    def _deliver(self, direction: str, call: Callable[..., None], arguments: tuple[Any, ...]) -> None:
        if self.is_cut and not (self.lingers and direction == "up"):
            return
        if direction in self.silent:
            self._kept.append((direction, call, arguments))
            return
        call(*arguments)
