"""A job that goes on from an earlier one: what was taken over stands, and only the rest is granted."""

from __future__ import annotations

import pytest

from prsd.base.columns import Column
from prsd.core.commands import Command, Grant
from prsd.core.core import Core
from prsd.core.events import JobSubmitted
from prsd.core.facts import CommitRecorded, DivisionRecorded, IndexesReserved, JobRecorded, ResultsRecorded
from prsd.core.succession import counting
from prsd.core.vocabulary import (
    Block,
    CommitDone,
    Failure,
    Phase,
    Results,
    State,
    StepId,
    StepKind,
    StepTerms,
    TakenOver,
)
from tests.unit.core.script import STEP, Script, facts, grants, opens, parallel, part, spans, token


def earlier(first: int, size: int, *, returned: int = 10, empty: bool = False, step: StepId = STEP) -> Results:
    """Results of the earlier job, under one of its tokens."""
    columns = (Column.repeat(10, size), Column.repeat(returned, size), Column.repeat(5, size))
    return Results(step, token(99), first, *columns, empty=empty)


def submit(script: Script, taken: TakenOver, *more: StepTerms, **terms: object) -> list[Command]:
    steps = (parallel(**terms), *more)  # type: ignore[arg-type]
    return script.handle(JobSubmitted("job", steps, taken_over={"step": taken}))


def assert_a_restart_knows_the_same(script: Script) -> None:
    again = Core(script.settings)
    for fact in script.log:
        again.apply(fact)
    assert again.durable_digest() == script.core.durable_digest()


def test_only_what_lies_between_and_behind_the_results_is_granted(script: Script) -> None:
    taken = TakenOver((part(0, 10),), True, (earlier(0, 3), earlier(6, 2), earlier(5, 1, empty=True)))
    commands = submit(script, taken, appends_rows=True)
    assert [type(fact) for fact in facts(commands)] == [
        *(JobRecorded, DivisionRecorded, IndexesReserved),
        *(ResultsRecorded, ResultsRecorded, ResultsRecorded),
    ]
    view = script.step()
    assert (view.total, view.succeeded, view.empty, view.remaining, view.items_succeeded) == (9, 5, 1, 4, 50)
    assert_a_restart_knows_the_same(script)
    opened = script.join("a")
    assert opens(opened)
    assert grants(opened) == []  # no divide attempt
    granted: list[int] = []
    for number in range(1, 5):
        ((first, size, attempt),) = spans(script.sync("a1", want=1))
        assert (size, attempt) == (1, 1)
        script.succeed("a1", token(number), first)
        granted.append(first)
    assert granted == [3, 4, 8, 9]
    assert script.finish() is State.COMPLETED
    assert_a_restart_knows_the_same(script)


def test_a_restart_before_any_agent_came_changes_nothing(script: Script) -> None:
    submit(script, TakenOver((part(0, 4),), True, (earlier(1, 1), earlier(3, 1))))
    script.restart()
    script.join("a")
    assert spans(script.sync("a1", want=5)) == [(0, 1, 1)]


def test_a_step_with_nothing_left_is_committed_and_nothing_runs(script: Script) -> None:
    script.join("a")
    commands = submit(script, TakenOver((part(0, 4),), True, (earlier(0, 4),)), appends_rows=True)
    assert opens(commands) == []
    assert [lease.phase for lease in grants(commands)] == [Phase.COMMIT]
    script.commit("a1", token(1))
    assert script.job_state() is State.COMPLETED


def test_a_division_that_had_not_ended_goes_on_from_its_parts(script: Script) -> None:
    submit(script, TakenOver((part(0, 4),), False, (earlier(0, 2),)))
    commands = script.join("a")
    divide = next(each for each in commands if isinstance(each, Grant) and each.lease.phase is Phase.DIVIDE)
    assert divide.parts == (part(0, 4),)
    assert spans(script.sync("a1", held=(token(1),), want=9)) == [(2, 2, 1)]
    script.divide("a1", part(0, 4), part(4, 2))
    assert script.step().total == 6
    assert script.job_state() is State.RUNNING


def test_budgets_and_thresholds_begin_anew(script: Script) -> None:
    submit(script, TakenOver((part(0, 3),), True, (earlier(1, 1),)), max_retries=1, mini_batch_error_threshold=0)
    script.join("a")
    script.sync("a1", want=1)
    script.fail("a1", token(1), 0)
    assert script.step().state is State.RUNNING
    assert spans(script.sync("a1", want=1)) == [(0, 1, 2)]


def test_a_completed_step_stays_completed_and_what_depends_on_it_starts(script: Script) -> None:
    tolerated = Failure(STEP, token(9), Phase.RUN, 3, "exception", "bad", items_total=10)
    done = CommitDone(STEP, token(10), 7, "sha", 3)
    taken = TakenOver((part(0, 4),), True, (earlier(0, 3),), (), True, (tolerated,), done)
    after = StepTerms("after", StepKind.COMMAND, depends_on=("step",))
    commands = submit(script, taken, after, appends_rows=True)
    assert CommitRecorded(done) in facts(commands)
    view = script.step()
    assert (view.state, view.succeeded, view.failed, view.rows) == (State.COMPLETED, 3, 1, 3)
    assert_a_restart_knows_the_same(script)
    assert [opened.step.step for opened in opens(script.join("a"))] == ["after"]


def test_a_completed_command_step_is_not_run_again(script: Script) -> None:
    one = StepTerms("step", StepKind.COMMAND)
    taken = TakenOver(results=(earlier(0, 1),), division_ended=True, is_completed=True)
    script.handle(JobSubmitted("job", (one,), taken_over={"step": taken}))
    assert script.job_state() is State.COMPLETED
    assert script.join("a")[2:] == []


@pytest.mark.parametrize(
    ("returned", "expected"),
    [
        ([10, 10, 10], [(0, 3)]),
        ([9, 10, 10], [(1, 2)]),
        ([10, 9, 10], [(0, 1), (2, 1)]),
        ([10, 10, 9], [(0, 2)]),
        ([9, 9, 9], []),
        ([11, 10, 12], [(0, 3)]),
    ],
)
def test_with_an_error_threshold_what_fell_short_counts_as_failed_and_runs_again(
    returned: list[int], expected: list[tuple[int, int]]
) -> None:
    block = Block("s", 40, 0, Column.repeat(7, 3), 1)
    results = Results(STEP, 1, 0, Column.repeat(10, 3), Column.of(returned), Column.repeat(1, 3), block)
    kept = counting(results, parallel(error_threshold=100))
    assert [(each.first, each.count) for each in kept] == expected
    assert all(each.block == block for each in kept)
    assert counting(results, parallel()) == [results]
    assert counting(earlier(0, 3, returned=0, empty=True), parallel(error_threshold=0)) == [
        earlier(0, 3, returned=0, empty=True)
    ]
