"""How the payloads of mini-batches become the file that their rows are appended to: text, csv and jsonl.

A payload is one byte for its kind, then: 0, rows; 1, u32 length, header line, rows; 2 and 3, u32 length, JSON list of
columns, rows as CSV or JSON lines; 4, a parquet file. Written from that description, apart from the code that merges.
"""

import csv
import io
import json
import struct
from typing import Protocol

_U32 = struct.Struct("<I")
_TEXT, _TEXT_WITH_HEADER, _CSV, _JSON_LINES = range(4)


class LayoutFault(Exception):  # noqa: N818  (named for what it says about the payload)
    """The payload cannot be part of such a file; the message says why."""


class LateHeader(Exception):  # noqa: N818  (named for what was found)
    """Rows of a header came after others: the file must begin with it, so it has to be read from the start again."""

    def __init__(self, header: bytes) -> None:
        super().__init__()
        self.header = header


class Layout(Protocol):
    """Takes payloads in the order of mini-batches. `header` counts for no row."""

    header: bytes

    def rows(self, payload: memoryview) -> bytes | memoryview:
        """What the payload adds to the file, with the file's header where it is due."""


class TextLayout:
    """Rows as they are; the first header of a mini-batch is the first line of the file."""

    def __init__(self, header: bytes = b"") -> None:
        """`header`: one that is known to be due, see LateHeader."""
        self.header = header
        self._is_empty = True

    def rows(self, payload: memoryview) -> bytes | memoryview:
        if payload[0] == _TEXT:
            rows: bytes | memoryview = payload[1:]
        elif payload[0] == _TEXT_WITH_HEADER:
            header, rows = _split(payload)
            if not self.header and not self._is_empty:
                raise LateHeader(header)
            self.header = self.header or header
        else:
            raise LayoutFault(f"its rows are of kind {payload[0]}, which is not text")
        is_first, self._is_empty = self._is_empty, False
        return self.header + bytes(rows) if is_first and self.header else rows


class CsvLayout:
    """One header; columns in the order of the first mini-batch."""

    def __init__(self) -> None:
        self.header = b""
        self._columns: list[str] = []

    def rows(self, payload: memoryview) -> bytes | memoryview:
        if payload[0] != _CSV:
            raise LayoutFault(f"its rows are of kind {payload[0]}, which is not csv")
        text, rows = _split(payload)
        columns: list[str] = _json(text)
        if not self.header:
            self._columns, self.header = columns, _csv([columns])
            return self.header + bytes(rows)
        if columns == self._columns:
            return rows
        if sorted(columns) != sorted(self._columns):
            raise LayoutFault("its columns are not those of the mini-batches before")
        order = [columns.index(name) for name in self._columns]
        parsed = csv.reader(io.StringIO(str(rows, "utf-8"), newline=""))
        return _csv([row[place] for place in order] for row in parsed)


class JsonLinesLayout:
    """Rows as they are."""

    header = b""

    def rows(self, payload: memoryview) -> bytes | memoryview:
        if payload[0] != _JSON_LINES:
            raise LayoutFault(f"its rows are of kind {payload[0]}, which is not jsonl")
        return _split(payload)[1]


def layout_of(row_format: str, header: bytes = b"") -> Layout | None:
    """The layout of a format; None where the bytes do not follow from the payloads alone."""
    match row_format:
        case "text":
            return TextLayout(header)
        case "csv":
            return CsvLayout()
        case "jsonl":
            return JsonLinesLayout()
    return None


def _split(payload: memoryview) -> tuple[bytes, memoryview]:
    start = 1 + _U32.size
    size_bytes = _U32.unpack_from(payload, 1)[0] if len(payload) >= start else len(payload)
    if start + size_bytes > len(payload):
        raise LayoutFault("what precedes its rows is longer than all of it")
    return bytes(payload[start : start + size_bytes]), payload[start + size_bytes :]


def _json(text: bytes) -> list[str]:
    try:
        columns = json.loads(text)
    except ValueError:
        raise LayoutFault("its list of columns cannot be read") from None
    if not isinstance(columns, list):
        raise LayoutFault("its list of columns is none")
    return columns


def _csv(rows: object) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)  # type: ignore[arg-type]
    return text.getvalue().encode("utf-8")
