from __future__ import annotations

import pytest

from benchmarks.samples import OURS, Sample, best, ratio, summary, summary_of


def samples(tool: str, *values: float, figure: str = "W1.rate") -> list[Sample]:
    return [Sample(figure, tool, number, value) for number, value in enumerate(values)]


def test_a_summary_is_the_median_with_the_spread() -> None:
    found = summary([5.0, 1.0, 9.0, 4.0])
    assert (found.median, found.low, found.high, found.rounds) == (4.5, 1.0, 9.0, 4)


def test_nothing_measured_has_no_summary() -> None:
    assert summary_of(samples("pool", 1.0), "W1.rate", "ray") is None
    with pytest.raises(ValueError, match="nothing was measured"):
        summary([])


def test_a_ratio_compares_round_with_round_so_that_a_slow_moment_of_the_machine_cancels() -> None:
    slow_second_round = samples(OURS, 10, 1, 10) + samples("pool", 5, 0.5, 5)
    assert ratio(slow_second_round, "W1.rate", "pool") == 2


def test_rounds_that_only_one_of_both_came_through_are_left_out() -> None:
    measured = samples(OURS, 10, 40) + samples("pool", 5)
    assert ratio(measured, "W1.rate", "pool") == 2
    assert ratio(measured, "W1.rate", "ray") is None
    assert ratio(measured, "W2.share", "pool") is None


def test_a_round_of_nothing_is_in_no_ratio() -> None:
    assert ratio(samples(OURS, 0) + samples("pool", 0), "W1.rate", "pool") is None


@pytest.mark.parametrize(("higher_is_better", "winner"), [(True, "ray"), (False, "pool")])
def test_the_best_tool_has_the_best_median(higher_is_better: bool, winner: str) -> None:
    measured = samples("pool", 1, 99, 1) + samples("ray", 5, 5, 5)
    assert best(measured, "W1.rate", ["pool", "ray", "dask"], higher_is_better=higher_is_better) == winner


def test_nobody_is_best_where_nobody_was_measured() -> None:
    assert best([], "W1.rate", ["pool"], higher_is_better=True) is None
