"""The two state machines at scale: what they cost, and how well they keep workers busy."""

from __future__ import annotations

from tests.simulation.scale import push


def test_many_mini_batches_cost_little() -> None:
    took = push(200_000)
    assert took["cpu_s"] < 20
    assert took["facts"] < 20_000


def test_workers_are_kept_busy() -> None:
    took = push(400_000, agents=2, workers=4, run_s=1e-4)
    assert took["virtual_s"] < 1.3 * 400_000 * 1e-4 / 8
