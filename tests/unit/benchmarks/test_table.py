from __future__ import annotations

from xml.etree import ElementTree

import pytest

from benchmarks.figures import BY_KEY, FIGURES
from benchmarks.picture import SHOWN, svg
from benchmarks.samples import OURS, Failure, Sample
from benchmarks.table import number, results_table, targets_table
from benchmarks.targets import TARGETS, verdicts

MEASURED = [
    Sample("W1.rate", OURS, 0, 300_000),
    Sample("W1.rate", OURS, 1, 100_000),
    Sample("W1.rate", "pool", 0, 30_000),
    Sample("W1.rate", "pool", 1, 10_000),
    Sample("W7.cold", OURS, 0, 1.25),
]


@pytest.mark.parametrize(
    ("value", "text"),
    [(1_234_567, "1,230,000"), (999.6, "1,000"), (123.4, "123"), (12.34, "12.3"), (0.9434, "0.943"), (0, "0")],
)
def test_numbers_have_three_significant_digits(value: float, text: str) -> None:
    assert number(value) == text


def test_the_table_gives_median_spread_and_ours_over_theirs() -> None:
    rate = results_table(MEASURED, []).splitlines()[2]
    assert rate.split(" | ")[2:] == ["200,000 (100,000–300,000)", "20,000 (10,000–30,000) · 10× |"]


def test_a_tool_that_failed_is_in_the_table_with_the_reason() -> None:
    table = results_table(MEASURED, [Failure("W7.cold", "ray", 0, "hangs: no answer within 30 s")])
    assert table.splitlines()[-1].endswith("| – | hangs |")


def test_a_tool_that_failed_in_some_rounds_is_told_of_beside_its_median() -> None:
    table = results_table(MEASURED, [Failure("W7.cold", OURS, 1, "raised X")])
    assert "1.25; 1 failed" in table


def test_targets_say_whether_they_were_met() -> None:
    table = targets_table([*MEASURED, Sample("W5.lost", OURS, 0, 0)])
    assert "| W1 | ≥ 200,000 /s | 200,000 | met |" in table
    assert "| W7 | ≤ 1.0 s | 1.25 | **not met** |" in table
    assert "| W5 | 0 lost | 0 | met |" in table
    assert "W8" not in table


def test_a_target_over_the_best_peer_leaves_the_bare_processes_out() -> None:
    measured = [Sample("W3.csv", tool, 0, rate) for tool, rate in ((OURS, 90), ("bare", 100), ("pool", 60), ("ray", 80))]
    reached = {each.target.text: each.reached for each in verdicts(measured)}
    assert reached == {"CSV: ≥ the best peer": 1.125, "CSV: ≥ 0.93 × two bare processes": 0.9}


def test_every_figure_is_of_one_key_and_every_target_of_a_measured_workload() -> None:
    assert len(BY_KEY) == len(FIGURES)
    assert {target.workload for target in TARGETS} == {figure.workload for figure in FIGURES}
    assert set(SHOWN) <= BY_KEY.keys()


def test_the_picture_is_well_formed_and_has_a_bar_for_each_comparison() -> None:
    behind = [Sample("W4.rate", OURS, 0, 5), Sample("W4.rate", "ray & co", 0, 10)]
    root = ElementTree.fromstring(svg([*MEASURED, *behind], "2 CPUs <noisy>"))
    texts = [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "10 × pool" in texts
    assert "0.5 × ray & co" in texts
    assert len(list(root.iter("{http://www.w3.org/2000/svg}rect"))) == 3


def test_the_picture_of_nothing_is_empty_but_well_formed() -> None:
    ElementTree.fromstring(svg([], ""))
