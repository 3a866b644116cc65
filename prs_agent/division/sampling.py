"""Chooses what of a table is looked at to find its column types: its head and blocks spread over all its files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from prs_agent.division.delimited import Head, records
from prs_agent.division.mltable import ReadDelimited

# Paths here are plain strings, as everywhere in this package.
# ruff: noqa: PTH123

SAMPLE_BYTES = 8 * 1024 * 1024
_HEAD_BYTES = 1024 * 1024
_BLOCK_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class TableFile:
    """One file of a table: its absolute path and its size."""

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
    files: list[TableFile], head_of: Callable[[TableFile], Head], read: ReadDelimited, whole: bool
) -> Iterator[Block]:
    """The blocks to look at, at most SAMPLE_BYTES in all unless the `whole` table is wanted."""
    total = sum(file.size_bytes for file in files)
    if whole or total <= SAMPLE_BYTES:
        for file in files:
            yield from _whole_file(file, head_of(file), read)
    elif read.has_seekable_records:
        yield from _spread(files, head_of, total)
    else:
        share = max(_BLOCK_BYTES, SAMPLE_BYTES // len(files))
        for file in files[: SAMPLE_BYTES // share]:
            yield from _beginning(file, head_of(file), read, share)


def _whole_file(file: TableFile, head: Head, read: ReadDelimited) -> Iterator[Block]:
    """The file from its first record on, in blocks of about SAMPLE_BYTES."""
    if read.has_seekable_records:
        yield from _all_lines(file, head)
        return
    start = end = head.data_start
    for record in records(file.path, read, head.codec, head.data_start):
        end = record.end
        if end - start >= SAMPLE_BYTES:
            yield _block(file, head, start, end)
            start = end
    if end > start:
        yield _block(file, head, start, end)


def _all_lines(file: TableFile, head: Head) -> Iterator[Block]:
    with open(file.path, "rb") as raw:
        raw.seek(head.data_start)
        offset = head.data_start
        while data := raw.read(SAMPLE_BYTES) + raw.readline():
            is_last = offset + len(data) >= file.size_bytes
            content = data.rstrip(b"\r\n") if is_last else data
            if content:
                yield Block(file.path, head.codec, offset, content)
            offset += len(data)


def _beginning(file: TableFile, head: Head, read: ReadDelimited, size_bytes: int) -> Iterator[Block]:
    """The records in the first `size_bytes` of a file, and the first one however long it is."""
    end = head.data_start
    for record in records(file.path, read, head.codec, head.data_start):
        if record.end - head.data_start > size_bytes and end > head.data_start:
            break
        end = record.end
    if end > head.data_start:
        yield _block(file, head, head.data_start, end)


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


def _block(file: TableFile, head: Head, start: int, end: int) -> Block:
    with open(file.path, "rb") as raw:
        raw.seek(start)
        return Block(file.path, head.codec, start, raw.read(end - start))
