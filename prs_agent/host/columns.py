"""Packed columns in the stored form of `prsd.base.columns`, for interpreters that have nothing of ours.

one tag byte, then
'u'               the value that is repeated, as 8 bytes
'B' 'H' 'I' 'Q'   the values, as little-endian unsigned integers of 1, 2, 4 or 8 bytes each
"""

from __future__ import annotations

import struct
import sys
from array import array
from typing import List, Optional, Sequence, Tuple

_WIDTHS = (("B", 0xFF), ("H", 0xFFFF), ("I", 0xFFFFFFFF), ("Q", 0xFFFFFFFFFFFFFFFF))
_REPEATED = struct.Struct("<cQ")


def encode(values: Sequence[int]) -> bytes:
    """The stored form of non-negative integers below 2**64; ValueError for what is none."""
    if not values:
        return _REPEATED.pack(b"u", 0)
    lowest, highest = min(values), max(values)
    if lowest < 0 or highest > _WIDTHS[-1][1]:
        raise ValueError("a packed column holds integers from 0 to 2**64 - 1, not %d" % (lowest if lowest < 0 else highest))
    if lowest == highest:
        return _REPEATED.pack(b"u", highest)
    code = next(code for code, limit in _WIDTHS if highest <= limit)
    packed = array(code, values)
    if sys.byteorder == "big":
        packed.byteswap()
    return code.encode() + packed.tobytes()


def decode(data: bytes, count: int) -> List[int]:
    """The `count` values that `encode` stored; ValueError when the bytes cannot be that."""
    repeated, packed = _unpack(data, count)
    return [repeated] * count if packed is None else packed.tolist()


def total(data: bytes, count: int) -> int:
    """The sum of the values; costs nothing for one value that is repeated, however often. ValueError as in `decode`."""
    repeated, packed = _unpack(data, count)
    return repeated * count if packed is None else sum(packed)


def _unpack(data: bytes, count: int) -> Tuple[int, Optional[array[int]]]:
    code = data[:1].decode("latin-1")
    if code == "u":
        if len(data) != _REPEATED.size:
            raise ValueError("a repeated column has %d bytes, not %d" % (_REPEATED.size, len(data)))
        return int(_REPEATED.unpack(data)[1]), None
    if not code or code not in "BHIQ":
        raise ValueError("unknown tag %r of a packed column" % code)
    packed: array[int] = array(code)
    if len(data) - 1 != count * packed.itemsize:
        raise ValueError(
            "a packed column of %d values has %d bytes, not %d" % (count, count * packed.itemsize + 1, len(data))
        )
    packed.frombytes(data[1:])
    if sys.byteorder == "big":
        packed.byteswap()
    return 0, packed
