"""PURE: what the agent holds and what it should do next. Events in, commands out; time is a parameter.

`Ledger.handle` is the only way in. After every event `_advance` looks at the whole state: workers to start, frames to
give, reports that are due, a Sync when the daemon should know something, the agent's own fence. The rules are those of
the comment over AgentService.Connect (proto/prsd/v1/agents.proto) and of section 3.6 of the behaviour's specification.

A mini-batch of a lease is in exactly one of these places: the queue of its instance, a frame of a worker, or the outbox
(waiting or unacknowledged). `Held.unfinished` is the first two together, `Held.unsettled` all three.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import assert_never

from prs_agent.instance import Instance, Piece, Worker, WorkerState
from prs_agent.leases import Held, Leases
from prs_agent.outbox import REPORT_INTERVAL_S, Item, Outbox
from prs_agent.ranges import Range, RangeSet
from prs_agent.vocabulary import (
    Acknowledged,
    AskBack,
    AttemptFailed,
    AttemptStopped,
    CloseAsked,
    CloseWorker,
    Command,
    CommitFinished,
    DivisionAdvanced,
    DrainAsked,
    DropStream,
    Echoed,
    Event,
    Failure,
    ForgetStep,
    GivenBack,
    HeldLease,
    InstanceState,
    KillIfRunning,
    KillWorker,
    Lease,
    LeaseGranted,
    LeaseRevoked,
    Leave,
    Phase,
    RangeFinished,
    SendInstance,
    SendReport,
    SendSync,
    StartAttempt,
    StartError,
    StepBroken,
    StepDelayed,
    StepId,
    StepOpened,
    StopAttempt,
    StreamLost,
    TakeBackAsked,
    Ticked,
    Want,
    Welcomed,
    WorkerExited,
    WorkerGaveBack,
    WorkerReady,
    WorkerStartFailed,
    worker_name,
)

SHORTEST_GAP_S = 0.005  # between two reports, or two Syncs, that are sent early


@dataclass(slots=True)
class _Session:
    """Times are seconds on the agent's monotonic clock."""

    timeout_s: float
    heartbeat_s: float
    is_connected: bool
    last_echo_at: float
    last_sync_at: float = float("-inf")
    seen: int = 0

    @property
    def fence_at(self) -> float:
        """When the agent must have stopped its workers: the daemon gives its leases away soon after."""
        return self.last_echo_at + self.timeout_s - min(2.0, 0.2 * self.timeout_s)


