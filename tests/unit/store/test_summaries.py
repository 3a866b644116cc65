from __future__ import annotations

from prsd.base.columns import Column
from prsd.core.facts import (
    DivisionRecorded,
    FailureRecorded,
    JobRecorded,
    ResultsRecorded,
    StepChanged,
)
from prsd.core.vocabulary import Failure, ManifestPart, Phase, Results, State, StepId, StepKind, StepTerms
from prsd.store.rows import StepCounts
from prsd.store.summaries import StepSummary, steps_recorded

STEP = StepId("job", "score")


def summary() -> StepSummary:
    return StepSummary(STEP, StepTerms("score", StepKind.PARALLEL))


def results(given: list[int], returned: list[int], empty: bool = False, attempt: int = 1) -> ResultsRecorded:
    columns = (Column.of(given), Column.of(returned), Column.repeat(1, len(given)))
    return ResultsRecorded(Results(STEP, 1, 0, *columns, empty=empty, attempt=attempt), "session")


def failure(final: bool, phase: Phase = Phase.RUN, attempt: int = 3) -> FailureRecorded:
    return FailureRecorded(Failure(STEP, 1, phase, 5, "exception", "no", items_total=10, attempt=attempt), final)


def test_short_returns_are_counted_and_failed_items_clamped_at_zero() -> None:
    step = summary()
    step.fold(results([10, 10, 10], [10, 7, 12]), 0)
    step.fold(results([10, 10], [8, 8], attempt=2), 0)
    counts = step.to_row().counts
    assert counts == StepCounts(succeeded=5, retried=2, short=3, items_total=50, items_succeeded=45, items_failed=7)


def test_only_final_failures_of_run_count() -> None:
    step = summary()
    for fact in (failure(False), failure(True, Phase.DIVIDE), failure(True), failure(True, attempt=1)):
        step.fold(fact, 0)
    assert step.to_row().counts == StepCounts(failed=2, retried=1, items_total=20, items_failed=20)


def test_empty_mini_batches_are_in_no_total() -> None:
    step = summary()
    step.fold(DivisionRecorded(STEP, (ManifestPart("p", 0, 4, 0, ""),), ended=True), 0)
    step.fold(results([0, 0], [0, 0], empty=True), 0)
    step.fold(results([1], [1]), 0)
    row = step.to_row()
    assert (row.counts.divided, row.counts.total, row.counts.unsettled, row.division_ended) == (4, 2, 1, True)


def test_a_step_starts_when_it_leaves_the_queue_and_ends_once() -> None:
    step = summary()
    seen = []
    for at, state in enumerate((State.QUEUED, State.PREPARING, State.RUNNING, State.FAILED)):
        step.fold(StepChanged(STEP, state, "why"), at)
        seen.append((step.started_at, step.ended_at))
    assert seen == [(None, None), (1, None), (1, None), (1, 3)]
    assert (step.state, step.reason) == (State.FAILED, "why")


def test_a_skipped_step_never_started() -> None:
    step = summary()
    step.fold(StepChanged(STEP, State.SKIPPED), 7)
    assert (step.started_at, step.ended_at) == (None, 7)


def test_commands_and_ranks_are_divided_from_the_start() -> None:
    terms = (
        StepTerms("a", StepKind.COMMAND),
        StepTerms("b", StepKind.PARALLEL, rank_mini_batch_count=9),
        StepTerms("c", StepKind.PARALLEL),
    )
    recorded = steps_recorded(JobRecorded("job", terms, True))
    assert [(each.divided, each.division_ended) for each in recorded] == [(1, True), (9, True), (0, False)]
