from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prsd.core.ranges import IntervalSet

INTERVAL = st.tuples(st.integers(0, 60), st.integers(0, 12)).map(lambda pair: (pair[0], pair[0] + pair[1]))


def members(intervals: IntervalSet) -> set[int]:
    return {index for first, stop in intervals for index in range(first, stop)}


@given(st.lists(st.tuples(st.booleans(), INTERVAL), max_size=30), INTERVAL)
def test_behaves_like_a_set_of_integers(changes: list[tuple[bool, tuple[int, int]]], probe: tuple[int, int]) -> None:
    intervals, model = IntervalSet(), set[int]()
    for is_added, (first, stop) in changes:
        before = len(model)
        if is_added:
            model |= set(range(first, stop))
            assert intervals.add(first, stop) == len(model) - before
        else:
            model -= set(range(first, stop))
            assert intervals.remove(first, stop) == before - len(model)
    inside = set(range(*probe))
    assert members(intervals) == model
    assert len(intervals) == len(model)
    assert members(IntervalSet(intervals.overlap(*probe))) == model & inside
    assert members(IntervalSet(intervals.gaps(*probe))) == inside - model
    assert intervals.covers(*probe) == (inside <= model)
    assert (probe[0] in intervals) == (probe[0] in model)


@given(st.lists(INTERVAL, max_size=20), st.integers(0, 60))
def test_next_edge_is_where_membership_changes(intervals: list[tuple[int, int]], index: int) -> None:
    subject = IntervalSet(intervals)
    model = members(subject)
    changes = (at for at in range(index + 1, 80) if (at in model) != (at - 1 in model))
    assert subject.next_edge(index) == next(changes, None)


def test_neighbours_become_one_interval() -> None:
    assert list(IntervalSet([(0, 3), (5, 7), (3, 5)])) == [(0, 7)]


def test_pop_first_takes_from_the_lowest_interval() -> None:
    subject = IntervalSet([(4, 9), (20, 21)])
    assert subject.pop_first(3) == (4, 7)
    assert subject.pop_first(3) == (7, 9)
    assert subject.pop_first(3) == (20, 21)
    with pytest.raises(IndexError):
        subject.pop_first(1)
