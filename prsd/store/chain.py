"""The running checksum over the log: each fact's covers its own row and, through the one before, all earlier ones.

It finds what a disk, a copy or an edit did to the log: a flipped bit, a missing or swapped row, a lost tail (the head of the
log is stored beside it). It is no defence against someone who recomputes it.

Deleting the facts of an ended job later need not break it: keep each row's number and checksum and empty its body. A reader
that knows of such rows takes the checksum of an empty body as it stands and goes on from there; a run of them can be
replaced by its last one.
"""

from __future__ import annotations

import struct
from typing import NamedTuple
from zlib import crc32

_COLUMNS = struct.Struct("<QQQBqd")


class LogRow(NamedTuple):
    """A row of the table of facts, in the order of its columns. `job` and `step` are the tables' own numbers."""

    number: int
    job: int | None
    step: int | None
    kind: int
    first: int | None
    recorded_at: float
    body: bytes
    checksum: int


class Head(NamedTuple):
    """The number and checksum of the last fact; (0, 0) for an empty log."""

    number: int = 0
    checksum: int = 0


def checksum_of(previous: int, row: LogRow) -> int:
    """The checksum of a row that follows one with the checksum `previous`; what the row says is its checksum is ignored."""
    number, job, step, kind, first, recorded_at, body, _ = row
    columns = _COLUMNS.pack(number, job or 0, step or 0, kind, -1 if first is None else first, recorded_at)
    return crc32(body, crc32(columns, previous))


def fault_of(row: LogRow, before: Head) -> str | None:
    """What is wrong with a row that should follow `before`, in words; None when nothing is."""
    if row.number != before.number + 1:
        return f"it is missing, the log goes on at {row.number}"
    try:
        expected = checksum_of(before.checksum, row)
    except (struct.error, TypeError) as error:
        return f"its row cannot be what was written ({error})"
    if expected != row.checksum:
        return "its checksum is not that of what is stored"
    return None