class Ledger:
    """Everything that the agent knows. One event at a time."""

    def __init__(self) -> None:
        self._out: list[Command] = []
        self._session: _Session | None = None
        self._leases = Leases()
        self._instances: dict[StepId, Instance] = {}
        self._attempts: dict[int, Lease] = {}  # divide, commit and command attempts that have a process
        self._outbox = Outbox()
        self._synced_wants: tuple[Want, ...] = ()
        self._is_low = False  # the daemon should grant more now
        self._is_urgent = False  # something pending should not wait for the interval
        self._is_fenced = False
        self._is_draining = False
        self._has_left = False

    def handle(self, event: Event, now: float) -> list[Command]:
        """What follows from an event. `now`: seconds on a monotonic clock, never smaller than before."""
        self._out = []
        self._dispatch(event, now)
        self._advance(now)
        return self._out

    def held(self) -> tuple[HeldLease, ...]:
        """What a Hello offers: every lease with something unsettled."""
        return self._leases.offer()

    def open_steps(self) -> tuple[StepId, ...]:
        return tuple(self._instances)

    def next_deadline(self) -> float | None:
        """When `Ticked` is due if nothing else happens."""
        session = self._session
        if session is None:
            return None
        deadlines = [] if self._is_fenced else [session.fence_at]
        if session.is_connected:
            deadlines.append(session.last_sync_at + (SHORTEST_GAP_S if self._news() else session.heartbeat_s))
            if self._outbox.has_pending:
                deadlines.append(self._outbox.last_flush_at + self._report_gap())
            oldest = self._outbox.oldest_sent_at()
            if oldest is not None:
                deadlines.append(oldest + 2 * session.heartbeat_s)
        return min(deadlines, default=None)

    def _dispatch(self, event: Event, now: float) -> None:  # noqa: C901, PLR0912 - one branch per event
        match event:
            case Welcomed():
                self._on_welcomed(event, now)
            case StreamLost():
                if self._session is not None:
                    self._session.is_connected = False
            case Echoed(sent_at):
                self._on_echoed(sent_at)
            case StepOpened():
                self._on_step_opened(event)
            case LeaseGranted(lease):
                self._on_lease_granted(lease)
            case LeaseRevoked(token, ranges):
                self._on_lease_revoked(token, ranges)
            case TakeBackAsked(token):
                self._on_take_back_asked(token)
            case CloseAsked(step, kill):
                self._on_close_asked(step, kill)
            case Acknowledged(number):
                self._on_acknowledged(number)
            case WorkerReady(step, number):
                self._on_worker_ready(step, number)
            case WorkerStartFailed(step, number, error):
                self._on_worker_start_failed(step, number, error)
            case StepBroken(step, error):
                self._on_step_broken(step, error)
            case StepDelayed(step, reason):
                self._on_step_delayed(step, reason)
            case RangeFinished():
                self._on_range_finished(event, now)
            case AttemptFailed():
                self._on_attempt_failed(event, now)
            case WorkerGaveBack():
                self._on_worker_gave_back(event)
            case WorkerExited():
                self._on_worker_exited(event)
            case DivisionAdvanced(progress):
                self._on_phase_news(progress.token, progress, progress.ended)
            case CommitFinished(done):
                self._on_phase_news(done.token, done, True)
            case AttemptStopped(token):
                self._attempts.pop(token, None)
            case DrainAsked():
                self._on_drain_asked()
            case Ticked():
                pass
            case _:
                assert_never(event)

    # The session.

    def _on_welcomed(self, event: Welcomed, now: float) -> None:
        # What was kept has been seen: were it dropped since Hello was said (by the fence), the daemon must learn of it.
        seen = max(event.kept, default=0)
        self._session = _Session(event.session_timeout_s, event.heartbeat_s, True, event.hello_sent_at, seen=seen)
        self._is_fenced = False
        kept = set(event.kept)
        for held in self._leases:
            if held.lease.token not in kept:
                self._on_lease_revoked(held.lease.token, tuple(held.unfinished))
        for instance in self._instances.values():
            instance.is_paused = self._is_draining
            self._tell(instance, _state_of(instance), instance.error)
        for report in self._outbox.resend(now, older_than_s=float("-inf")):
            self._emit(SendReport(report))

    def _on_echoed(self, sent_at: float) -> None:
        if self._session is not None:
            self._session.last_echo_at = max(self._session.last_echo_at, sent_at)

    def _on_acknowledged(self, number: int) -> None:
        report = self._outbox.acknowledge(number)
        if report is not None:
            self._leases.settle(report)
            self._is_low = self._is_low or any(self._runs_low(want) for want in self._synced_wants)

    def _runs_low(self, want: Want) -> bool:
        """Half of what was wanted is done: at the next heartbeat it would be too late to ask for more."""
        return want.count > 0 and 2 * self._leases.unsettled_of(want.step) <= want.count

    def _fence(self) -> None:
        """No echo for too long: stop everything, keep what is finished, try to come back."""
        self._is_fenced = True
        self._emit(DropStream())
        if self._session is not None:
            self._session.is_connected = False
        for instance in self._instances.values():
            instance.is_paused = True
            instance.withdraw(None)
            for worker in list(instance.workers.values()):
                worker.empty()
                self._kill(instance, worker)
        for token in self._attempts:
            self._emit(StopAttempt(token))
        for held in self._leases:
            self._leases.abandon(held, held.unfinished)

    # Leases.

    def _on_lease_granted(self, lease: Lease) -> None:
        if lease.token in self._leases:
            return
        if self._session is not None:
            self._session.seen = max(self._session.seen, lease.token)
        held = self._leases.add(lease)
        instance = self._instances.get(lease.step)
        if self._is_draining or (lease.phase is Phase.RUN and (instance is None or not _takes_leases(instance))):
            self._give_back(held, [held.whole])
        elif lease.phase is Phase.RUN and instance is not None and not instance.is_command:
            instance.enqueue(Piece(lease, held.whole))
        else:
            self._attempts[lease.token] = lease
            self._emit(StartAttempt(lease))

    def _on_lease_revoked(self, token: int, ranges: Iterable[Range]) -> None:
        held = self._leases.get(token)
        if held is None:
            return
        ranges = tuple(ranges)
        if token in self._attempts:
            if any(held.unfinished.overlaps(each) for each in ranges):
                self._emit(StopAttempt(token))
        elif (instance := self._instances.get(held.lease.step)) is not None:
            self._revoke_from(instance, token, ranges)
        self._leases.abandon(held, ranges)

    def _revoke_from(self, instance: Instance, token: int, ranges: tuple[Range, ...]) -> None:
        for each in ranges:
            instance.withdraw(token, each)
        for worker in instance.frames_of(token):
            touched = tuple(each for each in ranges if worker.has_any(token, each))
            if touched:
                worker.revoked.setdefault(token, []).extend(touched)
                self._emit(AskBack(instance.step, worker.number, token))
                self._emit(KillIfRunning(instance.step, worker.number, token, touched))

    def _on_take_back_asked(self, token: int) -> None:
        held = self._leases.get(token)
        if held is None:
            self._report(GivenBack(token, ()))
            return
        held.is_taken_back = True
        instance = self._instances.get(held.lease.step)
        if instance is not None and held.lease.phase is Phase.RUN:
            held.returned += [piece.range for piece in instance.withdraw(token)]
            for worker in instance.frames_of(token):
                held.asked.add(worker.number)
                self._emit(AskBack(instance.step, worker.number, token))
        self._answer_take_back(held)

    def _answer_take_back(self, held: Held) -> None:
        if held.is_taken_back and not held.asked:
            returned, held.returned, held.is_taken_back = held.returned, [], False
            self._give_back(held, returned)

    def _give_back(self, held: Held, ranges: Iterable[Range]) -> None:
        """Reports indexes as never started, those of them that are still unfinished."""
        free = tuple(part for each in ranges for part in held.unfinished.remove(each))
        self._report(GivenBack(held.lease.token, free))

    def _return(self, instance: Instance, pieces: Iterable[Piece]) -> None:
        """What a worker had and did not start: fed again, or given back to the daemon where that is the way."""
        free: dict[int, tuple[Held, list[Range]]] = {}
        for piece in pieces:
            held = self._leases.get(piece.lease.token)
            if held is None:
                continue
            wanted = [common for each in held.unfinished if (common := each.intersect(piece.range))]
            if held.is_taken_back:
                held.returned += wanted
            elif not _takes_leases(instance):
                free.setdefault(piece.lease.token, (held, []))[1].extend(wanted)
            else:
                for each in reversed(wanted):
                    instance.enqueue(Piece(piece.lease, each), at_front=True)
        for held, ranges in free.values():
            if ranges:
                self._give_back(held, ranges)

    # Steps.

    def _on_step_opened(self, event: StepOpened) -> None:
        instance = self._instances.get(event.step)
        if instance is None:
            instance = Instance(event.step, event.workers, event.is_command, event.gpus, self._emit)
            instance.is_paused = self._is_draining
            self._instances[event.step] = instance
            self._tell(instance, InstanceState.OPENED)
            if event.is_command:
                instance.was_ready = True
                self._tell(instance, InstanceState.READY)
        else:
            self._tell(instance, _state_of(instance), instance.error)

    def _on_close_asked(self, step: StepId, kill: bool) -> None:
        instance = self._instances.get(step)
        if instance is None:  # asked twice: CLOSED is on its way, and a second one could meet a new Open
            return
        instance.is_closing = True
        unfed = instance.withdraw(None)
        if not kill:
            self._return(instance, unfed)
        for worker in list(instance.workers.values()):
            if kill:
                self._kill(instance, worker)
            elif worker.state in (WorkerState.READY, WorkerState.STARTING):
                self._close(instance, worker)
        if kill:
            self._drop_step(step)

    def _drop_step(self, step: StepId) -> None:
        for token, lease in self._attempts.items():
            if lease.step == step and lease.phase is Phase.RUN:
                self._emit(StopAttempt(token))
        self._leases.abandon_runs(step)

    def _on_step_broken(self, step: StepId, error: StartError) -> None:
        instance = self._instances.get(step)
        if instance is None or instance.gave_up:
            return
        self._tell(instance, InstanceState.START_FAILED, error)
        self._give_up(instance, error)

    def _on_step_delayed(self, step: StepId, reason: str) -> None:
        instance = self._instances.get(step)
        if instance is not None and instance.waiting_reason != reason:
            instance.waiting_reason = reason
            self._tell(instance, _state_of(instance), instance.error)

    def _tell(self, instance: Instance, state: InstanceState, error: StartError | None = None) -> None:
        self._emit(SendInstance(instance.step, state, error, instance.waiting_reason))

    def _give_up(self, instance: Instance, error: StartError) -> None:
        instance.gave_up, instance.error = True, error
        self._tell(instance, InstanceState.GAVE_UP, error)
        self._return(instance, instance.withdraw(None))

    # Workers.

    def _on_worker_ready(self, step: StepId, number: int) -> None:
        instance, worker = self._find(step, number)
        if instance is None or worker is None:
            return
        instance.init_failures = 0
        if worker.state is WorkerState.STARTING:
            worker.state = WorkerState.READY
        if not instance.was_ready or instance.waiting_reason:
            instance.was_ready, instance.waiting_reason = True, ""
            self._tell(instance, InstanceState.READY)

    def _on_worker_start_failed(self, step: StepId, number: int, error: StartError) -> None:
        instance, worker = self._find(step, number)
        if instance is None or worker is None or worker.state is WorkerState.FAILED:
            return
        worker.state = WorkerState.FAILED
        self._note_start_failure(instance, error)

    def _note_start_failure(self, instance: Instance, error: StartError) -> None:
        instance.init_failures += 1
        self._tell(instance, InstanceState.START_FAILED, error)
        nobody_left = not instance.live(WorkerState.READY, WorkerState.STARTING)
        if not instance.gave_up and (error.permanent or (instance.failures_are_too_many and nobody_left)):
            self._give_up(instance, error)

    def _on_range_finished(self, event: RangeFinished, now: float) -> None:
        results = event.results
        if event.worker is None:
            self._attempts.pop(results.token, None)
        elif (found := self._find(results.step, event.worker)) and found[0] and found[1]:
            found[0].settle(found[1], results.token, results.range, now)
        self._finish(results.token, results.range, results)

    def _on_attempt_failed(self, event: AttemptFailed, now: float) -> None:
        failure = event.failure
        settled = Range(failure.index, 1)
        instance, worker = None, None
        if event.worker is None:
            self._attempts.pop(failure.token, None)
        else:
            instance, worker = self._find(failure.step, event.worker)
            if instance is not None and worker is not None:
                instance.settle(worker, failure.token, settled, now)
        self._finish(failure.token, settled, failure)
        if instance is not None and worker is not None and event.directive is not None:
            if event.directive == "stop_process":
                instance.target = max(instance.target - 1, 0)
            self._close(instance, worker)

    def _finish(self, token: int, finished: Range, item: Item) -> None:
        """Takes up a result or a failure, unless all of it was revoked meanwhile."""
        held = self._leases.get(token)
        if held is not None and held.unfinished.remove(finished):
            self._report(item, urgent=isinstance(item, Failure))

    def _on_phase_news(self, token: int, item: Item, ended: bool) -> None:
        held = self._leases.get(token)
        if ended:
            self._attempts.pop(token, None)
        if held is None or not held.unfinished:
            return
        if ended:
            held.unfinished = RangeSet()
        self._report(item)

    def _on_worker_gave_back(self, event: WorkerGaveBack) -> None:
        instance, worker = self._find(event.step, event.worker)
        if instance is None or worker is None:
            return
        pieces = [Piece(*each) for given in event.ranges for each in worker.take_out(event.token, given)]
        revoked = worker.revoked.pop(event.token, None)
        if revoked:
            self._emit(KillIfRunning(event.step, event.worker, event.token, tuple(revoked)))
        self._return(instance, pieces)
        if (held := self._leases.get(event.token)) is not None:
            self._note_answer(held, event.worker)

    def _note_answer(self, held: Held, worker: int) -> None:
        if held.is_taken_back:
            held.asked.discard(worker)
            self._answer_take_back(held)

    def _on_worker_exited(self, event: WorkerExited) -> None:
        instance, worker = self._find(event.step, event.worker)
        if instance is None or worker is None:
            return
        charged = self._charge(instance, worker, event)
        self._return(instance, reversed(worker.empty()))
        for held in self._leases:
            self._note_answer(held, event.worker)
        del instance.workers[event.worker]
        name = worker_name(event.worker)
        if event.cause != "killed" and worker.state is WorkerState.STARTING and not instance.is_closing:
            self._note_start_failure(instance, StartError("init", event.detail, worker=name))
        elif event.cause != "killed" and worker.state is WorkerState.READY and not charged and not worker.has_settled:
            instance.barren_deaths += 1
        self._give_up_when_nobody_is_left(instance, StartError("start", event.detail, worker=name))

    def _give_up_when_nobody_is_left(self, instance: Instance, error: StartError) -> None:
        if instance.starts_workers and not instance.workers and (instance.failures_are_too_many or instance.target == 0):
            self._give_up(instance, error)

    def _charge(self, instance: Instance, worker: Worker, event: WorkerExited) -> bool:
        """A worker's death is the failure of the mini-batch that it was running, and of no other."""
        if event.index is None or event.cause == "killed":
            return False
        running = Range(event.index, 1)
        if not worker.take_out(event.token, running):
            return False
        held = self._leases.get(event.token)
        failure = Failure(
            step=instance.step,
            token=event.token,
            phase=Phase.RUN,
            index=event.index,
            kind=event.cause or "worker died",
            message=event.detail,
            started_at=event.started_at,
            run_us=event.run_us,
            worker=worker_name(event.worker),
            attempt=held.lease.attempt if held else 1,
        )
        instance.barren_deaths = 0
        self._finish(event.token, running, failure)
        return True

    def _find(self, step: StepId, number: int) -> tuple[Instance | None, Worker | None]:
        instance = self._instances.get(step)
        return instance, instance.workers.get(number) if instance else None

    def _kill(self, instance: Instance, worker: Worker) -> None:
        worker.state = WorkerState.FAILED
        self._emit(KillWorker(instance.step, worker.number))

    def _close(self, instance: Instance, worker: Worker) -> None:
        """What it has not started goes to others; then shutdown() and exit."""
        for token in sorted({frame.lease.token for frame in worker.frames}):
            self._emit(AskBack(instance.step, worker.number, token))
        worker.state = WorkerState.CLOSING
        self._emit(CloseWorker(instance.step, worker.number))

    # Draining.

    def _on_drain_asked(self) -> None:
        self._is_draining = True
        for instance in self._instances.values():
            instance.is_paused = True
            self._return(instance, instance.withdraw(None))
            for worker in list(instance.workers.values()):
                if worker.state is WorkerState.READY:
                    self._close(instance, worker)
                elif worker.state is WorkerState.STARTING:
                    self._kill(instance, worker)

    def _leave_when_drained(self) -> None:
        if not self._is_draining or self._has_left:
            return
        is_idle = not self._attempts and not any(instance.workers for instance in self._instances.values())
        is_reported = self._outbox.is_empty or self._session is None or self._is_fenced
        if is_idle and is_reported:
            self._has_left = True
            self._emit(Leave())

    # What follows from the whole state.

    def _emit(self, command: Command) -> None:
        self._out.append(command)

    def _report(self, item: Item, urgent: bool = True) -> None:
        self._outbox.add(item)
        self._is_urgent = self._is_urgent or urgent

    def _advance(self, now: float) -> None:
        session = self._session
        if session is not None and not self._is_fenced and now >= session.fence_at:
            self._fence()
        for instance in self._instances.values():
            instance.top_up()
            instance.feed(now)
        if session is not None and session.is_connected:
            self._flush(session, now)
            self._close_instances()
            if self._sync_is_due(session, now):
                self._sync(session, now)
        self._leave_when_drained()

    def _flush(self, session: _Session, now: float) -> None:
        if self._outbox.has_pending and now >= self._outbox.last_flush_at + self._report_gap():
            self._is_urgent = False
            for report in self._outbox.flush(now):
                self._emit(SendReport(report))
        for report in self._outbox.resend(now, older_than_s=2 * session.heartbeat_s):
            self._emit(SendReport(report))

    def _report_gap(self) -> float:
        """At once when a worker is dry, nothing is left, or somebody waits for it; else now and then."""
        is_dry = any(instance.is_dry for instance in self._instances.values())
        if not self._leases.have_unfinished:
            return 0.0
        return SHORTEST_GAP_S if self._is_urgent or is_dry else REPORT_INTERVAL_S

    def _close_instances(self) -> None:
        """CLOSED is said once: on a new session Hello tells what is open, and a repetition could meet a second Open."""
        if self._outbox.has_pending:  # what the instance did is told before that it is closed
            return
        for step, instance in list(self._instances.items()):
            is_busy = instance.workers or any(
                lease.step == step and lease.phase is Phase.RUN for lease in self._attempts.values()
            )
            if instance.is_closing and not is_busy:
                del self._instances[step]
                self._emit(SendInstance(step, InstanceState.CLOSED))
                self._emit(ForgetStep(step))

    def _wants(self) -> tuple[Want, ...]:
        return tuple(instance.want() for instance in self._instances.values())

    def _news(self) -> bool:
        """The daemon should hear of the wants now: a step has come or gone, a worker is ready, they differ much, or little
        of what was wanted is left."""
        if self._is_low:
            return True
        wants, before = self._wants(), {want.step: want for want in self._synced_wants}
        if before.keys() != {want.step for want in wants}:
            return True
        return any(_differs(want, before[want.step]) for want in wants)

    def _sync_is_due(self, session: _Session, now: float) -> bool:
        elapsed_s = now - session.last_sync_at
        return elapsed_s >= session.heartbeat_s or (elapsed_s >= SHORTEST_GAP_S and self._news())

    def _sync(self, session: _Session, now: float) -> None:
        session.last_sync_at = now
        self._is_low = False
        self._synced_wants = self._wants()
        for want in self._synced_wants:
            self._instances[want.step].note_want(want)
        self._emit(SendSync(self._leases.tokens(), session.seen, self._synced_wants, now, self._is_draining))


def _takes_leases(instance: Instance) -> bool:
    return not (instance.is_closing or instance.gave_up or instance.is_paused)


def _state_of(instance: Instance) -> InstanceState:
    if instance.gave_up:
        return InstanceState.GAVE_UP
    return InstanceState.READY if instance.was_ready else InstanceState.OPENED


def _differs(want: Want, before: Want) -> bool:
    """A different number of ready workers, or a want that has moved by half and more."""
    if want.ready_workers != before.ready_workers:
        return True
    return want.count > 1.5 * before.count or want.count < 0.5 * before.count
