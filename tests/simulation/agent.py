"""A small, faithful agent: leases, workers, reports kept until acknowledged, heartbeats, its own deadline."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

from prsd.base.columns import Column
from prsd.core.commands import Acknowledge, Close, Dismiss, Grant, Open, Revoke, TakeBack, Welcome
from prsd.core.events import AgentLeft, AgentSynced, AttemptsReported, InstanceReported
from prsd.core.vocabulary import (
    CommitDone,
    DivisionProgress,
    Failure,
    GivenBack,
    HeldLease,
    InstanceState,
    ManifestPart,
    Phase,
    Range,
    Results,
    StartError,
    StepId,
    Want,
)
from tests.simulation.world import Link, World

if TYPE_CHECKING:
    from tests.simulation.cluster import Cluster

HEARTBEAT_S = 2.0
FENCE_MARGIN_S = 1.0
FLUSH_S = 0.05


@dataclass(eq=False)
class Lease:
    """What is left of a lease: `left` until acknowledged, of which `waiting` was not started."""

    token: int
    step: StepId
    phase: Phase
    attempt: int
    left: set[int]
    waiting: deque[int]


@dataclass(eq=False)
class Worker:
    """One running attempt; it is void once its agent has killed it."""

    lease: Lease
    index: int
    is_killed: bool = False


@dataclass(eq=False)
class Instance:
    """A step that is open here."""

    step: StepId
    workers: int
    node: int
    state: InstanceState = InstanceState.OPENED
    ready: int = 0
    is_closing: bool = False
    running: list[Worker] = field(default_factory=list)


@dataclass
class Report:
    """A numbered report, kept until it is acknowledged."""

    number: int
    parts: dict[str, tuple[Any, ...]]
    sent_at: float


class SimAgent:
    """One life of an agent process."""

    def __init__(self, world: World, cluster: Cluster, name: str, boot: str, compute: str) -> None:
        self.world = world
        self.cluster = cluster
        self.name = name
        self.boot = boot
        self.compute = compute
        self.slots = world.options.slots
        self.is_alive = True
        self.is_frozen = False
        self.is_draining = False
        self.link: Link | None = None
        self.session = ""
        self.leases: dict[int, Lease] = {}
        self.instances: dict[StepId, Instance] = {}
        self.reports: dict[int, Report] = {}
        self.finished: list[tuple[str, Any]] = []  # not in a report yet
        self.seen = 0
        self.echoed_at = world.now
        self.numbers = count(1)
        self._later: list[tuple[Any, ...]] = []  # while frozen
        self._is_flush_due = False
        self.connect()
        self._heartbeat()

    # The stream.

    @property
    def is_healthy(self) -> bool:
        """Alive, not frozen, and not beyond its own deadline."""
        return self.is_alive and not self.is_frozen and self.world.now <= self._fence_at

    @property
    def _fence_at(self) -> float:
        return self.echoed_at + self.world.options.settings.session_timeout_s - FENCE_MARGIN_S

    def connect(self) -> None:
        """Open a stream and say Hello with everything that is held."""
        if not self.is_alive or self.link:
            return
        if self.is_frozen or self.cluster.is_partitioned(self) or not self.cluster.daemon.is_up:
            self.world.after(0.5 + self.world.rng.random(), self.connect)
            return
        self.session = ""
        self.link = Link(self.world, self, self.cluster.daemon)
        self.hello_at = self.world.now
        held = tuple(HeldLease(lease.token, lease.step, lease.phase, ranges(lease.left)) for lease in self.leases.values())
        open_steps = tuple(self.instances)
        nodes = tuple(self.instances[step].node for step in open_steps)
        workers = tuple(self.instances[step].workers for step in open_steps)
        hello = (self.name, self.boot, self.compute, self.slots, held, open_steps, nodes, workers)
        self.link.up("hello", hello)

    def on_cut(self, link: Link) -> None:
        """The stream broke."""
        if link is self.link:
            self.link = None
            self.session = ""
            self.world.after(0.2 + self.world.rng.random(), self.connect)

    def receive(self, link: Link, kind: str, message: Any) -> None:
        """From the daemon; while frozen it waits in the socket."""
        if not self.is_alive:
            return
        if self.is_frozen:
            self._later.append((link, kind, message))
            return
        if link is not self.link:
            return
        if kind == "echo":
            self.echoed_at = max(self.echoed_at, message)
        else:
            self._obey(message)

    def _send(self, kind: str, message: Any, is_droppable: bool = False) -> None:
        if self.link and self.session:
            self.link.up(kind, message, is_droppable=is_droppable)

    def _heartbeat(self) -> None:
        if not self.is_alive:
            return
        self.world.after(HEARTBEAT_S, self._heartbeat)
        if self.is_frozen:
            return
        if self.world.now > self._fence_at:
            self.fence()
        if self.link and not self.session and self.world.now > self.hello_at + 10:
            self.link.cut()  # Welcome never came: half-open
        for report in list(self.reports.values()):
            if self.world.now >= report.sent_at + 2 * HEARTBEAT_S:
                self._send_report(report)
        self._sync()

    def fence(self) -> None:
        """The daemon is about to give the leases to others: stop everything, keep finished results."""
        if self.leases or self.instances:
            self.world.counts["agents_fenced"] += 1
        for instance in list(self.instances.values()):
            self._kill(instance)
        self.instances.clear()
        self.leases.clear()
        if self.link:
            self.link.cut()

    def _sync(self) -> None:
        wants = tuple(
            Want(one.step, one.workers * self.world.rng.choice((1, 2, 5)), one.ready)
            for one in self.instances.values()
            if one.ready and not one.is_closing and not self.is_draining
        )
        event = AgentSynced(self.session, tuple(self.leases), self.seen, wants, self.is_draining)
        self._send("sync", (event, self.world.now), is_droppable=True)

    # Commands.

    def _obey(self, command: Any) -> None:
        match command:
            case Welcome():
                self._on_welcome(command)
            case Grant():
                self._on_grant(command)
            case Revoke():
                self._on_revoke(command)
            case TakeBack():
                self._on_take_back(command)
            case Open():
                self._on_open(command)
            case Close():
                self._on_close(command)
            case Acknowledge():
                self._on_acknowledged(command)
            case Dismiss():
                if command.session == self.session:
                    self.fence()

    def _on_welcome(self, command: Welcome) -> None:
        self.session = command.session
        self.echoed_at = max(self.echoed_at, self.hello_at)
        self.seen = 0
        for token in [token for token in self.leases if token not in command.kept]:
            self._drop(self.leases[token], None)
        for report in self.reports.values():
            self._send_report(report)
        for instance in self.instances.values():
            if instance.state is InstanceState.GAVE_UP:
                self._say(instance, InstanceState.GAVE_UP)
        self._sync()

    def _on_grant(self, command: Grant) -> None:
        lease = command.lease
        self.cluster.oracle.on_granted(lease.token)
        self.seen = max(self.seen, lease.token)
        indexes = range(lease.first, lease.first + lease.count)
        waiting = deque(indexes if lease.phase is Phase.RUN else ())
        held = Lease(lease.token, lease.step, lease.phase, lease.attempt, set(indexes), waiting)
        self.leases[lease.token] = held
        if lease.phase is Phase.RUN:
            if lease.step in self.instances:
                self._feed(self.instances[lease.step])
        elif lease.phase is Phase.DIVIDE:
            done = sum(part.count for part in command.parts)
            self.world.after(self._phase_s(), self._divide, held, len(command.parts), done)
        else:
            self.world.after(self._phase_s(), self._commit, held, command.publish)

    def _on_revoke(self, command: Revoke) -> None:
        lease = self.leases.get(command.token)
        if lease:
            self._drop(lease, {index for part in command.ranges for index in range(part.first, part.stop)})

    def _on_take_back(self, command: TakeBack) -> None:
        lease = self.leases.get(command.token)
        back = set(lease.waiting) if lease else set()
        if lease:
            lease.waiting.clear()
        self._finish("given_back", GivenBack(command.token, ranges(back)))

    def _on_open(self, command: Open) -> None:
        assert command.step not in self.instances, f"{self.name}: {command.step} was opened twice"
        instance = Instance(command.step, command.workers, command.node)
        self.instances[command.step] = instance
        used = sum(one.workers for one in self.instances.values() if not one.is_closing)
        assert used <= self.slots, f"{self.name}: {used} workers on {self.slots} slots"
        self._say(instance, InstanceState.OPENED)
        self.world.after(self._phase_s(), self._start_worker, instance, 0)

    def _start_worker(self, instance: Instance, failures: int) -> None:
        if not self._is_current(instance):
            self._retry_when_thawed(instance, self._start_worker, instance, failures)
            return
        if self.world.chance(self.world.options.start_failure_probability):
            permanent = self.world.chance(0.05)
            error = StartError("init", "no model", permanent=permanent)
            if failures + 1 >= 3 * instance.workers:
                instance.state = InstanceState.GAVE_UP
                self._say(instance, InstanceState.GAVE_UP, error)
                return
            self._say(instance, InstanceState.START_FAILED, error)
            self.world.after(1.0, self._start_worker, instance, failures + 1)
            return
        instance.ready = instance.workers
        instance.state = InstanceState.READY
        self._say(instance, InstanceState.READY)
        self._sync()

    def _on_close(self, command: Close) -> None:
        instance = self.instances.get(command.step)
        if instance is None:
            self._send("event", InstanceReported(self.session, command.step, InstanceState.CLOSED))
            return
        if command.kill:
            self._kill(instance)
        elif instance.is_closing:
            return
        instance.is_closing = True
        self.world.after(0.05 if command.kill else self._phase_s(), self._closed, instance)

    def _closed(self, instance: Instance) -> None:
        if not self._is_current(instance):
            self._retry_when_thawed(instance, self._closed, instance)
            return
        if instance.running:
            self.world.after(0.5, self._closed, instance)
            return
        del self.instances[instance.step]
        self._say(instance, InstanceState.CLOSED)
        self._sync()

    def _say(self, instance: Instance, state: InstanceState, error: StartError | None = None) -> None:
        self._send("event", InstanceReported(self.session, instance.step, state, error))

    def _is_current(self, instance: Instance) -> bool:
        return self.is_alive and not self.is_frozen and self.instances.get(instance.step) is instance

    def _retry_when_thawed(self, instance: Instance, call: Any, *arguments: Any) -> None:
        if self.is_alive and self.is_frozen and self.instances.get(instance.step) is instance:
            self.world.after(1.0, call, *arguments)

    def _phase_s(self) -> float:
        return 0.05 + self.world.rng.random()

    # Attempts.

    def _feed(self, instance: Instance) -> None:
        if instance.is_closing or instance.ready == 0:
            return
        while len(instance.running) < instance.workers:
            lease = next((one for one in self.leases.values() if one.step == instance.step and one.waiting), None)
            if lease is None:
                return
            worker = Worker(lease, lease.waiting.popleft())
            instance.running.append(worker)
            self.cluster.oracle.on_run_started(instance.step, worker.index, self)
            self.world.counts["attempts"] += 1
            slow = 20 if self.world.chance(self.world.options.slow_probability) else 1
            self.world.after(slow * self.world.options.run_s * (0.5 + self.world.rng.random()), self._ran, instance, worker)

    def _ran(self, instance: Instance, worker: Worker) -> None:
        if worker.is_killed or not self.is_alive:
            return
        if self.is_frozen:
            self.world.after(0.5, self._ran, instance, worker)
            return
        if self.cluster.is_poison(instance.step, worker.index):
            self.world.counts["agents_poisoned"] += 1
            self.cluster.on_poisoned(instance.step, worker.index)
            self.die()
            return
        self._stop(instance, worker)
        self._finish(*self._outcome(instance.step, worker))
        self._feed(instance)

    def _outcome(self, step: StepId, worker: Worker) -> tuple[str, Any]:
        options, token, index = self.world.options, worker.lease.token, worker.index
        if self.world.chance(options.fail_probability):
            permanent = self.world.chance(options.permanent_probability)
            return "failures", Failure(
                step,
                token,
                Phase.RUN,
                index,
                "exception",
                "bad",
                items_total=4,
                attempt=worker.lease.attempt,
                permanent=permanent,
            )
        if self.cluster.is_empty(step, index):
            return "results", (step, token, index, 0, 0, True)
        returned = 1 if self.world.chance(options.short_probability) else 4
        return "results", (step, token, index, 4, returned, False)

    def _divide(self, lease: Lease, number: int, first: int) -> None:
        if self.leases.get(lease.token) is not lease or not self.is_alive:
            return
        # The next part is made when the one before is acknowledged: single reports may be lost in these worlds.
        if self.is_frozen or any(report.parts.get("divisions") for report in self.reports.values()):
            self.world.after(0.3, self._divide, lease, number, first)
            return
        if self.world.chance(self.world.options.phase_failure_probability):
            self._fail_phase(lease)
            return
        sizes = self.cluster.parts_of(lease.step)
        new = sizes[number : number + 1]
        ended = number + 1 >= len(sizes)
        parts = tuple(ManifestPart(f"part{number}.{lease.token}", first, size, size * 4, f"digest{number}") for size in new)
        self._report({"divisions": (DivisionProgress(lease.step, lease.token, parts, ended),)})
        if not ended:
            self.world.after(self._phase_s(), self._divide, lease, number + 1, first + sum(new))

    def _commit(self, lease: Lease, publish: bool) -> None:
        if self.leases.get(lease.token) is not lease or not self.is_alive:
            return
        if self.is_frozen:
            self.world.after(0.3, self._commit, lease, publish)
            return
        if self.world.chance(self.world.options.phase_failure_probability):
            self._fail_phase(lease)
            return
        self.cluster.on_commit_attempt(lease.step)
        if publish:
            self.cluster.on_published(lease.step, self.cluster.oracle.commit_plan(lease.step))
        self._report({"commits": (CommitDone(lease.step, lease.token),)})

    def _fail_phase(self, lease: Lease) -> None:
        self._report({"failures": (Failure(lease.step, lease.token, lease.phase, 0, "exception", "no listing"),)})

    # Reports.

    def _finish(self, kind: str, outcome: Any) -> None:
        self.finished.append((kind, outcome))
        if not self._is_flush_due:
            self._is_flush_due = True
            self.world.after(FLUSH_S, self._flush)

    def _flush(self) -> None:
        self._is_flush_due = False
        finished, self.finished = self.finished, []
        if not self.is_alive or not finished:
            return
        self._report(
            {
                "results": grouped([outcome for kind, outcome in finished if kind == "results"]),
                "failures": tuple(outcome for kind, outcome in finished if kind == "failures"),
                "given_back": tuple(outcome for kind, outcome in finished if kind == "given_back"),
            }
        )
        self._sync()

    def _report(self, parts: dict[str, tuple[Any, ...]]) -> None:
        report = Report(next(self.numbers), parts, self.world.now)
        self.reports[report.number] = report
        self._send_report(report)

    def _send_report(self, report: Report) -> None:
        report.sent_at = self.world.now
        self._send("event", AttemptsReported(self.session, report.number, **report.parts), is_droppable=True)

    def _on_acknowledged(self, command: Acknowledge) -> None:
        report = self.reports.pop(command.number, None)
        if report is None:
            return
        for results in report.parts.get("results", ()):
            for index in range(results.first, results.first + results.count):
                self.cluster.oracle.on_acknowledged(results.step, index)
        for token, index in settled_by(report):
            self._settle(token, index)
        self._sync()

    def _settle(self, token: int, index: int) -> None:
        lease = self.leases.get(token)
        if lease:
            lease.left.discard(index)
            if not lease.left:
                del self.leases[token]

    def _drop(self, lease: Lease, indexes: set[int] | None) -> None:
        """Revoked, wholly or in part: forget what waits, kill what runs; what is finished is reported all the same."""
        dropped = set(lease.left) if indexes is None else indexes
        lease.waiting = deque(index for index in lease.waiting if index not in dropped)
        lease.left -= dropped
        if not lease.left:
            self.leases.pop(lease.token, None)
        instance = self.instances.get(lease.step)
        for worker in list(instance.running) if instance else ():
            if worker.lease is lease and worker.index in dropped:
                worker.is_killed = True
                self._stop(instance, worker)
        if instance:
            self._feed(instance)

    def _kill(self, instance: Instance) -> None:
        for worker in list(instance.running):
            worker.is_killed = True
            self._stop(instance, worker)

    def _stop(self, instance: Instance | None, worker: Worker) -> None:
        assert instance is not None
        instance.running.remove(worker)
        self.cluster.oracle.on_run_stopped(instance.step, worker.index, self)

    # Fate.

    def die(self) -> None:
        """The whole node is gone at once."""
        for instance in self.instances.values():
            self._kill(instance)
        self.is_alive = False
        if self.link:
            self.link.cut()
        self.cluster.on_agent_gone(self)

    def freeze(self, duration_s: float) -> None:
        """Nothing moves on this node for a while."""
        if self.is_alive and not self.is_frozen:
            self.is_frozen = True
            self.world.after(duration_s, self._thaw)

    def _thaw(self) -> None:
        self.is_frozen = False
        if not self.is_alive:
            return
        if self.world.now > self._fence_at:
            self.fence()
        later, self._later = self._later, []
        for message in later:
            self.receive(*message)

    def leave(self) -> None:
        """Drain: take nothing new, finish what is held, say Goodbye."""
        self.is_draining = True
        self._leave_when_idle(self.world.now + 30)

    def _leave_when_idle(self, until: float) -> None:
        if not self.is_alive:
            return
        is_busy = self.leases or self.reports or self.finished or self.is_frozen or not self.session
        if is_busy and self.world.now < until:
            self.world.after(0.5, self._leave_when_idle, until)
            return
        for instance in self.instances.values():
            self._kill(instance)
        self._send("event", AgentLeft(self.session))
        self.is_alive = False
        self.cluster.on_agent_gone(self)


def settled_by(report: Report) -> list[tuple[int, int]]:
    """(token, index) of everything that an acknowledged report settles."""
    parts = report.parts
    settled = [(one.token, one.first + offset) for one in parts.get("results", ()) for offset in range(one.count)]
    settled += [(one.token, one.index) for one in parts.get("failures", ())]
    settled += [
        (one.token, index)
        for one in parts.get("given_back", ())
        for part in one.ranges
        for index in range(part.first, part.stop)
    ]
    settled += [(one.token, 0) for one in parts.get("divisions", ()) if one.ended]
    return settled + [(one.token, 0) for one in parts.get("commits", ())]


def ranges(indexes: set[int]) -> tuple[Range, ...]:
    """The fewest ranges that hold exactly these indexes."""
    found: list[Range] = []
    for index in sorted(indexes):
        if found and found[-1].stop == index:
            found[-1] = Range(found[-1].first, found[-1].count + 1)
        else:
            found.append(Range(index, 1))
    return tuple(found)


def grouped(outcomes: list[tuple[StepId, int, int, int, int, bool]]) -> tuple[Results, ...]:
    """Consecutive results of one lease as one."""
    runs: list[list[tuple[StepId, int, int, int, int, bool]]] = []
    for outcome in outcomes:
        last = runs[-1][-1] if runs else None
        if last and last[:2] == outcome[:2] and last[2] + 1 == outcome[2] and last[5] == outcome[5]:
            runs[-1].append(outcome)
        else:
            runs.append([outcome])
    return tuple(
        Results(
            run[0][0],
            run[0][1],
            run[0][2],
            Column.of([one[3] for one in run]),
            Column.of([one[4] for one in run]),
            Column.repeat(1000, len(run)),
            empty=run[0][5],
        )
        for run in runs
    )
