"""The stored form of recorded results: a range of a thousand mini-batches in a few bytes for each.

Little-endian, one after the other:

    fixed part      token u64, first u64, count u32, attempt u32, started_at f64, flags u8, names' length u16
    names           JSON list: job, step, session, worker, and the segment if there is a block
    three columns   items_total, items_succeeded, run_us (stored form of `prsd.base.columns`, `count` values each)
    the block       only if flag 2 is set: offset u64, first u64, count u32, crc32 u32, then the column of lengths

Flag 1: the mini-batches were empty. A column's length follows from its tag and the number of its values.
"""

from __future__ import annotations

import json
import struct
from functools import lru_cache

from prsd.base.columns import Column
from prsd.core.facts import ResultsRecorded
from prsd.core.vocabulary import Block, Results, StepId

_FIXED = struct.Struct("<QQIIdBH")
_BLOCK = struct.Struct("<QQII")
_REPEATED_BYTES = 9
_WIDTHS = {b"B": 1, b"H": 2, b"I": 4, b"Q": 8}
_EMPTY = 1
_HAS_BLOCK = 2


def pack_results(fact: ResultsRecorded) -> bytes:
    """The stored form; ValueError for columns of differing lengths or numbers out of range."""
    results = fact.results
    block = results.block
    count = results.count
    if count == 0 or not len(results.items_succeeded) == len(results.run_us) == count:
        raise ValueError(f"results from {results.first} have columns of {count} or other than {count} values")
    names = _names(*results.step, fact.session, results.worker, None if block is None else block.segment)
    flags = (_EMPTY if results.empty else 0) | (0 if block is None else _HAS_BLOCK)
    columns = (results.items_total, results.items_succeeded, results.run_us)
    try:
        fixed = _FIXED.pack(results.token, results.first, count, results.attempt, results.started_at, flags, len(names))
        tail = b"" if block is None else _pack_block(block)
    except struct.error as error:
        raise ValueError(f"results from {results.first} cannot be stored: {error}") from error
    return b"".join((fixed, names, *(column.to_bytes() for column in columns), tail))


def _pack_block(block: Block) -> bytes:
    return _BLOCK.pack(block.offset, block.first, len(block.lengths), block.crc32) + block.lengths.to_bytes()


def unpack_results(data: bytes, start: int = 0) -> ResultsRecorded:
    """What `pack_results` was given, from byte `start` to the end; ValueError when the bytes cannot be that."""
    try:
        token, first, count, attempt, started_at, flags, names_size = _FIXED.unpack_from(data, start)
    except struct.error as error:
        raise ValueError(f"results are cut short: {error}") from error
    position = start + _FIXED.size + names_size
    step, session, worker, segment = _read_names(data[position - names_size : position])
    items_total, position = _read_column(data, position, count)
    items_succeeded, position = _read_column(data, position, count)
    run_us, position = _read_column(data, position, count)
    block = None
    if flags & _HAS_BLOCK:
        block, position = _read_block(data, position, segment)
    if position != len(data):
        raise ValueError(f"results end at byte {position}, but {len(data)} bytes are stored")
    empty = bool(flags & _EMPTY)
    return ResultsRecorded(
        Results(step, token, first, items_total, items_succeeded, run_us, block, empty, worker, started_at, attempt), session
    )


def _read_block(data: bytes, position: int, segment: str) -> tuple[Block, int]:
    try:
        offset, first, count, crc32 = _BLOCK.unpack_from(data, position)
    except struct.error as error:
        raise ValueError(f"the block of results is cut short: {error}") from error
    lengths, position = _read_column(data, position + _BLOCK.size, count)
    return Block(segment, offset, first, lengths, crc32), position


def _read_column(data: bytes, position: int, count: int) -> tuple[Column, int]:
    tag = data[position : position + 1]
    if tag == b"u":
        stop = position + _REPEATED_BYTES
        return _repeated(data[position:stop], count), stop
    if tag not in _WIDTHS:
        raise ValueError(f"a column begins with {tag!r}" if tag else "a column is missing")
    stop = position + 1 + _WIDTHS[tag] * count
    return Column.from_bytes(data[position:stop], count), stop


@lru_cache(maxsize=4096)
def _repeated(stored: bytes, count: int) -> Column:
    """Columns are immutable and most are one repeated value: equal ones are shared."""
    return Column.from_bytes(stored, count)


@lru_cache(maxsize=4096)
def _names(job: str, step: str, session: str, worker: str, segment: str | None) -> bytes:
    names = [job, step, session, worker] if segment is None else [job, step, session, worker, segment]
    encoded = json.dumps(names, separators=(",", ":")).encode()
    if len(encoded) > 0xFFFF:
        raise ValueError(f"the names that results of step {step!r} refer to need {len(encoded)} bytes")
    return encoded


@lru_cache(maxsize=4096)
def _read_names(stored: bytes) -> tuple[StepId, str, str, str]:
    job, step, session, worker, *rest = json.loads(stored)
    return StepId(job, step), session, worker, rest[0] if rest else ""
