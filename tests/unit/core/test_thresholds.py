"""Statements 67 to 77: when a step fails although mini-batches go on succeeding."""

from __future__ import annotations

import pytest

from prsd.core.commands import Close, Revoke
from prsd.core.vocabulary import Range, State
from tests.unit.core.script import STEP, Script, effects, parallel, part, spans, token


def run_all(script: Script, failing: int, total: int, *, returned: int = 10) -> None:
    """One agent runs one mini-batch after the other; the first `failing` fail for good."""
    for index in range(total):
        number = 2 + index
        if not spans(script.sync("a1", want=1)):
            return
        if index < failing:
            script.fail("a1", token(number), index)
        else:
            script.succeed("a1", token(number), index, returned=returned)


@pytest.mark.parametrize(("failing", "outcome"), [(5, State.COMPLETED), (6, State.FAILED)])
def test_67_more_failed_mini_batches_than_the_threshold(script: Script, failing: int, outcome: State) -> None:
    script.running(10, max_retries=0, mini_batch_error_threshold=5)
    run_all(script, failing, 10)
    assert script.finish() is outcome
    if outcome is State.FAILED:
        assert script.step().succeeded == 0
        assert script.step().reason.startswith("mini_batch_error_threshold 5 exceeded: 6 mini-batches failed")


def test_67_the_rest_is_not_started_and_what_runs_is_stopped(script: Script) -> None:
    script.running(10, agents="ab", max_retries=0, mini_batch_error_threshold=0)
    script.sync("a1", want=1)
    script.sync("b1", want=2)
    commands = script.fail("a1", token(2))
    assert effects(commands)[1:] == [
        Revoke("b1", token(3), (Range(1, 2),)),
        Close("a1", STEP, kill=True),
        Close("b1", STEP, kill=True),
    ]
    assert spans(script.sync("b1", want=5)) == []


@pytest.mark.parametrize(("missing", "outcome"), [(5, State.COMPLETED), (6, State.FAILED)])
def test_70_inputs_minus_returns(script: Script, missing: int, outcome: State) -> None:
    script.running(2, error_threshold=5)
    script.sync("a1", want=1)
    script.succeed("a1", token(2), 0, returned=10 - missing)
    script.sync("a1", want=1)
    script.succeed("a1", token(3), 1)
    assert script.finish() is outcome


def test_more_items_returned_than_given_never_make_up_for_failed_ones(script: Script) -> None:
    script.running(2, error_threshold=5)
    script.sync("a1", want=1)
    script.succeed("a1", token(2), 0, returned=100)
    script.sync("a1", want=1)
    script.succeed("a1", token(3), 1, returned=4)
    assert script.step().reason.startswith("error_threshold 5 exceeded: 6 items failed")


def test_all_items_of_a_failed_mini_batch_count_and_at_least_one(script: Script) -> None:
    script.running(2, error_threshold=9, max_retries=0)
    script.sync("a1", want=1)
    script.fail("a1", token(2))
    assert script.finish() is State.FAILED


def test_71_empty_returns_are_no_failures_while_items_do_not_count(script: Script) -> None:
    script.running(99, mini_batch_error_threshold=5)
    run_all(script, 0, 99, returned=0)
    assert script.finish() is State.COMPLETED


def test_short_mini_batches_count_as_failed_where_items_count(script: Script) -> None:
    script.running(9, mini_batch_error_threshold=2, error_threshold=1000)
    run_all(script, 0, 9, returned=9)
    assert script.finish() is State.FAILED


@pytest.mark.parametrize(("failing", "outcome"), [(3, State.COMPLETED), (4, State.FAILED)])
def test_73_percentage(script: Script, failing: int, outcome: State) -> None:
    script.running(10, max_retries=0, allowed_failed_percent=30.0)
    run_all(script, failing, 9)
    assert script.step().state is State.RUNNING  # never before everything was granted
    script.sync("a1", want=1)
    script.succeed("a1", token(11), 9)
    assert script.finish() is outcome


