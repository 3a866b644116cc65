"""The agent's ledger, as scripts of events and expected commands. Numbers in names are those of the specification's list."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import TypeVar

import pytest

from prs_agent.ledger.commands import (
    AskBack,
    CloseWorker,
    Command,
    DropStream,
    Feed,
    ForgetStep,
    KillIfRunning,
    KillWorker,
    Leave,
    SendInstance,
    SendReport,
    SendSync,
    StartAttempt,
    StartWorker,
    StopAttempt,
)
from prs_agent.ledger.events import (
    Acknowledged,
    AttemptFailed,
    AttemptStopped,
    CloseAsked,
    CommitFinished,
    DivisionAdvanced,
    DrainAsked,
    Echoed,
    Event,
    LeaseGranted,
    LeaseRevoked,
    RangeFinished,
    StepBroken,
    StepDelayed,
    StepOpened,
    StreamLost,
    TakeBackAsked,
    Ticked,
    Welcomed,
    WorkerExited,
    WorkerGaveBack,
    WorkerReady,
    WorkerStartFailed,
)
from prs_agent.ledger.ledger import Ledger
from prs_agent.ledger.ranges import Range
from prs_agent.ledger.vocabulary import (
    CommitDone,
    DivisionProgress,
    Failure,
    GivenBack,
    InstanceState,
    Lease,
    ManifestPart,
    Phase,
    Report,
    Results,
    StartError,
    StepId,
    Want,
)
from prsd.base.columns import Column

T = TypeVar("T")

STEP = StepId("job", "score")


class Script:
    """A ledger and a clock. `say` gives the commands that are not heartbeats' business; Syncs are kept in `syncs`."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.now = 100.0
        self.syncs: list[SendSync] = []
        self.reports: list[Report] = []

    def say(self, *events: Event, after: float = 0.0) -> list[Command]:
        self.now += after
        commands = [command for event in events for command in self.ledger.handle(event, self.now)]
        self.syncs += [command for command in commands if isinstance(command, SendSync)]
        self.reports += [command.report for command in commands if isinstance(command, SendReport)]
        return [command for command in commands if not isinstance(command, SendSync)]

    def wait(self, seconds: float) -> list[Command]:
        """Time passes with no event but ticks, and with a daemon that echoes."""
        commands = []
        for _ in range(int(seconds / 0.1) or 1):
            commands += self.say(Echoed(self.now), Ticked(), after=0.1)
        return commands

    def acknowledge(self) -> None:
        for report in self.reports:
            self.say(Acknowledged(report.number))


def joined(kept: Iterable[int] = (), at: float = 100.0, timeout_s: float = 15.0) -> Welcomed:
    return Welcomed(timeout_s, 2.0, at, tuple(kept))


def opened(workers: int = 2, **terms: int | bool) -> StepOpened:
    return StepOpened(STEP, workers, 0, **terms)  # type: ignore[arg-type]


def granted(token: int, first: int, count: int, attempt: int = 1, parts: tuple[ManifestPart, ...] = ()) -> LeaseGranted:
    return LeaseGranted(Lease(token, STEP, Phase.RUN, first, count, attempt, parts))


def finished(worker: int | None, token: int, first: int, count: int = 1) -> RangeFinished:
    ones = Column.repeat(1, count).to_bytes()
    return RangeFinished(worker, Results(STEP, token, first, count, ones, ones, ones, worker=f"process{worker or 0:03d}"))


def failed(worker: int, token: int, index: int, directive: str | None = None) -> AttemptFailed:
    return AttemptFailed(worker, Failure(STEP, token, Phase.RUN, index, "exception", "ValueError: no"), directive)


def fed(worker: int, token: int, first: int, count: int = 1, *, attempt: int = 1, part: str = "") -> Feed:
    return Feed(STEP, worker, token, first, count, attempt, part)


def running(workers: int = 2) -> Script:
    """A script in which the step is open and all its workers are ready."""
    script = Script()
    script.say(joined(), opened(workers))
    script.say(*(WorkerReady(STEP, number) for number in range(workers)))
    script.wait(0.1)
    return script


def of_type(kind: type[T], commands: list[Command]) -> list[T]:
    return [command for command in commands if isinstance(command, kind)]


def test_an_opened_step_is_answered_and_its_workers_are_started() -> None:
    script = Script()
    script.say(joined())
    assert script.say(opened(2)) == [
        SendInstance(STEP, InstanceState.OPENED),
        StartWorker(STEP, 0),
        StartWorker(STEP, 1),
    ]
    script.wait(0.1)
    assert script.syncs[-1].wants == (Want(STEP, 4, 0),)


