"""Packed columns: immutable sequences of small non-negative integers, one per mini-batch of a range.

A range of a thousand mini-batches carries a few numbers for each (items, bytes, microseconds). As Python lists these would
cost more than all the rest of the machinery together; here a column is either one repeated value or one `array`, and its
stored form is the same in worker frames, on the wire and in the database:

    one tag byte, then
    'u'               the value that is repeated, as 8 bytes
    'B' 'H' 'I' 'Q'   the values, as little-endian unsigned integers of 1, 2, 4 or 8 bytes each

The number of values is not stored: whoever stores a column stores the range that it belongs to.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterable, Iterator, Sequence

_WIDTHS = (("B", 0xFF), ("H", 0xFFFF), ("I", 0xFFFF_FFFF), ("Q", 0xFFFF_FFFF_FFFF_FFFF))
_REPEATED = struct.Struct("<cQ")


class Column:
    """An immutable sequence of non-negative integers below 2**64."""

    __slots__ = ("_count", "_values")

    def __init__(self, values: array[int] | int, count: int) -> None:
        """Not for callers: use `of`, `repeat` or `from_bytes`."""
        self._values = values
        self._count = count

    @classmethod
    def of(cls, values: Iterable[int]) -> Column:
        """The column of these values; OverflowError or TypeError for what is no integer in range."""
        packed = values if isinstance(values, array) else array("Q", values)
        count = len(packed)
        if count == 0:
            return cls(0, 0)
        highest = max(packed)
        if min(packed) == highest:
            return cls(int(highest), count)
        code = next(code for code, limit in _WIDTHS if highest <= limit)
        return cls(packed if packed.typecode == code else array(code, packed), count)

    @classmethod
    def repeat(cls, value: int, count: int) -> Column:
        """`count` times the same value."""
        return cls(value, count)

    @classmethod
    def from_bytes(cls, data: bytes, count: int) -> Column:
        """The column that `to_bytes` stored for `count` values; ValueError when the bytes cannot be that."""
        if not data:
            raise ValueError("an empty byte string is no packed column")
        if data[:1] == b"u":
            if len(data) != _REPEATED.size:
                raise ValueError(f"a repeated column has {_REPEATED.size} bytes, not {len(data)}")
            return cls(int(_REPEATED.unpack(data)[1]), count)
        code = chr(data[0])
        if code not in "BHIQ":
            raise ValueError(f"unknown tag {data[:1]!r} of a packed column")
        values = array(code)
        if len(data) - 1 != count * values.itemsize:
            raise ValueError(f"a packed column of {count} values has {count * values.itemsize + 1} bytes, not {len(data)}")
        values.frombytes(data[1:])
        if sys.byteorder == "big":
            values.byteswap()
        return cls(values, count)

    def to_bytes(self) -> bytes:
        """The stored form; see the module."""
        if isinstance(self._values, int):
            return _REPEATED.pack(b"u", self._values)
        values = self._values
        if sys.byteorder == "big":
            values = array(values.typecode, values)
            values.byteswap()
        return values.typecode.encode() + values.tobytes()

    def slice(self, first: int, count: int) -> Column:
        """`count` values from position `first`."""
        if isinstance(self._values, int):
            return Column(self._values, count)
        return Column(self._values[first : first + count], count)

    def total(self) -> int:
        """The sum of all values."""
        if isinstance(self._values, int):
            return self._values * self._count
        return sum(self._values)

    def uniform(self) -> int | None:
        """The one value that all positions hold, or None."""
        return self._values if isinstance(self._values, int) else None

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, position: int) -> int:
        if not 0 <= position < self._count:
            raise IndexError(position)
        return self._values if isinstance(self._values, int) else self._values[position]

    def __iter__(self) -> Iterator[int]:
        if isinstance(self._values, int):
            return iter([self._values] * self._count)
        return iter(self._values)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Column) or self._count != other._count:
            return False
        if isinstance(self._values, int) and isinstance(other._values, int):
            return self._values == other._values
        return list(self) == list(other)

    def __hash__(self) -> int:
        return hash((self._count, tuple(self)))

    def __repr__(self) -> str:
        if isinstance(self._values, int):
            return f"Column.repeat({self._values}, {self._count})"
        return f"Column.of({list(self._values)})"


def concatenate(columns: Sequence[Column]) -> Column:
    """One column of all the values, in order."""
    merged = array("Q")
    for column in columns:
        merged.extend(column)
    return Column.of(merged)
