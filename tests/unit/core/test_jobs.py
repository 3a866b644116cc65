"""Statements 27 and 93: steps among themselves."""

from __future__ import annotations

import pytest

from prsd.core.commands import Close, Revoke
from prsd.core.events import CancelRequested
from prsd.core.facts import JobChanged, StepChanged, StepEnding
from prsd.core.vocabulary import InstanceState, Phase, Range, State, StepId
from tests.unit.core.script import STEP, Script, effects, facts, parallel, part, token


def diamond(script: Script, go_on: bool) -> None:
    script.join("a", slots=8)
    script.submit(
        parallel("step"),
        parallel("other"),
        parallel("after", depends_on=("step",)),
        parallel("later", depends_on=("other",)),
        go_on=go_on,
    )
    script.fail("a1", token(1), phase=Phase.DIVIDE, permanent=True, message="no input")


def test_27_independent_steps_go_on(script: Script) -> None:
    diamond(script, go_on=True)
    script.say("a1", InstanceState.CLOSED)
    script.commit("a1", token(3))
    states = {name: script.step(name).state for name in ("step", "other", "after", "later")}
    assert states == {
        "step": State.FAILED,
        "other": State.PREPARING,
        "after": State.SKIPPED,
        "later": State.QUEUED,
    }
    assert script.step("after").reason == "step step is Failed"


def test_27_or_are_canceled(script: Script) -> None:
    diamond(script, go_on=False)
    assert script.step("other").state is State.FINALIZING
    assert script.step("later").state is State.SKIPPED
    for name in ("step", "other"):
        script.say("a1", InstanceState.CLOSED, step=StepId("job", name))
        script.commit("a1", token(3), StepId("job", name))
        script.commit("a1", token(4), StepId("job", name))
    assert script.step("other").state is State.CANCELED
    view = script.core.job_view("job")
    assert view is not None
    assert (view.state, view.reason) == (State.FAILED, "no input")


def test_93_cancel_stops_everything_and_publishes_nothing(script: Script) -> None:
    script.running(10, appends_rows=True)
    script.sync("a1", want=2)
    script.succeed("a1", token(2), 0)
    commands = script.handle(CancelRequested("job"))
    assert facts(commands)[:2] == [
        JobChanged("job", State.CANCEL_REQUESTED),
        StepEnding(STEP, State.CANCELED, "the job was canceled"),
    ]
    assert effects(commands) == [Revoke("a1", token(2), (Range(1, 1),)), Close("a1", STEP, kill=True)]
    assert script.handle(CancelRequested("job")) == []
    (commit,) = effects(script.say("a1", InstanceState.CLOSED))
    assert (commit.publish, commit.outcome) == (False, State.CANCELED)  # type: ignore[union-attr]
    assert facts(script.commit("a1", token(3)))[1:] == [
        StepChanged(STEP, State.CANCELED),
        JobChanged("job", State.CANCELED),
    ]
    assert script.handle(CancelRequested("job")) == []
    assert script.step().succeeded == 1


def test_93_what_was_not_started_is_canceled_at_once(script: Script) -> None:
    script.submit(parallel("step"), parallel("next", depends_on=("step",)))
    script.handle(CancelRequested("job"))
    assert script.job_state() is State.CANCELED
    assert script.step("next").state is State.CANCELED


def test_a_canceled_step_without_agents_ends_without_reports(script: Script) -> None:
    script.running(10)
    script.wait(20)
    script.handle(CancelRequested("job"))
    assert script.job_state() is State.CANCELED


def test_a_result_that_comes_after_the_end_was_decided_is_refused(script: Script) -> None:
    script.running(10)
    script.sync("a1", want=2)
    script.handle(CancelRequested("job"))
    assert facts(script.succeed("a1", token(2), 0)) == []


def test_workers_that_do_not_close_in_time_are_killed(script: Script) -> None:
    script.running(1)
    script.sync("a1", want=1)
    script.succeed("a1", token(2), 0)
    for _ in range(6):
        script.now += 10
        commands = script.sync("a1")
    assert commands == []
    assert Close("a1", STEP, kill=True) in script.wait(1)


def test_an_ended_job_can_be_forgotten_and_no_other(script: Script) -> None:
    script.submit()
    with pytest.raises(ValueError, match="job job is Queued"):
        script.core.forget("job")
    script.handle(CancelRequested("job"))
    script.core.forget("job")
    assert script.core.job_view("job") is None


def test_two_steps_share_the_slots_of_an_agent(script: Script) -> None:
    script.join("a", slots=3)
    script.submit(parallel("step", workers_per_instance=2), parallel("other", workers_per_instance=2))
    (agent,) = script.core.agent_views()
    assert (agent.slots, agent.free_slots) == (3, 0)
    assert script.step("other").instances == 1


def test_a_division_that_is_still_going_is_revoked_with_its_step(script: Script) -> None:
    script.join("a")
    script.submit()
    assert effects(script.handle(CancelRequested("job")))[0] == Revoke("a1", token(1), (Range(0, 1),))
    assert facts(script.divide("a1", part(0, 1))) == []