def test_048_every_worker_is_started_once_and_ready_is_said_once() -> None:
    script = Script()
    commands = script.say(joined(), opened(2), WorkerReady(STEP, 0), WorkerReady(STEP, 1), opened(2))
    commands += script.wait(5)
    assert of_type(StartWorker, commands) == [StartWorker(STEP, 0), StartWorker(STEP, 1)]
    assert [c.state for c in of_type(SendInstance, commands)] == [
        InstanceState.OPENED,
        InstanceState.READY,
        InstanceState.READY,  # the answer to the second Open, which changes nothing
    ]


def test_the_first_frames_hold_one_mini_batch_and_one_frame_waits() -> None:
    script = running(2)
    assert script.say(granted(7, 0, 10)) == [fed(0, 7, 0), fed(1, 7, 1), fed(0, 7, 2), fed(1, 7, 3)]


def test_frames_grow_with_the_measured_speed_and_never_cross_a_part() -> None:
    script = running(1)
    parts = (ManifestPart("a", 0, 6), ManifestPart("b", 6, 100))
    assert script.say(granted(7, 0, 106, parts=parts)) == [fed(0, 7, 0, part="a"), fed(0, 7, 1, part="a")]
    # One millisecond each: thirty fit into a frame, but four are left of the part.
    assert of_type(Feed, script.say(finished(0, 7, 0), after=0.001)) == [fed(0, 7, 2, 4, part="a")]
    assert of_type(Feed, script.say(finished(0, 7, 1), after=0.001)) == [fed(0, 7, 6, 30, part="b")]


def test_a_slow_mini_batch_is_fed_alone() -> None:
    script = running(1)
    script.say(granted(7, 0, 4))
    assert of_type(Feed, script.say(Echoed(script.now + 600), finished(0, 7, 0), after=600)) == [fed(0, 7, 2)]


def test_wants_double_with_each_sync_up_to_what_the_speed_needs() -> None:
    script = running(1)
    script.say(granted(7, 0, 100_000))
    first = 0
    for _ in range(20):
        frames = script.ledger.books.instances[STEP].workers[0].frames
        (run,) = list(frames[0].left)
        script.say(Echoed(script.now), finished(0, 7, run.first, run.count), after=0.005 + run.count * 0.001)
        first = run.stop
    counts = [sync.wants[0].count for sync in script.syncs if sync.wants]
    assert all(after <= 2 * before for before, after in pairwise(counts))
    assert 200 <= counts[-1] <= 400  # 0.4 s at a millisecond each and five for a frame
    assert first > 100


def test_results_are_reported_together_and_the_lease_is_held_until_they_are_acknowledged() -> None:
    script = running(1)
    script.say(granted(7, 0, 3))
    script.say(finished(0, 7, 0), finished(0, 7, 1), finished(0, 7, 2))
    script.wait(0.1)
    assert [r.first for report in script.reports for r in report.results] == [0, 1, 2]
    assert [held.ranges for held in script.ledger.held()] == [(Range(0, 3),)]
    script.acknowledge()
    assert script.ledger.held() == ()


def test_reports_wait_for_each_other_while_the_workers_are_busy() -> None:
    script = running(1)
    script.say(granted(7, 0, 1000))
    script.wait(0.2)
    script.say(finished(0, 7, 0), after=0.05)
    before = len(script.reports)
    script.say(finished(0, 7, 1), after=0.02)
    assert len(script.reports) == before
    script.wait(0.2)
    assert len(script.reports) == before + 1


def test_a_report_goes_out_again_after_two_heartbeats_and_on_a_new_session() -> None:
    script = running(1)
    script.say(granted(7, 0, 1))
    script.say(finished(0, 7, 0))
    assert [report.number for report in script.reports] == [1]
    script.wait(3.8)
    assert len(script.reports) == 1
    script.wait(0.4)
    assert [report.number for report in script.reports] == [1, 1]
    script.say(StreamLost())
    assert script.say(joined(kept=[7], at=script.now))[-1] == SendReport(script.reports[0])
    script.acknowledge()
    assert script.ledger.held() == ()


