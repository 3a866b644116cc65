"""The daemon's shell in the small: a core, a log with group commit, streams, one timer. It crashes and comes back."""

from __future__ import annotations

from typing import Any

from prsd.core.commands import Acknowledge, Command, Dismiss, Grant, Record
from prsd.core.core import Core
from prsd.core.events import AgentJoined, DeadlinePassed, Event, Stalled, StreamEnded
from prsd.core.facts import Fact, SessionClosed
from prsd.core.vocabulary import StepId
from tests.simulation.oracle import Oracle
from tests.simulation.world import Link, World


class Daemon:
    """Facts become durable `fsync_s` after they were decided; only then do the effects behind them leave."""

    def __init__(self, world: World, oracle: Oracle) -> None:
        self.world = world
        self.oracle = oracle
        self.log: list[Fact] = []  # durable
        self.is_up = False
        self.life = 0
        self._stalled_until = 0.0
        self._asleep_s = 0.0  # in all stalls together
        self.start()

    def start(self) -> None:
        """A new life: fold the log, then go on."""
        self.life += 1
        self.is_up = True
        self.core = Core(self.world.options.settings)
        for fact in self.log:
            self.core.apply(fact)
        self.links: dict[str, Link] = {}
        self._sessions = 0
        self._pending: list[Command] = []  # decided, not durable yet
        self._is_flushing = False
        self._armed_for = -1.0
        self._inbox: list[tuple[Any, ...]] = []
        self._started_at = self._awake_s
        self._heard_at: dict[str, float] = {}
        self._carry_out_later(self.core.start(self.world.now))
        self._after_event()

    def crash(self) -> None:
        """Lose memory and what was not durable: of the last transaction any prefix may have reached the disk."""
        if not self.is_up:
            return
        self.world.tell("daemon crashes")
        self.world.counts["daemon_crashes"] += 1
        if any(lease.remaining for work in self.core._board.works.values() for lease in work.leases.values()):
            self.world.counts["restarted_with_leases_out"] += 1
        self.note_marks()
        facts = self.undurable_facts()
        self._append(facts[: self.world.rng.randint(0, len(facts))])
        self.is_up = False
        self._stalled_until = 0.0
        for link in self.links.values():
            link.cut()
        self.world.after(self.world.rng.choice((0.1, 1.0, 20.0)), self.start)

    def note_marks(self) -> None:
        """Add the core's marks of this life to the world's."""
        self.world.counts.update(self.core.marks())

    def may_commit(self, step: StepId, token: int) -> bool:
        """Whether this is the commit lease of the step: nobody else is given the plan."""
        work = self.core._board.works.get(step)
        return work is not None and work.phase_lease is not None and work.phase_lease.token == token

    @property
    def is_waiting_for_agents(self) -> bool:
        """After a restart: a lease that is not on the books yet may be adopted."""
        return bool(self.core._board.awaited)

    def undurable_facts(self) -> list[Fact]:
        """Decided, but not written yet."""
        return [command.fact for command in self._pending if isinstance(command, Record)]

    def stall(self, duration_s: float) -> None:
        """Stand still: messages wait, timers do not fire."""
        if not self.is_up or self._stalled_until > self.world.now:
            return
        self.world.tell("daemon stalls", duration_s)
        self._stalled_until = self.world.now + duration_s
        self.world.after(duration_s, self._wake, self.life, duration_s)

    def receive(self, link: Link, kind: str, message: Any) -> None:
        """A message has arrived: "hello" with a constructor's arguments, "sync" with the send time, or "event"."""
        if not self.is_up or link.life != self.life:
            return
        if self._stalled_until > self.world.now:
            self._inbox.append((link, kind, message))
            return
        self._take(link, kind, message)

    def submit(self, event: Event) -> None:
        """An event from the outside: a job, a cancellation."""
        if not self.is_up or self._stalled_until > self.world.now:
            self.world.after(0.5, self.submit, event)
            return
        self.handle(event)

    def on_cut(self, link: Link) -> None:
        """The stream has ended without Goodbye."""
        if self.is_up and link.session and self.links.get(link.session) is link:
            del self.links[link.session]
            self.handle(StreamEnded(link.session))

    def handle(self, event: Event) -> list[Command]:
        """One event through the core, and all the checks."""
        if self.world.is_tracing:
            self.world.tell("·", event)
        else:
            self.world.tell(type(event).__name__)
        commands = self.core.handle(event, self.world.now)
        self.world.counts["events"] += 1
        if isinstance(event, DeadlinePassed):
            self._check_patience(commands)
        self._carry_out_later(commands)
        self._after_event()
        return commands

    @property
    def _awake_s(self) -> float:
        return self.world.now - self._asleep_s

    def _check_patience(self, commands: list[Command]) -> None:
        """Nobody is given up before the daemon, awake, has heard nothing of it for a whole timeout."""
        for command in commands:
            if isinstance(command, Record) and isinstance(command.fact, SessionClosed):
                silent_s = self._awake_s - self._heard_at.get(command.fact.session, self._started_at)
                timeout_s = self.world.options.settings.session_timeout_s
                assert silent_s >= timeout_s - 1e-3, f"{command.fact.session} was given up after {silent_s:.1f} s"

    def _after_event(self) -> None:
        self.core.check()
        self._arm()

    def _arm(self) -> None:
        """One timer: it is armed anew when it fires, or when an earlier deadline comes up."""
        deadline = self.core.next_deadline()
        if deadline is not None and not (self.world.now < self._armed_for <= deadline):
            self._armed_for = deadline
            self.world.after(max(0.0, deadline - self.world.now) + 1e-6, self._on_timer, self.life)

    def _on_timer(self, life: int) -> None:
        if life != self.life or not self.is_up or self._stalled_until > self.world.now:
            return
        deadline = self.core.next_deadline()
        if deadline is not None and deadline <= self.world.now:
            self.handle(DeadlinePassed())
        else:
            self._arm()

    def _wake(self, life: int, duration_s: float) -> None:
        if life != self.life or not self.is_up:
            return
        self._stalled_until = 0.0
        self._asleep_s += duration_s
        self.handle(Stalled(duration_s))
        inbox, self._inbox = self._inbox, []
        for message in inbox:
            self._take(*message)

    def _take(self, link: Link, kind: str, message: Any) -> None:
        if kind == "hello":
            self._sessions += 1
            link.session = f"s{self.life}.{self._sessions}"
            self.links[link.session] = link
            self._heard_at[link.session] = self._awake_s
            self.handle(AgentJoined(link.session, *message))
            self._note_adoption(link.session)
        elif kind == "sync":
            event, sent_at = message
            self._heard_at[event.session] = self._awake_s
            self.handle(event)
            if self.world.options.nodes:  # as the real one: an echo tells nothing that must be durable
                if link.session in self.links:
                    link.down("echo", sent_at)
                return
            self._pending.append(("echo", link, sent_at))  # type: ignore[arg-type]
            self._flush_soon()
        else:
            self.handle(message)

    def _note_adoption(self, session: str) -> None:
        held = self.core._board.sessions[session].leases if session in self.core._board.sessions else ()
        incarnation = self.core._board.recorded.incarnation
        self.world.counts["adoption_after_restart"] += any(token >> 32 < incarnation for token in held)

    def _carry_out_later(self, commands: list[Command]) -> None:
        self._pending.extend(commands)
        self._flush_soon()

    def _flush_soon(self) -> None:
        if self._pending and not self._is_flushing:
            self._is_flushing = True
            self.world.after(self.world.options.fsync_s, self._flushed, self.life, len(self._pending))

    def _flushed(self, life: int, count: int) -> None:
        if life != self.life or not self.is_up:
            return
        batch, self._pending = self._pending[:count], self._pending[count:]
        self._is_flushing = False
        self._append([command.fact for command in batch if isinstance(command, Record)])
        for command in batch:
            if not isinstance(command, Record):
                self._carry_out(command)
        self._flush_soon()

    def _append(self, facts: list[Fact]) -> None:
        self.log.extend(facts)
        for fact in facts:
            if self.world.is_tracing:
                self.world.tell("  durable", fact)
            self.oracle.on_durable(fact)

    def _carry_out(self, command: Any) -> None:
        if isinstance(command, tuple):
            _, link, sent_at = command
            link.down("echo", sent_at)
            return
        if self.world.is_tracing:
            self.world.tell("  ", command)
        link = self.links.get(command.session)
        if link is None:
            return
        if isinstance(command, Grant) and self.oracle.executions:
            self.oracle.executions.on_granted(command.lease)
        is_droppable = isinstance(command, Acknowledge) and self.world.options.nodes is None
        link.down("command", command, is_droppable=is_droppable)
        if isinstance(command, Dismiss):
            del self.links[command.session]
