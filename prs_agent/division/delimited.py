"""Delimited text as bytes: where a file's records begin, how its header reads, and which ranges hold which records.

One pass over the lines of a file, needed where the start of a record cannot be found from any offset (UTF-16, quoted line
ends) and where mini-batches are counted in rows. Everything is in byte offsets of the file.
"""

from __future__ import annotations

import csv
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from prs_agent.division.mltable import ReadDelimited
from prs_agent.division.problems import InputError

# Paths here are plain strings, as everywhere in this package.
# ruff: noqa: PTH123

QUOTE = '"'
_TAIL_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Head:
    """The beginning of a file: `codec` as it is for its bytes, where the data starts, and the names in its header.

    `is_blank` when a header was looked for and the file holds nothing.
    """

    codec: str
    data_start: int
    names: tuple[str, ...]
    is_blank: bool = False


class Record(NamedTuple):
    """The bytes from `start` to `end` of a file; `is_blank` when there is nothing but a line end."""

    start: int
    end: int
    is_blank: bool


def read_head(path: str, read: ReadDelimited, has_header: bool) -> Head:
    """Look for a byte order mark and, where there should be one, read the header. InputError when it cannot be decoded."""
    codec, start = _byte_order_mark(path, read.encoding)
    if not has_header:
        return Head(codec, start, ())
    header = next(records(path, read, codec, start), None)
    if header is None:
        return Head(codec, start, (), is_blank=True)
    with open(path, "rb") as file:
        file.seek(header.start)
        raw = file.read(header.end - header.start)
    try:
        text = raw.decode(codec)
    except UnicodeDecodeError as error:
        raise InputError(f"the header of {path} is not {read.encoding}: set `encoding` in the MLTable ({error})") from error
    fields = next(csv.reader(text.rstrip("\r\n").splitlines(keepends=True), delimiter=read.delimiter), [])
    return Head(codec, header.end, tuple(fields))


def _byte_order_mark(path: str, encoding: str) -> tuple[str, int]:
    """The codec without a mark, and how many bytes the mark takes."""
    if encoding not in ("utf-8", "utf-16"):
        return encoding, 0
    with open(path, "rb") as file:
        start = file.read(3)
    if encoding == "utf-8":
        return encoding, 3 if start == BOM_UTF8 else 0
    if start[:2] == BOM_UTF16_BE:
        return "utf-16-be", 2
    return "utf-16-le", 2 if start[:2] == BOM_UTF16_LE else 0


def content_end(path: str, size_bytes: int) -> int:
    """Where the last line that is not blank ends, its line end included; 0 when all are blank. Not for UTF-16."""
    end = size_bytes
    with open(path, "rb") as file:
        while end > 0:
            start = max(0, end - _TAIL_BYTES)
            file.seek(start)
            tail = file.read(end - start)
            if content := tail.rstrip(b"\r\n"):
                end = start + len(content)
                break
            end = start
        file.seek(end)
        return end + len(file.readline()) if end else 0


def records(path: str, read: ReadDelimited, codec: str, start: int) -> Iterator[Record]:
    """All records from offset `start`, in order, without the blank lines at the end of the file.

    A blank line between records is a record of nulls (spec section 4.4). With `support_multi_line` a line end within quotes
    belongs to the record; a quote that is never closed takes the rest of the file.
    """
    blank: list[Record] = []
    for record in _all_records(path, read, codec, start):
        if record.is_blank:
            blank.append(record)
            continue
        yield from blank
        blank.clear()
        yield record


def _all_records(path: str, read: ReadDelimited, codec: str, start: int) -> Iterator[Record]:
    begin = position = start
    is_open = False
    for size_bytes, line in _lines(path, codec, start):
        position += size_bytes
        if read.support_multi_line and (is_open or QUOTE in line):
            is_open = is_within_quotes(line, read.delimiter, is_open)
        if not is_open:
            yield Record(begin, position, begin + size_bytes == position and not line.strip("\r\n"))
            begin = position
    if begin < position:
        yield Record(begin, position, is_blank=False)


def _lines(path: str, codec: str, start: int) -> Iterator[tuple[int, str]]:
    """Bytes and text of each line; text is only good for looking at quotes, delimiters and line ends."""
    if not codec.startswith("utf-16"):
        with open(path, "rb") as raw:
            raw.seek(start)
            for line in raw:
                yield len(line), line.decode("iso-8859-1")
        return
    with open(path, encoding=codec, errors="surrogatepass", newline="\n") as text:
        text.seek(start)
        for decoded in text:
            yield len(decoded.encode(codec, "surrogatepass")), decoded


def is_within_quotes(line: str, delimiter: str, is_open: bool = False) -> bool:
    """Whether a quoted field is still open after the line; `is_open`: whether one was before it.

    A quote opens a field only as its first character; within it two quotes are one, and after it the rest up to the
    delimiter is plain text.
    """
    position = 0
    if not is_open:
        position = _field_with_quote(line, delimiter, 0)
    while position >= 0:
        closing = line.find(QUOTE, position)
        if closing < 0:
            return True
        if line[closing + 1 : closing + 2] == QUOTE:
            position = closing + 2
            continue
        at = line.find(delimiter, closing + 1)
        position = _field_with_quote(line, delimiter, at + 1) if at >= 0 else -1
    return False


def _field_with_quote(line: str, delimiter: str, position: int) -> int:
    """Where the next quoted field from a field's start has its first inner character; -1 when there is none."""
    if line.startswith(QUOTE, position):
        return position + 1
    at = line.find(delimiter + QUOTE, position)
    return at + 2 if at >= 0 else -1


def cut_by_rows(found: Iterable[Record], rows: int) -> Iterator[tuple[int, int]]:
    """Byte ranges of `rows` records each; the last one may hold fewer."""
    start = end = count = 0
    for record in found:
        start = record.start if count == 0 else start
        end, count = record.end, count + 1
        if count == rows:
            yield start, end
            count = 0
    if count:
        yield start, end


def cut_by_size(found: Iterable[Record], size_bytes: int) -> Iterator[tuple[int, int]]:
    """Byte ranges by the rule of spec section 4.2; parts that no record starts in are left out."""
    current, start, end = -1, 0, 0
    for record in found:
        part = part_of(record.start, size_bytes)
        if part != current:
            if current >= 0:
                yield start, end
            current, start = part, record.start
        end = record.end
    if current >= 0:
        yield start, end


def part_of(offset: int, size_bytes: int) -> int:
    """The part that a record belongs to: one that starts exactly on a boundary belongs to the part before it."""
    return 0 if offset <= size_bytes else -(-offset // size_bytes) - 1