def test_064_a_worker_killed_for_a_timeout_is_charged_and_replaced_under_the_next_number() -> None:
    script = running(2)
    script.say(granted(7, 0, 4, attempt=2))
    exited = WorkerExited(STEP, 0, "run() did not finish within 1 s", "timeout", 7, 0, 50.0, 1_000_000)
    commands = script.say(exited)
    assert of_type(StartWorker, commands) == [StartWorker(STEP, 2)]
    script.wait(0.1)
    (failure,) = script.reports[0].failures
    assert (failure.kind, failure.index, failure.attempt, failure.worker) == ("timeout", 0, 2, "process000")
    assert of_type(Feed, script.say(WorkerReady(STEP, 2))) == [fed(2, 7, 2, attempt=2)]


def test_065_a_dead_worker_costs_its_running_mini_batch_and_no_other() -> None:
    script = running(1)
    script.say(granted(7, 0, 3))
    script.say(WorkerExited(STEP, 0, "process000 exited with returncode -9", "", 7, 0))
    script.wait(0.1)
    (failure,) = script.reports[0].failures
    assert (failure.kind, failure.message) == ("worker died", "process000 exited with returncode -9")
    assert not script.reports[0].given_back
    assert of_type(Feed, script.say(WorkerReady(STEP, 1))) == [fed(1, 7, 1), fed(1, 7, 2)]


def test_a_result_that_came_before_the_death_counts() -> None:
    script = running(1)
    script.say(granted(7, 0, 2))
    script.say(finished(0, 7, 0), WorkerExited(STEP, 0, "exited", "", 7, 0))
    script.wait(0.1)
    assert not any(report.failures for report in script.reports)


@pytest.mark.parametrize("workers", [1, 2])
def test_075_init_that_always_fails_ends_after_three_times_the_workers(workers: int) -> None:
    script = Script()
    commands = script.say(joined(), opened(workers))
    error = StartError("init", "RuntimeError: no model")
    for number in range(100):
        if InstanceState.GAVE_UP in [c.state for c in of_type(SendInstance, commands)]:
            break
        commands += script.say(WorkerStartFailed(STEP, number, error), WorkerExited(STEP, number, "exited with 1"))
    states = [c.state for c in of_type(SendInstance, commands)]
    assert 3 * workers <= states.count(InstanceState.START_FAILED) < 4 * workers
    assert states[-1] is InstanceState.GAVE_UP
    started = len(of_type(StartWorker, commands))
    assert not of_type(StartWorker, script.wait(5))
    assert started < 4 * workers


def test_a_success_between_init_failures_starts_the_count_again() -> None:
    script = Script()
    script.say(joined(), opened(1))
    error = StartError("init", "no")
    for number in range(0, 8, 2):
        commands = script.say(
            WorkerStartFailed(STEP, number, error),
            WorkerExited(STEP, number, ""),
            WorkerReady(STEP, number + 1),
            WorkerExited(STEP, number + 1, "killed", "killed"),
        )
        assert of_type(StartWorker, commands)


def test_a_worker_that_dies_idle_again_and_again_ends_like_init_failures() -> None:
    script = Script()
    commands = script.say(joined(), opened(1))
    for number in range(3):
        commands = script.say(WorkerReady(STEP, number), WorkerExited(STEP, number, "exited with returncode -9"))
    assert of_type(SendInstance, commands)[-1].state is InstanceState.GAVE_UP


def test_a_permanent_start_error_starts_nothing_again() -> None:
    script = Script()
    script.say(joined(), opened(1))
    error = StartError("start", "entry.py has no function run", permanent=True)
    commands = script.say(WorkerStartFailed(STEP, 0, error), WorkerExited(STEP, 0, ""))
    assert of_type(SendInstance, commands)[0] == SendInstance(STEP, InstanceState.START_FAILED, error)
    assert not of_type(StartWorker, commands + script.wait(5))
    assert script.syncs[-1].wants[0].count == 0


def test_a_daemon_that_did_not_hear_why_a_step_was_given_up_is_told_again() -> None:
    script = Script()
    script.say(joined(), opened(1))
    error = StartError("start", "input 'data': there is no /x", permanent=True)
    commands = script.say(StreamLost(), StepBroken(STEP, error), WorkerExited(STEP, 0, "", "killed"), joined())
    assert of_type(SendInstance, commands)[-1] == SendInstance(STEP, InstanceState.GAVE_UP, error)


