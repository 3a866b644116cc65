"""Budgets: failures are charged, losses are counted, and neither is ever mixed with the other."""

from __future__ import annotations

import pytest

from prsd.core.commands import Close, Revoke
from prsd.core.facts import FailureRecorded, LossRecorded
from prsd.core.vocabulary import CoreSettings, InstanceState, Phase, Range, State
from tests.unit.core.script import STEP, Script, effects, facts, grants, part, spans, token


def finals(script: Script) -> list[bool]:
    return [fact.final for fact in script.log if isinstance(fact, FailureRecorded)]


def test_61_a_mini_batch_that_fails_once_is_repeated_and_counts_as_no_failure(script: Script) -> None:
    script.running(1)
    assert spans(script.sync("a1", want=1)) == [(0, 1, 1)]
    assert spans(script.fail("a1", token(2))) == []
    assert spans(script.sync("a1", want=1)) == [(0, 1, 2)]
    script.succeed("a1", token(3), 0)
    assert script.finish() is State.COMPLETED
    step = script.step()
    assert (step.succeeded, step.failed, step.retried, step.items_failed) == (1, 0, 1, 0)


@pytest.mark.parametrize(("max_retries", "attempts"), [(2, 3), (0, 1)])
def test_62_63_a_mini_batch_is_tried_once_and_then_as_often_as_retries_allow(
    script: Script, max_retries: int, attempts: int
) -> None:
    script.running(2, max_retries=max_retries)
    for number in range(attempts):
        script.sync("a1", want=1)
        script.fail("a1", token(2 + number))
    assert finals(script) == [False] * (attempts - 1) + [True]
    assert script.step().failed == 1
    assert spans(script.sync("a1", want=1)) == [(1, 1, 1)]


def test_78_a_permanent_failure_is_not_repeated(script: Script) -> None:
    script.running(2)
    script.sync("a1", want=1)
    script.fail("a1", token(2), permanent=True)
    assert finals(script) == [True]


def test_a_failure_without_the_current_lease_is_never_charged(script: Script) -> None:
    script.running(4, agents="ab")
    script.sync("a1", want=1)
    script.fail("b1", token(2))  # not this agent's
    script.fail("a1", token(2), index=3)  # not this lease's
    script.give_back("a1", token(2), Range(0, 1))
    script.fail("a1", token(2))  # no lease any more
    assert finals(script) == []


def test_a_repeated_report_charges_once(script: Script) -> None:
    script.running(2)
    script.sync("a1", want=1)
    script.fail("a1", token(2))
    script.fail("a1", token(2))
    assert finals(script) == [False]


def test_retries_travel_alone_with_their_attempt_number(script: Script) -> None:
    script.running(8)
    script.sync("a1", want=3)
    script.fail("a1", token(2), index=1)
    script.succeed("a1", token(2), 0)
    script.succeed("a1", token(2), 2)
    # What waits for a retry comes before what was never granted.
    assert spans(script.sync("a1", want=3)) == [(1, 1, 2), (3, 2, 1)]


def test_a_lost_agent_costs_a_loss_and_no_attempt(script: Script) -> None:
    script.running(10, agents="ab", max_retries=0)
    script.sync("a1", want=2)
    script.now = 10.0
    script.sync("b1")
    commands = script.wait(6)
    assert LossRecorded(STEP, (Range(0, 2),), "a") in facts(commands)
    assert script.step().failed == 0
    assert spans(script.sync("b1", want=2)) == [(0, 2, 2)]


def test_the_third_lost_agent_fails_a_mini_batch_for_good(script: Script) -> None:
    script.running(1, agents="a", allowed_failed_percent=100.0)
    for number, agent in enumerate("abc"):
        if number:
            script.join(agent)
        assert spans(script.sync(f"{agent}1", want=1)) == [(0, 1, 1 + number)]
        assert script.step().failed == 0
        script.wait(16)
    lost = [fact.ranges for fact in script.log if isinstance(fact, LossRecorded)]
    assert lost == [(Range(0, 1),)] * 2
    failures = [fact for fact in script.log if isinstance(fact, FailureRecorded)]
    assert [(fact.failure.kind, fact.failure.attempt, fact.final) for fact in failures] == [("agent lost", 3, True)]
    assert (script.step().failed, script.step().last_failure) == (
        1,
        "3 agents were lost under it, the last one was c",
    )


