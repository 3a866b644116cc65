"""Sets of indexes as sorted, disjoint intervals.

Ten million mini-batches cost as much as the number of holes in them: an interval takes 16 bytes, and what finishes in
order stays one interval. Intervals are pairs (first, stop) with `stop` excluded.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator

Interval = tuple[int, int]


class IntervalSet:
    """A mutable set of non-negative integers below 2**64. `len()` is the number of integers, not of intervals."""

    __slots__ = ("_count", "_starts", "_stops")

    def __init__(self, intervals: Iterable[Interval] = ()) -> None:
        self._starts: array[int] = array("Q")
        self._stops: array[int] = array("Q")
        self._count = 0
        for first, stop in intervals:
            self.add(first, stop)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Interval]:
        return zip(self._starts, self._stops, strict=True)

    def __contains__(self, index: int) -> bool:
        position = bisect_right(self._starts, index) - 1
        return position >= 0 and index < self._stops[position]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, IntervalSet) and self._starts == other._starts and self._stops == other._stops

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __repr__(self) -> str:
        return f"IntervalSet({list(self)})"

    def add(self, first: int, stop: int) -> int:
        """Add the integers of [first, stop); returns how many of them are new."""
        if first >= stop:
            return 0
        starts, stops = self._starts, self._stops
        low = bisect_left(stops, first)  # the first interval that touches or follows
        high = bisect_right(starts, stop)  # the first that lies wholly behind
        if low == high:
            starts.insert(low, first)
            stops.insert(low, stop)
            added = stop - first
        else:
            covered = sum(stops[low:high]) - sum(starts[low:high])
            first, stop = min(first, starts[low]), max(stop, stops[high - 1])
            added = stop - first - covered
            starts[low], stops[low] = first, stop
            del starts[low + 1 : high], stops[low + 1 : high]
        self._count += added
        return added

    def remove(self, first: int, stop: int) -> int:
        """Remove the integers of [first, stop); returns how many were there."""
        starts, stops = self._starts, self._stops
        low = bisect_right(stops, first)  # the first interval that ends behind `first`
        high = bisect_left(starts, stop)  # the first that begins at or behind `stop`
        if low >= high or first >= stop:
            return 0
        rest = [piece for piece in ((starts[low], first), (stop, stops[high - 1])) if piece[0] < piece[1]]
        removed = sum(stops[low:high]) - sum(starts[low:high]) - sum(piece[1] - piece[0] for piece in rest)
        starts[low:high] = array("Q", [piece[0] for piece in rest])
        stops[low:high] = array("Q", [piece[1] for piece in rest])
        self._count -= removed
        return removed

    def overlap(self, first: int, stop: int) -> list[Interval]:
        """The parts of [first, stop) that are in the set."""
        starts, stops = self._starts, self._stops
        low, high = bisect_right(stops, first), bisect_left(starts, stop)
        return [(max(first, starts[at]), min(stop, stops[at])) for at in range(low, high)]

    def gaps(self, first: int, stop: int) -> list[Interval]:
        """The parts of [first, stop) that are not in the set."""
        missing = []
        for start, end in self.overlap(first, stop):
            if first < start:
                missing.append((first, start))
            first = end
        if first < stop:
            missing.append((first, stop))
        return missing

    def covers(self, first: int, stop: int) -> bool:
        """Whether every integer of [first, stop) is in the set."""
        position = bisect_right(self._starts, first) - 1
        return first >= stop or (position >= 0 and stop <= self._stops[position])

    def next_edge(self, index: int) -> int | None:
        """The lowest number above `index` at which membership changes."""
        position = bisect_right(self._starts, index)
        if position and index < self._stops[position - 1]:
            return self._stops[position - 1]
        return self._starts[position] if position < len(self._starts) else None

    def first_interval(self) -> Interval:
        """The lowest interval; IndexError when the set is empty."""
        return self._starts[0], self._stops[0]

    def pop_first(self, most: int) -> Interval:
        """Remove and return the lowest interval, or its first `most` integers; IndexError when the set is empty."""
        first, stop = self.first_interval()
        stop = min(stop, first + most)
        self.remove(first, stop)
        return first, stop

    def clear(self) -> None:
        """Remove everything."""
        del self._starts[:], self._stops[:]
        self._count = 0
