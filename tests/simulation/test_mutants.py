"""Planted bugs that one world each is known to notice. `python -m tests.simulation.mutants` searches for all of them."""

from __future__ import annotations

import pytest

from tests.simulation.mutants import MUTANTS, caught

QUICK = {
    "acknowledged before durable": (1, "was acknowledged, but is not durable"),
    "a second result accepted": (0, "has a second outcome"),
    "expiry right after a stall": (17, "was given up after"),
    "a lost requeue": (1, "places do not add up"),
    "an unstarted index charged": (5, "was charged, but not begun that often"),
    "a torn tail kept": (0, "was recorded before its bytes were durable"),
    "tokens begin anew": (10, "was granted twice"),
    "losses are not counted": (16, "has killed"),
}


@pytest.mark.parametrize("name", QUICK)
def test_a_planted_bug_is_noticed(name: str) -> None:
    seed, how = QUICK[name]
    assert how in caught(name, seed)


def test_every_quick_one_exists() -> None:
    assert QUICK.keys() <= MUTANTS.keys()