def test_73_the_percentage_is_checked_once_everything_is_granted(script: Script) -> None:
    script.running(3, max_retries=0, allowed_failed_percent=30.0)
    run_all(script, 2, 2)
    assert script.step().state is State.RUNNING
    script.sync("a1", want=1)
    assert script.step().state is State.FINALIZING
    assert script.step().reason.startswith("allowed_failed_percent 30 exceeded: 2 of 3 mini-batches failed")


def test_74_the_reason_names_the_threshold_that_was_exceeded(script: Script) -> None:
    script.running(10, max_retries=0, allowed_failed_percent=1.0, error_threshold=1000, mini_batch_error_threshold=0)
    script.sync("a1", want=1)
    script.fail("a1", token(2), message="ValueError: bad pixel")
    assert script.step().reason == (
        "mini_batch_error_threshold 0 exceeded: 1 mini-batches failed; the last failure: ValueError: bad pixel"
    )


def test_no_item_returned_at_all_fails_a_step_that_appends_rows(script: Script) -> None:
    script.running(1, appends_rows=True)
    script.sync("a1", want=1)
    script.succeed("a1", token(2), 0, returned=0)
    assert script.finish() is State.FAILED
    assert script.step().reason == "no succeeded mini batch item was returned from run()"


def test_empty_mini_batches_are_outside_every_total(script: Script) -> None:
    script.running(2)
    script.sync("a1", want=1)
    script.succeed("a1", token(2), 0, items=0, returned=0, empty=True)
    step = script.step()
    assert (step.total, step.succeeded, step.empty, step.remaining) == (1, 0, 1, 1)


def test_76_no_mini_batch_finishes_in_time(script: Script) -> None:
    script.running(4, progress_update_timeout_s=100.0)
    script.sync("a1", want=1)
    for _ in range(10):
        script.now += 9
        script.sync("a1", held=(token(2),), want=1)
    assert script.step().state is State.RUNNING
    script.wait(10)
    assert script.step().state is State.FINALIZING
    assert "--progress_update_timeout" in script.step().reason
    assert "(0 processed so far)" in script.step().reason


def test_76_workers_that_hang_in_init_are_no_progress(script: Script) -> None:
    script.running(4, progress_update_timeout_s=100.0)
    for _ in range(11):
        script.wait(9)
        script.sync("a1")
    assert script.step().state is State.PREPARING
    script.wait(9)
    assert script.step().state is State.FINALIZING
    assert "no worker has finished init() for 100 s" in script.step().reason


def test_76_the_clock_stands_while_no_agent_takes_part(script: Script) -> None:
    script.running(4, progress_update_timeout_s=100.0)
    script.wait(1000)  # a is lost after 15 s
    script.join("b")
    script.wait(9)
    script.sync("b1", want=1)
    assert script.step().state is State.RUNNING


def test_76_what_the_division_finds_is_progress(script: Script) -> None:
    script.join("a")
    script.submit(parallel(progress_update_timeout_s=100.0))
    for number in range(30):
        script.wait(9)
        script.sync("a1", held=(token(1),))
        script.divide("a1", part(number, 1), ended=False)
    assert script.step().state is State.PREPARING


def test_77_listing_slower_than_the_first_task_timeout(script: Script) -> None:
    script.join("a")
    script.submit(parallel(first_task_creation_timeout_s=60.0))
    for _ in range(6):
        script.now += 9
        script.sync("a1", held=(token(1),))
    commands = script.wait(6.1)
    assert Revoke("a1", token(1), (Range(0, 1),)) in commands
    assert "--first_task_creation_timeout" in script.step().reason


def test_77_the_first_part_stops_that_clock(script: Script) -> None:
    script.join("a")
    script.submit(parallel(first_task_creation_timeout_s=10.0))
    script.divide("a1", part(0, 1), ended=False)
    script.wait(12)
    assert script.step().state is State.PREPARING