def test_what_was_lost_twice_is_granted_alone_so_that_no_innocent_one_fails_with_it() -> None:
    script = Script(CoreSettings(loss_limit=2))
    script.running(3, agents="ab")
    assert spans(script.sync("a1", want=5)) == [(0, 1, 1)]
    script.now = 10.0
    script.sync("b1", want=0)
    script.wait(10)
    assert spans(script.sync("b1", want=9)) == [(1, 2, 1)]  # others first
    assert spans(script.sync("b1", held=(token(3),), want=9)) == []  # never beside others
    assert spans(script.succeed("b1", token(3), 1)) == []
    assert spans(script.succeed("b1", token(3), 2)) == [(0, 1, 2)]
    script.wait(20)
    assert script.step().failed == 1
    assert script.step().last_failure == "2 agents were lost under it, the last one was b"


def test_a_divide_attempt_is_repeated_and_then_fails_the_step(script: Script) -> None:
    script.join("a")
    script.submit()
    assert [lease.attempt for lease in grants(script.fail("a1", token(1), phase=Phase.DIVIDE))] == [2]
    assert [lease.attempt for lease in grants(script.fail("a1", token(2), phase=Phase.DIVIDE))] == [3]
    assert effects(script.fail("a1", token(3), phase=Phase.DIVIDE, message="no such folder"))[-1] == Close("a1", STEP, True)
    assert script.step().reason == "no such folder"


def test_a_permanent_divide_failure_fails_the_step_at_once(script: Script) -> None:
    script.join("a")
    script.submit()
    script.fail("a1", token(1), phase=Phase.DIVIDE, permanent=True, message="no such folder")
    assert script.finish() is State.FAILED


def test_a_second_divide_attempt_continues_the_recorded_parts(script: Script) -> None:
    script.join("a")
    script.submit()
    script.divide("a1", part(0, 2), ended=False)
    script.fail("a1", token(1), phase=Phase.DIVIDE)
    script.divide("a1", part(0, 2), part(2, 3), token_=token(2))
    assert script.step().total == 5


def test_an_input_that_changed_while_it_was_divided_fails_the_step(script: Script) -> None:
    script.join("a")
    script.submit()
    script.divide("a1", part(0, 2), ended=False)
    script.fail("a1", token(1), phase=Phase.DIVIDE)
    commands = script.divide("a1", part(0, 2, digest="other"), token_=token(2))
    assert Revoke("a1", token(2), (Range(0, 1),)) in commands
    assert "the input changed" in script.step().reason


def test_a_publishing_commit_that_keeps_failing_fails_the_step(script: Script) -> None:
    script.running(1, appends_rows=True)
    script.sync("a1", want=1)
    script.succeed("a1", token(2), 0)
    script.say("a1", InstanceState.CLOSED)
    for number in (3, 4, 5):
        script.fail("a1", token(number), phase=Phase.COMMIT, message="disk full")
    assert (script.step().state, script.step().reason) == (State.FAILED, "disk full")


def test_reports_that_cannot_be_written_are_no_reason_to_fail(script: Script) -> None:
    script.running(1)
    script.sync("a1", want=1)
    script.succeed("a1", token(2), 0)
    script.say("a1", InstanceState.CLOSED)
    script.fail("a1", token(3), phase=Phase.COMMIT)
    assert script.step().state is State.COMPLETED


def test_the_loss_limit_may_be_any_number() -> None:
    script = Script(CoreSettings(loss_limit=5))
    script.running(1)
    for number in range(5):
        if number:
            script.join(f"b{number}")
        assert spans(script.sync(f"b{number}1" if number else "a1", want=1)) == [(0, 1, 1 + number)]
        assert script.step().failed == 0
        script.wait(16)
    assert script.step().failed == 1


def test_parts_that_leave_a_gap_cost_the_divide_attempt(script: Script) -> None:
    script.join("a")
    script.submit()
    commands = script.divide("a1", part(5, 5))
    assert effects(commands)[0] == Revoke("a1", token(1), (Range(0, 1),))
    assert [lease.attempt for lease in grants(commands)] == [2]
