from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from prs_agent.ledger.ranges import Range, RangeSet

RANGES = st.builds(Range, st.integers(0, 40), st.integers(0, 12))


def indexes(ranges: RangeSet | list[Range]) -> set[int]:
    return {index for each in ranges for index in range(each.first, each.stop)}


@given(st.lists(st.tuples(st.booleans(), RANGES), max_size=20))
def test_a_range_set_is_a_set(changes: list[tuple[bool, Range]]) -> None:
    ranges, expected = RangeSet(), set[int]()
    for is_added, each in changes:
        touched = set(range(each.first, each.stop))
        if is_added:
            ranges.add(each)
            expected |= touched
        else:
            assert indexes(ranges.remove(each)) == expected & touched
            expected -= touched
        assert indexes(ranges) == expected
        assert ranges.total() == len(expected)
        assert ranges.overlaps(each) == bool(expected & touched)
    assert bool(ranges) == bool(expected)


def test_neighbours_become_one_range() -> None:
    assert list(RangeSet([Range(5, 5), Range(0, 5), Range(20, 1)])) == [Range(0, 10), Range(20, 1)]
