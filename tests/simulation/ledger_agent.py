"""The real ledger on a simulated node: the shell round it does what prs_agent.agent does, in virtual time."""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING, Any

from prs_agent.ledger.events import DrainAsked, Echoed, Event, StreamLost, Ticked, Welcomed
from prs_agent.ledger.ledger import Ledger
from prs_agent.ledger.vocabulary import Report, StepId
from prsd.core.commands import Dismiss, Welcome
from prsd.core.events import AgentLeft
from tests.simulation.attempts import SimAttempt
from tests.simulation.hearing import Hearing
from tests.simulation.node import Node
from tests.simulation.obeying import Obeying
from tests.simulation.pool import Pool
from tests.simulation.streams import Stream
from tests.simulation.translate import to_held, to_step
from tests.simulation.world import Link, World

if TYPE_CHECKING:
    from tests.simulation.cluster import Cluster

HEARTBEAT_S = 2.0
WELCOME_TIMEOUT_S = 15.0
KEEPALIVE_S = 10.0
DRAIN_TIMEOUT_S = 30.0


class LedgerAgent(Node, Hearing, Obeying):
    """One life of an agent process."""

    def __init__(self, world: World, cluster: Cluster, name: str, boot: str, compute: str) -> None:
        super().__init__(world, name, boot)
        self.cluster = cluster
        self.compute = compute
        self.slots = world.options.slots
        self.ledger = Ledger()
        self.has_power = True
        self.is_draining = False
        self.is_leaving = False
        self.link: Link | None = None
        self.stream: Stream | None = None
        self.pools: dict[StepId, Pool] = {}
        self.attempts: dict[int, SimAttempt] = {}
        self.sent: dict[int, Report] = {}  # not acknowledged yet
        self.openings: Counter[StepId] = Counter()
        self._events: deque[Event] = deque()
        self._is_handling = False
        self._armed_for = float("inf")
        self._pause_s = 0.1
        self.connect()

    @property
    def is_healthy(self) -> bool:
        """Alive, and not so long asleep that no fence can hold."""
        return self.is_alive and not self.is_excused

    @property
    def instances(self) -> set[StepId]:
        """Steps whose commit must wait for a process here."""
        return {step for step, pool in self.pools.items() if pool.has_something_to_write}

    # Events and time.

    def post(self, event: Event) -> None:
        """One event after the other; those that come meanwhile wait."""
        if not self.is_alive or self.is_leaving:
            return
        self._events.append(event)
        if self._is_handling:
            return
        self._is_handling = True
        while self._events:
            event = self._events.popleft()
            if self.world.is_tracing:
                self.world.tell(f"{self.boot} ·", event)
            for command in self.ledger.handle(event, self.clock()):
                if self.world.is_tracing:
                    self.world.tell(f"{self.boot}  ", command)
                self.obey(command)
        self._is_handling = False
        self._arm()

    def _arm(self) -> None:
        deadline = self.ledger.next_deadline()
        if deadline is not None and deadline < self._armed_for and not self.is_leaving:
            self._armed_for = deadline
            self.soon(self.until(deadline) + 1e-6, self._on_timer, deadline)

    def _on_timer(self, armed_for: float) -> None:
        if armed_for != self._armed_for:
            return
        self._armed_for = float("inf")
        deadline = self.ledger.next_deadline()
        if deadline is not None and deadline <= self.clock():
            self.post(Ticked())
        self._arm()

    # The stream.

    def connect(self) -> None:
        """Open a stream and say Hello with everything that is held."""
        if self.link or self.is_leaving:
            return
        if self.cluster.is_partitioned(self) or not self.cluster.daemon.is_up:
            self._connect_later()
            return
        self.link = Link(self.world, self, self.cluster.daemon)
        self._hello_sent_at = self.clock()
        steps = self.ledger.open_steps()
        pools = [self.pools[step] for step in steps]
        nodes, sizes = tuple(pool.node for pool in pools), tuple(pool.size for pool in pools)
        held = to_held(self.ledger.held())
        open_steps = tuple(to_step(step) for step in steps)
        self.link.up("hello", (self.name, self.boot, self.compute, self.slots, held, open_steps, nodes, sizes))
        self.soon(WELCOME_TIMEOUT_S, self._on_no_welcome, self.link)

    def _connect_later(self) -> None:
        self.soon(self._pause_s * (0.5 + 0.5 * self.world.rng.random()), self.connect)
        self._pause_s = min(2 * self._pause_s, 5.0)

    def _on_no_welcome(self, link: Link) -> None:
        if link is self.link and self.stream is None:
            self.drop_stream()

    def drop_stream(self) -> None:
        """Break it from this end."""
        link = self.link
        if link is not None:
            link.lingers = self.world.rng.random() < 0.5
            link.cut()
            self.soon(0.0, self._on_lost, link)

    def cut_off(self) -> None:
        """A partition begins, long enough for the session to end."""
        self.world.counts["cut_off"] += 1
        self.cluster.partition(self, 20.0)

    def on_cut(self, link: Link) -> None:
        """The stream broke."""
        self.fire_agent(self._on_lost, link)

    def on_silence(self, link: Link) -> None:
        """A partition: keepalive may notice."""
        if self.world.rng.random() < 0.5:
            self.soon(KEEPALIVE_S, self._on_keepalive, link)

    def _on_keepalive(self, link: Link) -> None:
        if link is self.link and link.silent:
            self.drop_stream()

    def _on_lost(self, link: Link) -> None:
        if link is not self.link:
            return
        self.link = None
        was_welcomed, self.stream = self.stream is not None, None
        if was_welcomed:
            self.post(StreamLost())
        self._connect_later()

    def receive(self, link: Link, kind: str, message: Any) -> None:
        """From the daemon."""
        self.fire_agent(self._receive, link, kind, message)

    def _receive(self, link: Link, kind: str, message: Any) -> None:
        if link is not self.link or link.is_cut:
            return
        if isinstance(message, Welcome):
            self._pause_s = 0.1
            self.stream = Stream(self, link, message.session)
            timeout_s = self.world.options.settings.session_timeout_s
            self.post(Welcomed(timeout_s, HEARTBEAT_S, self._hello_sent_at, message.kept))
            return
        assert self.stream is not None, f"{self.name}: {message} before Welcome"
        if isinstance(message, Dismiss):
            link.cut()
            self._on_lost(link)
        else:
            self.post(Echoed(message) if kind == "echo" else self.event_of(message))

    # Fate.

    def die(self) -> None:
        """The power fails: the node is gone at once, and what was not synced with it."""
        self._vanish()
        self.has_power = False
        self.cluster.storage.lose_unsynced(self.boot)
        self.cluster.on_agent_gone(self)

    def kill(self) -> None:
        """The agent process dies alone; its workers follow within moments, and the node starts another."""
        if self.is_frozen or self.is_leaving:
            return
        self.is_leaving = True
        self.world.after(0.05 * self.world.rng.random(), self._vanish)
        self.cluster.on_agent_killed(self)

    def _vanish(self) -> None:
        for pool in self.pools.values():
            for worker in pool.workers.values():
                worker.vanish()
        for attempt in self.attempts.values():
            attempt.vanish()
        self.is_alive = False
        if self.link:
            self.link.lingers = self.world.rng.random() < 0.5
            self.link.cut()

    def leave(self) -> None:
        """Drain: finish what runs, take nothing new, say Goodbye."""
        self.is_draining = True
        self.fire_agent(self.post, DrainAsked())
        self.soon(DRAIN_TIMEOUT_S, self.finish)

    def finish(self) -> None:
        """Every process is ended, then Goodbye is said."""
        if self.is_leaving:
            return
        self.is_leaving = True
        for pool in self.pools.values():
            for worker in pool.workers.values():
                worker.vanish()
        for attempt in self.attempts.values():
            attempt.vanish()
        if self.stream is not None:
            self.stream.send(AgentLeft(self.stream.session))
        self.soon(2.0, self._left)

    def _left(self) -> None:
        self._vanish()
        self.cluster.on_agent_gone(self)
