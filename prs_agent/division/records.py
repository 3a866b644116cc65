"""Text files as bytes: where a file's records begin, how its header reads, and which ranges hold which records.

One pass over the lines of a file, needed where the start of a record cannot be found from any offset (UTF-16, quoted line
ends, compressed files), where mini-batches are counted in rows, and where the first rows are skipped or taken. Everything is
in byte offsets of the file, of a compressed one in those of what is in it.
"""

from __future__ import annotations

from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import TextIOWrapper
from typing import NamedTuple

from prs_agent.division.problems import InputError
from prs_agent.host.streams import open_bytes
from prs_agent.host.texts import decode, is_within_quotes, join_lines, split_line

QUOTE = '"'
_TAIL_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Head:
    """The beginning of a file: `codec` as it is for its bytes, where the data starts, and the names in its header.

    `is_blank` when a header was looked for and the file holds nothing.
    """

    codec: str
    data_start: int
    names: tuple[str, ...] = ()
    is_blank: bool = False


class Record(NamedTuple):
    """The bytes from `start` to `end` of a file, its line end included."""

    start: int
    end: int


def read_head(path: str, encoding: str, has_header: bool, delimiter: str = ",", spans_lines: bool = False) -> Head:
    """Look for a byte order mark and, where there should be one, read the header. InputError when it cannot be decoded."""
    codec, start = _byte_order_mark(path, encoding)
    if not has_header:
        return Head(codec, start)
    header = next(records(path, codec, start, delimiter if spans_lines else ""), None)
    if header is None:
        return Head(codec, start, is_blank=True)
    with open_bytes(path, header.start) as file:
        raw = file.read(header.end - header.start)
    try:
        text = decode(raw, codec)
    except UnicodeDecodeError as error:
        raise InputError(f"the header of {path} is not {encoding}: set `encoding` in the MLTable ({error})") from error
    line = next(join_lines(text, delimiter)) if spans_lines else text
    return Head(codec, header.end, tuple(name.strip() for name, _ in split_line(line.rstrip("\r\n"), delimiter)))


def _byte_order_mark(path: str, encoding: str) -> tuple[str, int]:
    """The codec without a mark, and how many bytes the mark takes."""
    if encoding not in ("utf-8", "utf-16"):
        return encoding, 0
    with open_bytes(path) as file:
        start = file.read(3)
    if encoding == "utf-8":
        return encoding, 3 if start == BOM_UTF8 else 0
    if start[:2] == BOM_UTF16_BE:
        return "utf-16-be", 2
    return "utf-16-le", 2 if start[:2] == BOM_UTF16_LE else 0


def has_content(path: str, start: int, size_bytes: int) -> bool:
    """Whether anything but line ends follows `start` in a file that is not compressed and not UTF-16."""
    end = size_bytes
    with open_bytes(path) as file:
        while end > start:
            begin = max(start, end - _TAIL_BYTES)
            file.seek(begin)
            if file.read(end - begin).strip(b"\r\n"):
                return True
            end = begin
    return False


def records(path: str, codec: str, start: int, quoting: str = "") -> Iterator[Record]:
    """All records from offset `start`, in order; blank lines are none.

    `quoting` is the delimiter where a line end within quotes belongs to the record; a quote that is never closed then takes
    the rest of the file.
    """
    begin = position = start
    is_open = False
    for size_bytes, line in _lines(path, codec, start):
        position += size_bytes
        if quoting and (is_open or QUOTE in line):
            is_open = is_within_quotes(line, quoting, is_open)
        if is_open:
            continue
        if begin + size_bytes < position or line.strip("\r\n"):
            yield Record(begin, position)
        begin = position
    if begin < position:
        yield Record(begin, position)


def _lines(path: str, codec: str, start: int) -> Iterator[tuple[int, str]]:
    """Bytes and text of each line; text is only good for looking at quotes, delimiters and line ends."""
    with open_bytes(path, start) as raw:
        if not codec.startswith("utf-16"):
            for line in raw:
                yield len(line), line.decode("iso-8859-1")
            return
        with TextIOWrapper(raw, encoding=codec, errors="surrogatepass", newline="\n") as text:
            for decoded in text:
                yield len(decoded.encode(codec, "surrogatepass")), decoded


def cut_by_rows(found: Iterable[Record], rows: int) -> Iterator[tuple[int, int, int]]:
    """(start, end, count) of `rows` records each; the last range may hold fewer."""
    start = end = count = 0
    for record in found:
        start = record.start if count == 0 else start
        end, count = record.end, count + 1
        if count == rows:
            yield start, end, count
            count = 0
    if count:
        yield start, end, count


def cut_by_size(found: Iterable[Record], size_bytes: int) -> Iterator[tuple[int, int, int]]:
    """(start, end, count) by the rule of spec section 4.2; parts that no record starts in are left out."""
    current, start, end, count = -1, 0, 0, 0
    for record in found:
        part = part_of(record.start, size_bytes)
        if part != current:
            if current >= 0:
                yield start, end, count
            current, start, count = part, record.start, 0
        end, count = record.end, count + 1
    if current >= 0:
        yield start, end, count


def part_of(offset: int, size_bytes: int) -> int:
    """The part that a record belongs to: one that starts exactly on a boundary belongs to the part before it."""
    return 0 if offset <= size_bytes else -(-offset // size_bytes) - 1
