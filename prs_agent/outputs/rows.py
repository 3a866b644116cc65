"""Rows of mini-batches, one after the other, as one file: text, CSV and JSON lines.

The payload of a mini-batch that returned rows starts with its kind: 0, rows as text; 1, a header line and rows as text; 2, a
list of columns and CSV rows; 3, a list of columns (empty unless a DataFrame was returned) and JSON lines; 4, a parquet file.
Lengths before header lines and lists are u32, little-endian. Every row ends in a line feed.
"""

from __future__ import annotations

import csv
import io
import json
import struct
from typing import Protocol

from prs_agent.outputs.plan import Payloads
from prs_agent.outputs.problems import RowsError
from prs_agent.outputs.publish import AtomicFile

TEXT, TEXT_WITH_HEADER, CSV, JSON_LINES, PARQUET = range(5)
_U32 = struct.Struct("<I")
_PREFIX_BYTES = 1 + _U32.size


class RowWriter(Protocol):
    """Takes the payloads of ranges in mini-batch order."""

    notices: list[str]

    def add(self, payloads: Payloads) -> None:
        """Append the rows. RowsError when they do not fit those before, PublishError when the disk refuses."""

    def end(self) -> int:
        """Everything was added; the answer is the number of rows."""


def split(payload: bytes | memoryview) -> tuple[bytes, memoryview]:
    """What precedes the rows of a payload of kind 1, 2 or 3 (header line or list of columns), and the rows."""
    view = memoryview(payload)
    (size_bytes,) = _U32.unpack_from(view, 1)
    return bytes(view[_PREFIX_BYTES : _PREFIX_BYTES + size_bytes]), view[_PREFIX_BYTES + size_bytes :]


def unexpected(index: int, kind: int, format_name: str) -> RowsError:
    """The error for a payload that the output's format cannot take."""
    return RowsError(f"mini-batch {index} returned rows of kind {kind}, which an output of format {format_name} cannot hold")


class TextRows:
    """Rows as they are; the header of the first mini-batch that has one is the first line of the file."""

    def __init__(self, file: AtomicFile) -> None:
        self.notices: list[str] = []
        self._file = file
        self._header: bytes | None = None
        self._header_index = 0
        self._is_header_late = False

    def add(self, payloads: Payloads) -> None:
        """See RowWriter."""
        data, start = payloads.data, 0
        pieces: list[memoryview] = []
        for position, length in enumerate(payloads.lengths):
            if length:
                piece = data[start : start + length]
                plain = piece[0] == TEXT
                if not plain:
                    self._note_header(payloads.first + position, piece, is_first=not pieces and self._file.is_empty())
                pieces.append(piece[1:] if plain else split(piece)[1])
            start += length
        if pieces:
            self._file.write_all(pieces)

    def end(self) -> int:
        """See RowWriter; elements that hold line feeds count once per line."""
        if self._header and self._is_header_late:
            self._file.prepend(self._header)
        return self._file.count_lines() - (self._header or b"").count(b"\n")

    def _note_header(self, index: int, payload: memoryview, is_first: bool) -> None:
        if payload[0] != TEXT_WITH_HEADER:
            raise unexpected(index, payload[0], "text")
        header, _ = split(payload)
        if self._header is None:
            self._header, self._header_index, self._is_header_late = header, index, not is_first
            if is_first:
                self._file.write(header)
        elif header != self._header and not self.notices:
            first = f"mini-batch {self._header_index}"
            self.notices.append(f"mini-batch {index} returned other columns than {first}, whose header the output has")


class CsvRows:
    """CSV with one header: columns are matched by name and come in the order of the first mini-batch."""

    def __init__(self, file: AtomicFile) -> None:
        self.notices: list[str] = []
        self._file = file
        self._first = -1
        self._columns: list[str] = []

    def add(self, payloads: Payloads) -> None:
        """See RowWriter."""
        for index, payload in payloads.each():
            if payload[0] != CSV:
                raise unexpected(index, payload[0], "csv")
            columns, rows = split(payload)
            self._file.write(self._matched(index, json.loads(columns), rows))

    def end(self) -> int:
        """See RowWriter; fields that hold line feeds count once per line."""
        return self._file.count_lines() - _csv_line(self._columns).count(b"\n") if self._columns else 0

    def _matched(self, index: int, columns: list[str], rows: memoryview) -> bytes | memoryview:
        if self._first < 0:
            self._first, self._columns = index, columns
            self._file.write(_csv_line(columns))
        if columns == self._columns:
            return rows
        check_columns(self._first, self._columns, index, columns)
        return _reordered(rows, [columns.index(name) for name in self._columns])


class JsonLinesRows:
    """JSON lines; mini-batches that returned DataFrames must have the same columns."""

    def __init__(self, file: AtomicFile) -> None:
        self.notices: list[str] = []
        self._file = file
        self._first = -1
        self._columns: list[str] = []

    def add(self, payloads: Payloads) -> None:
        """See RowWriter."""
        for index, payload in payloads.each():
            if payload[0] != JSON_LINES:
                raise unexpected(index, payload[0], "jsonl")
            text, rows = split(payload)
            columns = json.loads(text)
            if columns and self._first < 0:
                self._first, self._columns = index, columns
            elif columns and columns != self._columns:
                check_columns(self._first, self._columns, index, columns)
            self._file.write(rows)

    def end(self) -> int:
        """See RowWriter."""
        return self._file.count_lines()


def check_columns(first: int, wanted: list[str], index: int, columns: list[str]) -> None:
    """RowsError naming both mini-batches unless they have the same columns, in whatever order."""
    if sorted(wanted) == sorted(columns):
        return
    missing = [name for name in wanted if name not in columns]
    added = [name for name in columns if name not in wanted]
    differences = [f"lacks {', '.join(missing)}"] if missing else []
    differences += [f"has {', '.join(added)} more"] if added else []
    difference = " and ".join(differences) or "repeats a name"
    raise RowsError(f"mini-batch {index} returned other columns than mini-batch {first}: it {difference}")


def _reordered(rows: memoryview, order: list[int]) -> bytes:
    source = csv.reader(io.StringIO(str(rows, "utf-8"), newline=""))
    target = io.StringIO()
    csv.writer(target, lineterminator="\n").writerows([row[position] for position in order] for row in source)
    return target.getvalue().encode("utf-8")


def _csv_line(fields: list[str]) -> bytes:
    target = io.StringIO()
    csv.writer(target, lineterminator="\n").writerow(fields)
    return target.getvalue().encode("utf-8")