def test_a_broken_step_gives_back_what_it_was_granted() -> None:
    script = Script()
    script.say(joined(), opened(1), granted(7, 0, 5))
    error = StartError("start", "input 'data': there is no /x", permanent=True)
    commands = script.say(StepBroken(STEP, error), WorkerExited(STEP, 0, "", "killed"))
    assert [c.state for c in of_type(SendInstance, commands)] == [InstanceState.START_FAILED, InstanceState.GAVE_UP]
    script.wait(0.1)
    assert script.reports[-1].given_back == (GivenBack(7, (Range(0, 5),)),)


def test_what_a_step_waits_for_is_told_when_it_changes_and_on_a_new_session() -> None:
    script = Script()
    script.say(joined(), opened(1))
    full, nothing = StepDelayed(STEP, "no space left"), StepDelayed(STEP, "")
    told = SendInstance(STEP, InstanceState.OPENED, waiting_reason="no space left")
    assert of_type(SendInstance, script.say(full)) == [told]
    assert of_type(SendInstance, script.say(full)) == []
    assert of_type(SendInstance, script.say(StreamLost(), joined())) == [told]
    assert of_type(SendInstance, script.say(nothing)) == [SendInstance(STEP, InstanceState.OPENED)]
    script.say(full)
    # The worker that waited was killed; another one had no need to wait.
    assert of_type(SendInstance, script.say(WorkerReady(STEP, 0))) == [SendInstance(STEP, InstanceState.READY)]


def test_an_echo_that_was_received_in_time_and_is_read_late_keeps_the_fence_away() -> None:
    script = Script()
    script.say(joined(), opened(1), WorkerReady(STEP, 0), granted(7, 0, 1))
    assert of_type(DropStream, script.say(TakeBackAsked(99), after=60.0)) == []
    assert of_type(DropStream, script.say(Echoed(script.now), Ticked(), after=0.1)) == []
    assert of_type(DropStream, script.say(Ticked(), after=60.0)) == [DropStream()]


def test_091_gpus_go_to_the_first_workers_and_a_replacement_takes_the_freed_one() -> None:
    script = Script()
    commands = script.say(joined(), opened(4, gpus=2))
    assert [c.gpu for c in of_type(StartWorker, commands)] == [0, 1, None, None]
    exited = WorkerExited(STEP, 1, "", "killed")
    assert of_type(StartWorker, script.say(exited)) == [StartWorker(STEP, 4, 1)]


def test_take_back_returns_what_is_unfed_and_what_a_worker_has_not_started() -> None:
    script = running(1)
    script.say(granted(7, 0, 5))
    assert script.say(TakeBackAsked(7)) == [AskBack(STEP, 0, 7)]
    script.say(WorkerGaveBack(STEP, 0, 7, (Range(1, 1),)))
    script.wait(0.1)
    (given,) = script.reports[-1].given_back
    assert sorted(given.ranges) == [Range(1, 1), Range(2, 3)]
    script.acknowledge()
    assert script.ledger.held()[0].ranges == (Range(0, 1),)


def test_take_back_of_an_unknown_lease_is_answered_with_nothing() -> None:
    script = running(1)
    script.say(TakeBackAsked(99))
    script.wait(0.1)
    assert script.reports[-1].given_back == (GivenBack(99, ()),)


def test_a_worker_that_dies_while_it_is_asked_does_not_hold_the_answer_up() -> None:
    script = running(1)
    script.say(granted(7, 0, 3), TakeBackAsked(7), WorkerExited(STEP, 0, "exited", "", 7, 0))
    script.wait(0.1)
    (given,) = [given for report in script.reports for given in report.given_back]
    assert sorted(given.ranges) == [Range(1, 1), Range(2, 1)]


def test_a_revoked_mini_batch_is_dropped_and_its_worker_killed_uncharged() -> None:
    script = running(1)
    script.say(granted(7, 0, 3))
    whole = (Range(0, 3),)
    commands = script.say(LeaseRevoked(7, whole))
    assert commands == [AskBack(STEP, 0, 7), KillIfRunning(STEP, 0, 7, whole)]
    assert script.ledger.held() == ()
    commands = script.say(WorkerExited(STEP, 0, "killed", "killed", 7, 0))
    script.wait(1)
    assert not any(report.failures or report.given_back for report in script.reports)
    assert of_type(StartWorker, commands) == [StartWorker(STEP, 1)]


def test_a_result_of_a_revoked_mini_batch_is_not_reported() -> None:
    script = running(1)
    script.say(granted(7, 0, 2), LeaseRevoked(7, (Range(0, 2),)), finished(0, 7, 0))
    script.wait(0.5)
    assert script.reports == []


