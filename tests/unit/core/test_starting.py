"""Statement 75: workers that cannot load the entry script."""

from __future__ import annotations

from prsd.core.commands import Close, Open
from prsd.core.vocabulary import InstanceState, State
from tests.unit.core.script import STEP, Script, effects, opens, parallel, token


def test_75_a_lasting_start_error_fails_the_step_at_once(script: Script) -> None:
    script.join("a")
    script.submit()
    script.say("a1", InstanceState.START_FAILED, "there is no run()", permanent=True)
    assert (script.step().state, script.step().reason) == (State.FINALIZING, "there is no run()")


def test_75_an_agent_that_gives_up_is_replaced(script: Script) -> None:
    script.join("a")
    script.submit()
    script.join("b")
    commands = script.say("a1", InstanceState.GAVE_UP, "no model")
    assert effects(commands) == [Close("a1", STEP, kill=True), Open("b1", STEP, workers=1, node=1)]
    assert opens(script.say("a1", InstanceState.CLOSED)) == []


def test_75_when_every_agent_has_given_up_the_step_fails(script: Script) -> None:
    script.join("a")
    script.submit()
    script.join("b")
    script.say("a1", InstanceState.GAVE_UP, "no model")
    assert script.step().state is State.PREPARING
    script.say("b1", InstanceState.GAVE_UP, "no model either")
    assert script.step().reason == "no model either"


def test_75_init_failures_everywhere_stop_the_step_after_the_grace(script: Script) -> None:
    script.join("a")
    script.submit()
    for number in range(1, 15):
        script.now = 10.0 * number
        script.sync("a1", held=(token(1),))
        script.say("a1", InstanceState.START_FAILED, "no model")
        assert (script.step().state is State.FINALIZING) == (number > 12)


def test_75_one_worker_that_started_lifts_that_rule(script: Script) -> None:
    script.join("a")
    script.submit()
    script.say("a1", InstanceState.READY)
    for number in range(1, 30):
        script.now = 10.0 * number
        script.sync("a1", held=(token(1),))
        script.say("a1", InstanceState.START_FAILED, "no model")
    assert script.step().state is State.RUNNING


def test_leases_of_an_agent_that_gave_up_are_free(script: Script) -> None:
    script.running(4)
    script.sync("a1", want=2)
    script.join("b")
    script.say("a1", InstanceState.GAVE_UP, "the replacement could not start")
    assert script.step().running == 0


def test_a_step_without_agents_says_what_it_waits_for(script: Script) -> None:
    script.submit(parallel(compute="gpu"))
    assert script.step().waiting_reason == "waiting for an agent of compute gpu"
    script.join("a", compute="cpu")
    assert script.step().waiting_reason == "waiting for an agent of compute gpu"
    assert opens(script.join("b", compute="gpu")) == [Open("b1", STEP, 1, 0)]
    assert script.step().waiting_reason == ""
