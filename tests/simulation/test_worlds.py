"""A few dozen worlds in every test run, and every seed that once found something."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.simulation.run import MARKS, run_world

WORLDS = 90
CORPUS = Path(__file__).with_name("corpus.txt")


def corpus() -> list[tuple[int, bool]]:
    """(seed, whether its agents were ledgers)"""
    lines = [line.split("#")[0].split() for line in CORPUS.read_text().splitlines()]
    return [(int(words[0]), words[1] == "ledger") for words in lines if words]


@pytest.mark.timeout(300)
def test_nothing_breaks_in_any_world_and_every_rare_branch_is_taken() -> None:
    counts: Counter[str] = Counter()
    for seed in range(WORLDS):
        try:
            counts.update(run_world(seed).counts)
        except AssertionError as problem:
            pytest.fail(f"{problem}\nreplay: python -m tests.simulation --seed {seed} --trace")
    assert [mark for mark in MARKS if counts[mark] == 0] == []


@pytest.mark.parametrize(("seed", "ledgers"), corpus())
def test_seeds_that_once_found_something(seed: int, ledgers: bool) -> None:
    run_world(seed, ledgers=ledgers)


@pytest.mark.parametrize("ledgers", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_a_seed_tells_the_same_story_every_time(seed: int, ledgers: bool) -> None:
    assert run_world(seed, ledgers=ledgers) == run_world(seed, ledgers=ledgers)
