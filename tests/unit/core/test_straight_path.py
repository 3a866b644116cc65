"""From submit to Completed, command by command."""

from __future__ import annotations

from prsd.base.columns import Column
from prsd.core.commands import Acknowledge, Close, Grant, Open, Record, Welcome
from prsd.core.facts import (
    CommitRecorded,
    DivisionRecorded,
    IndexesReserved,
    JobChanged,
    JobRecorded,
    ResultsRecorded,
    SessionOpened,
    StepChanged,
    StepEnding,
)
from prsd.core.vocabulary import CommitDone, InstanceState, Lease, Phase, Results, State, StepId, StepKind, StepTerms
from tests.unit.core.script import STEP, Script, effects, facts, grants, opens, parallel, part, spans, token


def test_a_parallel_step_from_submit_to_completed(script: Script) -> None:
    terms = parallel(appends_rows=True)
    assert script.submit(terms) == [Record(JobRecorded("job", (terms,), True))]
    assert script.join("a") == [
        Record(SessionOpened("a1", "a", "a-boot")),
        Welcome("a1"),
        Record(StepChanged(STEP, State.PREPARING)),
        Open("a1", STEP, workers=1, node=0),
        Grant("a1", Lease(token(1), STEP, Phase.DIVIDE, 0, 1)),
        Record(JobChanged("job", State.PREPARING)),
    ]
    assert script.say("a1", InstanceState.OPENED) == []
    assert script.sync("a1", held=(token(1),), want=4) == [
        Record(StepChanged(STEP, State.RUNNING)),
        Record(JobChanged("job", State.RUNNING)),
    ]
    only = part(0, 3)
    assert script.divide("a1", only) == [
        Record(DivisionRecorded(STEP, (only,), ended=True)),
        Acknowledge("a1", 1),
        Record(IndexesReserved(STEP, 3)),
        Grant("a1", Lease(token(2), STEP, Phase.RUN, 0, 2), parts=(only,)),
    ]
    assert script.sync("a1", held=(token(2),), want=4) == [Grant("a1", Lease(token(3), STEP, Phase.RUN, 2, 1), (only,))]
    first = Results(STEP, token(2), 0, Column.repeat(10, 2), Column.repeat(10, 2), Column.repeat(5, 2))
    assert script.succeed("a1", token(2), 0, 2) == [Record(ResultsRecorded(first, "a1")), Acknowledge("a1", 2)]
    last = Results(STEP, token(3), 2, Column.repeat(10, 1), Column.repeat(10, 1), Column.repeat(5, 1))
    assert script.succeed("a1", token(3), 2) == [
        Record(ResultsRecorded(last, "a1")),
        Acknowledge("a1", 3),
        Record(StepEnding(STEP, State.COMPLETED)),
        Record(StepChanged(STEP, State.FINALIZING)),
        Close("a1", STEP, kill=False),
    ]
    assert script.say("a1", InstanceState.CLOSED) == [
        Grant("a1", Lease(token(4), STEP, Phase.COMMIT, 0, 1), publish=True, outcome=State.COMPLETED)
    ]
    assert script.commit("a1", token(4)) == [
        Record(CommitRecorded(CommitDone(STEP, token(4), 100, "sha", 7))),
        Acknowledge("a1", 4),
        Record(StepChanged(STEP, State.COMPLETED)),
        Record(JobChanged("job", State.COMPLETED)),
    ]


def test_a_command_step_is_one_mini_batch_without_divide_and_commit(script: Script) -> None:
    script.join("a", slots=4)
    assert effects(script.submit(StepTerms("step", StepKind.COMMAND, max_retries=0))) == [
        Open("a1", STEP, workers=4, node=0)
    ]
    assert spans(script.sync("a1", want=5)) == [(0, 1, 1)]
    assert effects(script.succeed("a1", token(1), 0))[-1] == Close("a1", STEP, kill=False)
    assert facts(script.say("a1", InstanceState.CLOSED))[0] == StepChanged(STEP, State.COMPLETED)


def test_a_failed_command_fails_its_step_with_its_message(script: Script) -> None:
    script.join("a")
    script.submit(StepTerms("step", StepKind.COMMAND, max_retries=0))
    script.sync("a1", want=1)
    script.fail("a1", token(1), message="exit code 3")
    script.say("a1", InstanceState.CLOSED)
    assert (script.step().state, script.step().reason) == (State.FAILED, "exit code 3")


def test_ranked_mini_batches_need_no_division(script: Script) -> None:
    script.join("a")
    script.submit(parallel(rank_mini_batch_count=4))
    assert spans(script.sync("a1", want=10)) == [(0, 2, 1)]


def test_26_a_bound_step_starts_after_the_first_has_completed(script: Script) -> None:
    script.join("a")
    script.submit(parallel("step"), parallel("next", depends_on=("step",)))
    script.divide("a1", part(0, 1))
    assert script.step("next").waiting_reason == "waiting for step step"
    script.sync("a1", want=1)
    script.succeed("a1", token(2), 0)
    script.say("a1", InstanceState.CLOSED)
    assert script.step("next").state is State.QUEUED
    commands = script.commit("a1", token(3))
    assert opens(commands) == [Open("a1", StepId("job", "next"), 1, 0)]
    assert [lease.step.step for lease in grants(commands)] == ["next"]


def test_the_first_mini_batches_run_while_the_division_goes_on(script: Script) -> None:
    script.join("a")
    script.submit()
    script.sync("a1", held=(token(1),), want=5)
    assert spans(script.divide("a1", part(0, 2), ended=False)) == [(0, 2, 1)]
    assert spans(script.divide("a1", part(2, 2), ended=False)) == [(2, 2, 1)]


def test_an_empty_input_fails_the_step(script: Script) -> None:
    script.join("a")
    script.submit()
    script.divide("a1")
    assert script.step().state is State.FINALIZING
    assert "the input is empty" in script.step().reason


def test_leases_shrink_towards_the_end(script: Script) -> None:
    script.running(100, agents="ab")
    assert spans(script.sync("a1", want=1000)) == [(0, 25, 1)]
    assert spans(script.sync("b1", want=1000)) == [(25, 19, 1)]


def test_the_same_job_twice_is_one_job(script: Script) -> None:
    script.submit()
    assert script.submit() == []


def test_time_never_goes_back(script: Script) -> None:
    script.now = 100.0
    script.join("a")
    script.now = 50.0
    script.sync("a1")
    assert script.core.next_deadline() == 115.0
