"""Compares a published file with the rows that it must consist of, from the first byte to the last, in bounded memory."""

import hashlib
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import BinaryIO

from prsctl.discrepancies import Discrepancies, Discrepancy

_CHUNK_BYTES = 1 << 20
_SHOWN_BYTES = 60


@dataclass(slots=True)
class Stretch:
    """The rows of consecutive payloads: by position, their mini-batch, its place in the segment, and what they add."""

    segment: str
    indexes: list[int] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    pieces: list[bytes | memoryview] = field(default_factory=list)

    def add(self, index: int, offset: int, piece: bytes | memoryview) -> None:
        self.indexes.append(index)
        self.offsets.append(offset)
        self.pieces.append(piece)


class Comparison:
    """Reads the file once. After the first difference bytes can no longer be told to belong together: only their digest
    goes on, unless the stretch was known to be damaged, which changes bytes but not how many there are."""

    def __init__(self, file: BinaryIO, name: str, found: Discrepancies) -> None:
        """`name`: what people call the file."""
        self._file = file
        self._name = name
        self._found = found
        self._digest = hashlib.sha256()
        self._lines = 0
        self.size_bytes = 0
        self.is_comparing = True

    @property
    def digest(self) -> str:
        return self._digest.hexdigest()

    @property
    def lines(self) -> int:
        """Line feeds so far."""
        return self._lines

    def take(self, stretch: Stretch, is_whole: bool) -> None:
        """The file must go on with these rows. `is_whole`: the segment holds what was recorded."""
        if not self.is_comparing:
            return
        expected = b"".join(stretch.pieces)
        actual = self._read(len(expected))
        if actual != expected:
            place = first_difference(expected, actual)
            self._tell(stretch, place, expected, actual)
            self.is_comparing = not is_whole and len(actual) == len(expected)
        self._advance(actual)

    def end(self) -> None:
        """Nothing more is due: whatever follows belongs to no mini-batch."""
        if self.is_comparing:
            more = self._read(_CHUNK_BYTES)
            if more:
                self._tell_surplus(more)
                self._advance(more)
        while data := self._read(_CHUNK_BYTES):
            self._advance(data)

    def _read(self, size_bytes: int) -> bytes:
        return self._file.read(size_bytes)

    def _advance(self, data: bytes) -> None:
        self._digest.update(data)
        self._lines += data.count(b"\n")
        self.size_bytes += len(data)

    def _tell(self, stretch: Stretch, place: int, expected: bytes, actual: bytes) -> None:
        number, within = _piece_at(stretch.pieces, place)
        index, offset = stretch.indexes[number], stretch.offsets[number]
        line = self._lines + expected.count(b"\n", 0, place) + 1
        what = (
            f"it ends before {_line_around(expected, place)!r}"
            if place == len(actual)
            else f"expected {_line_around(expected, place)!r}, found {_line_around(actual, place)!r}"
        )
        # Only rows that were copied as they are have one place in the segment for each byte.
        row_offset = offset + within if isinstance(stretch.pieces[number], memoryview) else offset
        at = self.size_bytes + place
        origin = f"mini-batch {index}, segment {stretch.segment} at byte {row_offset}"
        message = f"{self._name}, byte {at}, line {line}: {what} ({origin})"
        self._found.add(Discrepancy("output", message, index, at, line, stretch.segment, row_offset))

    def _tell_surplus(self, more: bytes) -> None:
        line = self._lines + 1
        message = (
            f"{self._name}, byte {self.size_bytes}, line {line}: {_line_around(more, 0)!r} follows, "
            "which no mini-batch has returned"
        )
        self._found.add(Discrepancy("output", message, None, self.size_bytes, line))


def first_difference(one: bytes, other: bytes) -> int:
    """The first place at which two differing byte strings differ; the length of the shorter when it begins the other."""
    low, high = 0, min(len(one), len(other))
    if one[:high] == other[:high]:
        return high
    while high - low > 1:
        middle = (low + high) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle
    return low


def _piece_at(pieces: Sequence[bytes | memoryview], place: int) -> tuple[int, int]:
    ends = list(accumulate(map(len, pieces)))
    number = bisect_right(ends, place)
    return number, place - (ends[number - 1] if number else 0)


def _line_around(data: bytes, place: int) -> str:
    """The line that the place is in, as far as it is at hand."""
    start = max(data.rfind(b"\n", 0, place) + 1, place - _SHOWN_BYTES)
    end = data.find(b"\n", place)
    return data[start : min(end if end >= 0 else len(data), place + _SHOWN_BYTES)].decode("utf-8", "backslashreplace")
