"""A node and the agent process on it: its clock, and everything that can stop it for a while or for good."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.simulation.options import NodeOptions
from tests.simulation.world import World

Call = tuple[Callable[..., None], tuple[Any, ...]]
FAST_S = 0.005
RECOVERY_S = 1.0  # after it stood still, a node needs a moment to notice and to stop what it must not run


class Node:
    """What happens on a node happens through `after` (its processes) or `soon` (its agent process), never while it stands
    still."""

    def __init__(self, world: World, name: str, boot: str) -> None:
        assert world.options.nodes is not None
        self.world = world
        self.options: NodeOptions = world.options.nodes
        self.name = name
        self.boot = boot
        self.is_alive = True
        self.is_frozen = False
        self.is_paused = False
        self._excused_until = 0.0
        self._later: list[Call] = []  # while frozen
        self._agents_later: list[Call] = []  # while the agent process stands still
        self._rate = 1 + self.options.drift * (2 * world.rng.random() - 1)
        is_fast = self.options.is_fast and world.rng.random() < 0.5
        self.run_s = FAST_S if is_fast else world.options.run_s
        self._since = world.now
        self._offset = 1000 * world.rng.random()

    def clock(self) -> float:
        """The node's monotonic clock."""
        return self._offset + (self.world.now - self._since) * self._rate

    def until(self, at: float) -> float:
        """Seconds of the world until the node's clock shows this."""
        return max(0.0, (at - self.clock()) / self._rate)

    @property
    def is_excused(self) -> bool:
        """It stands still, or did a moment ago: no fence can hold there."""
        return self.is_frozen or self.is_paused or self.world.now < self._excused_until

    def after(self, delay_s: float, call: Callable[..., None], *arguments: Any) -> None:
        """A process of the node does something later."""
        self.world.after(delay_s, self.fire, call, *arguments)

    def soon(self, delay_s: float, call: Callable[..., None], *arguments: Any) -> None:
        """The agent process does something later."""
        self.world.after(delay_s, self.fire_agent, call, *arguments)

    def fire(self, call: Callable[..., None], *arguments: Any) -> None:
        """Now, or when the node is no longer frozen."""
        if self.is_frozen:
            self._later.append((call, arguments))
        elif self.is_alive:
            call(*arguments)

    def fire_agent(self, call: Callable[..., None], *arguments: Any) -> None:
        """Now, or when the agent process runs again."""
        if self.is_frozen or self.is_paused:
            self._agents_later.append((call, arguments))
        elif self.is_alive:
            call(*arguments)

    def freeze(self, duration_s: float) -> None:
        """Nothing moves on this node for a while."""
        if self.is_alive and not self.is_frozen:
            self.is_frozen = True
            self.world.after(duration_s, self._thaw)

    def pause(self, duration_s: float) -> None:
        """The agent process stands still for a while; its workers do not."""
        if self.is_alive and not self.is_paused:
            self.is_paused = True
            self.world.after(duration_s, self._resume)

    def _thaw(self) -> None:
        self.is_frozen = False
        self._excused_until = self.world.now + RECOVERY_S
        later, self._later = self._later, []
        for call, arguments in later:
            self.fire(call, *arguments)
        self._catch_up()

    def _resume(self) -> None:
        self.is_paused = False
        self._excused_until = self.world.now + RECOVERY_S
        self._catch_up()

    def _catch_up(self) -> None:
        if self.is_frozen or self.is_paused:
            return
        later, self._agents_later = self._agents_later, []
        for call, arguments in later:
            self.fire_agent(call, *arguments)
