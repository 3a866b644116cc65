"""Chooses what of a text table is looked at to find its column types: its head and blocks spread over all its files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from prs_agent.division.records import Head, records
from prs_agent.host.streams import is_compressed, open_bytes

# Paths here are plain strings, as everywhere in this package.
# ruff: noqa: PTH123

SAMPLE_BYTES = 8 * 1024 * 1024
_HEAD_BYTES = 1024 * 1024
_BLOCK_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class TableFile:
    """One file of a table: its absolute path and its size on disk."""

    path: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Block:
    """Whole records of a file, as its bytes from `offset`."""

    path: str
    codec: str
    offset: int
    data: bytes


def blocks(
    files: list[TableFile], head_of: Callable[[TableFile], Head], quoting: str, is_seekable: bool, whole: bool
) -> Iterator[Block]:
    """The blocks to look at, at most SAMPLE_BYTES in all unless the `whole` table is wanted.

    `quoting` as in `records`; `is_seekable`: the start of a record can be found from any offset.
    """
    total = sum(file.size_bytes for file in files)
    is_small = total <= SAMPLE_BYTES and not any(is_compressed(file.path) for file in files)
    if whole or is_small:
        for file in files:
            yield from _all_lines(file, head_of(file)) if is_seekable else _pieces(file, head_of(file), quoting, 0)
    elif is_seekable:
        yield from _spread(files, head_of, total)
    else:
        share = max(_BLOCK_BYTES, SAMPLE_BYTES // len(files))
        for file in files[: SAMPLE_BYTES // share]:
            yield from _pieces(file, head_of(file), quoting, share)


def _all_lines(file: TableFile, head: Head) -> Iterator[Block]:
    with open(file.path, "rb") as raw:
        raw.seek(head.data_start)
        offset = head.data_start
        while data := raw.read(SAMPLE_BYTES) + raw.readline():
            if data.strip(b"\r\n"):
                yield Block(file.path, head.codec, offset, data)
            offset += len(data)


def _pieces(file: TableFile, head: Head, quoting: str, limit_bytes: int) -> Iterator[Block]:
    """The records in the first `limit_bytes` of a file (0: in all of it), the first one however long it is, in blocks."""
    start = end = head.data_start
    limit = head.data_start + limit_bytes
    with open_bytes(file.path, start) as stream:
        for record in records(file.path, head.codec, head.data_start, quoting):
            if limit_bytes and record.end > limit and end > head.data_start:
                break
            end = record.end
            if end - start >= SAMPLE_BYTES:
                yield Block(file.path, head.codec, start, stream.read(end - start))
                start = end
        if end > start:
            yield Block(file.path, head.codec, start, stream.read(end - start))


def _spread(files: list[TableFile], head_of: Callable[[TableFile], Head], total: int) -> Iterator[Block]:
    """The head of the first file, then blocks at even distances over the bytes of all files."""
    yield from _lines_at(files[0], head_of(files[0]), 0, _HEAD_BYTES)
    count = (SAMPLE_BYTES - _HEAD_BYTES) // _BLOCK_BYTES
    wanted = (total * (number + 1) // (count + 1) for number in range(count))
    position, passed = 0, 0
    for place in wanted:
        while place >= passed + files[position].size_bytes:
            passed += files[position].size_bytes
            position += 1
        file = files[position]
        yield from _lines_at(file, head_of(file), place - passed, _BLOCK_BYTES)


def _lines_at(file: TableFile, head: Head, offset: int, size_bytes: int) -> Iterator[Block]:
    """The whole lines that begin in `size_bytes` from `offset`; none when a line is longer than that."""
    offset = max(offset, head.data_start)
    with open(file.path, "rb") as raw:
        raw.seek(offset)
        if offset > head.data_start:
            raw.seek(offset - 1)
            offset += len(raw.readline(size_bytes)) - 1
        data = raw.read(size_bytes)
        is_last = not raw.read(1)
    if is_last:
        data = data.rstrip(b"\r\n") + b"\n"
    whole = data[: data.rfind(b"\n") + 1]
    if whole.strip(b"\r\n"):
        yield Block(file.path, head.codec, offset, whole)