def test_close_lets_workers_end_and_is_answered_when_they_are_gone() -> None:
    script = running(2)
    assert script.say(CloseAsked(STEP, kill=False)) == [CloseWorker(STEP, 0), CloseWorker(STEP, 1)]
    script.say(WorkerExited(STEP, 0, ""))
    assert script.say(WorkerExited(STEP, 1, "")) == [SendInstance(STEP, InstanceState.CLOSED), ForgetStep(STEP)]
    assert script.ledger.open_steps() == ()


def test_close_with_kill_drops_what_runs() -> None:
    script = running(1)
    script.say(granted(7, 0, 3))
    assert script.say(CloseAsked(STEP, kill=True)) == [KillWorker(STEP, 0)]
    commands = script.say(WorkerExited(STEP, 0, "killed", "killed", 7, 0))
    assert SendInstance(STEP, InstanceState.CLOSED) in commands
    assert script.ledger.held() == ()


def test_what_a_step_did_is_reported_before_that_it_is_closed() -> None:
    script = running(1)
    script.say(granted(7, 0, 3))
    script.say(finished(0, 7, 0), finished(0, 7, 1), CloseAsked(STEP, kill=False))
    commands = script.say(finished(0, 7, 2), WorkerExited(STEP, 0, "")) + script.wait(0.2)
    reported = [type(c) for c in commands if isinstance(c, SendReport | SendInstance)]
    assert reported.index(SendReport) < reported.index(SendInstance)


def test_closed_is_not_said_again_where_it_could_meet_a_second_open() -> None:
    script = running(1)
    script.say(CloseAsked(STEP, kill=False), WorkerExited(STEP, 0, ""))
    assert script.say(CloseAsked(STEP, kill=True)) == []  # was on its way already
    assert script.say(StreamLost(), joined(at=script.now)) == []  # Hello did not list the step: that says it


def test_the_fence_stops_workers_and_keeps_what_is_finished() -> None:
    script = running(2)
    script.say(granted(7, 0, 4), granted(8, 10, 4))
    script.say(finished(0, 7, 0))
    script.wait(0.1)
    script.say(StreamLost())
    assert script.say(Ticked(), after=12.8) == []
    commands = script.say(Ticked(), after=0.3)
    assert commands == [DropStream(), KillWorker(STEP, 0), KillWorker(STEP, 1)]
    script.say(WorkerExited(STEP, 0, "", "killed", 7, 2), WorkerExited(STEP, 1, "", "killed", 7, 1))
    assert [(held.token, held.ranges) for held in script.ledger.held()] == [(7, (Range(0, 1),))]
    commands = script.say(joined(at=script.now))
    assert [c.report.results[0].first for c in of_type(SendReport, commands)] == [0]
    assert of_type(StartWorker, commands) == [StartWorker(STEP, 2), StartWorker(STEP, 3)]


def test_an_echo_moves_the_fence() -> None:
    script = running(1)
    script.say(Echoed(script.now + 10))
    assert not of_type(KillWorker, script.say(Ticked(), after=15))
    assert of_type(KillWorker, script.say(Ticked(), after=9))


def test_leases_that_the_daemon_does_not_keep_are_dropped() -> None:
    script = running(1)
    script.say(granted(7, 0, 2), granted(8, 5, 2), StreamLost())
    commands = script.say(joined(kept=[8], at=script.now))
    assert KillIfRunning(STEP, 0, 7, (Range(0, 2),)) in commands
    assert [held.token for held in script.ledger.held()] == [8]


def test_divide_progress_is_reported_as_it_comes_and_ends_the_lease() -> None:
    script = Script()
    lease = Lease(3, STEP, Phase.DIVIDE, 0, 1)
    script.say(joined())
    assert script.say(LeaseGranted(lease)) == [StartAttempt(lease)]
    part = ManifestPart("part-0", 0, 10)
    script.say(DivisionAdvanced(DivisionProgress(STEP, 3, (part,), False)))
    script.wait(0.1)
    assert script.ledger.held()
    script.say(DivisionAdvanced(DivisionProgress(STEP, 3, (), True)))
    script.wait(0.1)
    script.acknowledge()
    assert [division.ended for report in script.reports for division in report.divisions] == [False, True]
    assert script.ledger.held() == ()


