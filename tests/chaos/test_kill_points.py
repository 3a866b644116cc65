"""A few of the points at which a program may be killed; `python -m tests.chaos.kill_points` tries many more."""

from __future__ import annotations

import pytest

from tests.chaos.kill_points import Point, can_trace, points_in, run_point, spread

TRACE = "101 write(3, ...) = 1\n101 write(3, ...) = 1\n102 write(3, ...) = 1\n102 fsync(3) = 0\n101 +++ exited with 0 +++\n"


def test_points_are_counted_for_each_thread() -> None:
    assert points_in("daemon", TRACE) == [
        Point("daemon", "write", 1),
        Point("daemon", "write", 2),
        Point("daemon", "fsync", 1),
    ]


def test_rare_calls_are_not_lost_among_the_writes() -> None:
    found = [Point("daemon", "write", number) for number in range(100)] + [Point("daemon", "rename", 1)]
    assert len(spread(found, 10)) == 10
    assert Point("daemon", "rename", 1) in spread(found, 10)


@pytest.mark.skipif(not can_trace(), reason="needs strace")
@pytest.mark.parametrize(
    "point",
    [Point("daemon", "fdatasync", 4), Point("daemon", "pwrite64", 20), Point("agent0", "fdatasync", 2)],
    ids=lambda point: str(point).replace(" ", "_"),
)
def test_a_program_that_is_killed_while_it_writes_loses_nothing(point: Point) -> None:
    _, verdict = run_point(point)
    assert not verdict.findings, f"{verdict.findings}, kept in {verdict.folder}"
    assert verdict.exits, "the point was not reached"
