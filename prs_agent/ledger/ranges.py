"""Sets of indexes as sorted, disjoint ranges: what is left of a lease or of a worker's frame."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Range:
    """`count` consecutive indexes of mini-batches from `first`."""

    first: int
    count: int

    @property
    def stop(self) -> int:
        return self.first + self.count

    def intersect(self, other: Range) -> Range | None:
        """What both have in common, or None."""
        first, stop = max(self.first, other.first), min(self.stop, other.stop)
        return Range(first, stop - first) if first < stop else None


class RangeSet:
    """A mutable set of indexes. All operations cost a few comparisons per range that they touch."""

    __slots__ = ("_bounds",)

    def __init__(self, ranges: Iterable[Range] = ()) -> None:
        self._bounds: list[tuple[int, int]] = []
        for each in ranges:
            self.add(each)

    def add(self, added: Range) -> None:
        """Puts the indexes in; those that are in already stay."""
        first, stop = added.first, added.stop
        if first >= stop:
            return
        kept = []
        for low, high in self._bounds:
            if high < first or low > stop:
                kept.append((low, high))
            else:
                first, stop = min(first, low), max(stop, high)
        kept.insert(bisect_right(kept, (first, stop)), (first, stop))
        self._bounds = kept

    def remove(self, removed: Range) -> list[Range]:
        """Takes the indexes out and says which of them were in."""
        kept: list[tuple[int, int]] = []
        taken: list[Range] = []
        for low, high in self._bounds:
            first, stop = max(low, removed.first), min(high, removed.stop)
            if first >= stop:
                kept.append((low, high))
                continue
            taken.append(Range(first, stop - first))
            if low < first:
                kept.append((low, first))
            if stop < high:
                kept.append((stop, high))
        self._bounds = kept
        return taken

    def overlaps(self, other: Range) -> bool:
        return any(max(low, other.first) < min(high, other.stop) for low, high in self._bounds)

    def total(self) -> int:
        """How many indexes are in."""
        return sum(high - low for low, high in self._bounds)

    def __iter__(self) -> Iterator[Range]:
        return iter([Range(low, high - low) for low, high in self._bounds])

    def __contains__(self, index: int) -> bool:
        return any(low <= index < high for low, high in self._bounds)

    def __bool__(self) -> bool:
        return bool(self._bounds)

    def __repr__(self) -> str:
        return f"RangeSet({list(self)})"