def test_a_commit_is_reported_and_a_revoked_one_is_stopped() -> None:
    script = Script()
    script.say(joined())
    script.say(LeaseGranted(Lease(3, STEP, Phase.COMMIT, 0, 1)), LeaseGranted(Lease(4, STEP, Phase.COMMIT, 0, 1)))
    assert script.say(LeaseRevoked(4, (Range(0, 1),))) == [StopAttempt(4)]
    script.say(AttemptStopped(4), CommitFinished(CommitDone(STEP, 3, 10, "d", 1)))
    script.wait(0.1)
    assert [done.token for report in script.reports for done in report.commits] == [3]


def test_a_command_step_wants_one_attempt_and_runs_it_without_workers() -> None:
    script = Script()
    commands = script.say(joined(), opened(2, is_command=True))
    assert commands == [SendInstance(STEP, InstanceState.OPENED), SendInstance(STEP, InstanceState.READY)]
    script.wait(0.1)
    assert script.syncs[-1].wants == (Want(STEP, 1, 1),)
    assert script.say(granted(7, 0, 1)) == [StartAttempt(Lease(7, STEP, Phase.RUN, 0, 1))]
    assert script.say(CloseAsked(STEP, kill=False)) == []
    script.say(finished(None, 7, 0))
    commands = script.wait(0.2)
    assert len(script.reports) == 1
    assert not script.ledger.open_steps()


def test_draining_gives_back_what_is_not_started_and_leaves_when_the_rest_is_done() -> None:
    script = running(1)
    script.say(granted(7, 0, 5))
    assert of_type(CloseWorker, script.say(DrainAsked())) == [CloseWorker(STEP, 0)]
    script.say(WorkerGaveBack(STEP, 0, 7, (Range(1, 1),)))
    script.say(finished(0, 7, 0), WorkerExited(STEP, 0, ""))
    script.wait(0.1)
    assert script.syncs[-1].draining
    given = [each for report in script.reports for back in report.given_back for each in back.ranges]
    assert sorted(given) == [Range(1, 1), Range(2, 3)]
    commands = [c for report in script.reports for c in script.say(Acknowledged(report.number))]
    assert commands == [Leave()]


def test_078_restart_process_replaces_the_worker_and_stop_process_does_not() -> None:
    script = running(2)
    script.say(granted(7, 0, 2))
    assert of_type(CloseWorker, script.say(failed(0, 7, 0, "restart_process"))) == [CloseWorker(STEP, 0)]
    assert of_type(StartWorker, script.say(WorkerExited(STEP, 0, ""))) == [StartWorker(STEP, 2)]
    script.say(failed(1, 7, 1, "stop_process"))
    assert not of_type(StartWorker, script.say(WorkerExited(STEP, 1, "")))


def test_a_lease_for_a_step_that_is_not_open_is_given_back() -> None:
    script = Script()
    script.say(joined(), granted(7, 0, 5))
    script.wait(0.1)
    assert script.reports[-1].given_back == (GivenBack(7, (Range(0, 5),)),)
    script.acknowledge()
    assert script.ledger.held() == ()


def test_more_is_asked_for_when_half_of_what_was_wanted_is_acknowledged() -> None:
    script = running(2)  # wants 4
    script.say(granted(7, 0, 4), finished(0, 7, 0))
    script.wait(0.1)
    script.acknowledge()
    script.say(Ticked(), after=0.01)
    before = len(script.syncs)
    script.say(finished(1, 7, 1))
    script.wait(0.1)
    assert len(script.syncs) == before  # reported is not acknowledged
    script.acknowledge()
    script.say(Ticked(), after=0.01)
    assert len(script.syncs) == before + 1


def test_a_lease_that_was_kept_but_dropped_since_hello_counts_as_seen() -> None:
    script = running(1)
    script.say(granted(7, 0, 1), StreamLost())
    script.say(Ticked(), after=5.0)
    hello_sent_at = script.now
    script.say(Ticked(), after=9.0)  # the fence, while Welcome is awaited
    assert script.ledger.held() == ()
    script.say(joined(kept=[7], at=hello_sent_at))
    assert (script.syncs[-1].held, script.syncs[-1].seen) == ((), 7)


def test_heartbeats_say_what_is_held_and_seen() -> None:
    script = running(1)
    script.say(granted(7, 0, 1), granted(9, 5, 1))
    script.wait(2.1)
    assert (script.syncs[-1].held, script.syncs[-1].seen) == ((7, 9), 9)
