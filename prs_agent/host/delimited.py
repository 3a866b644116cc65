"""Tabular mini-batches of delimited files: which bytes of which file, and their rows as a DataFrame.

Where a record can be found from any offset, the manifest holds arithmetic, and the worker finds its boundaries itself (spec
section 4.2). With S the size and n the parts of a file, part k is the bytes [b(k), b(k+1)):

    b(0) = where the header ends
    b(k) = the position after the first line feed at or after k * S, at least b(0), or the end of the file
    b(n) = the end of the file

so that a record which starts at offset o belongs to part 0 if o <= S, else to part ceil(o / S) - 1.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from typing import Any, Callable, List, NamedTuple, Optional, Tuple

from .failures import LoadError
from .manifest import ManifestPart
from .read_plan import ReadPlan
from .tables import TableReader

_SEARCH_BYTES = 64 * 1024
_COUNT_BYTES = 1 << 20


class TableFile(NamedTuple):
    """A file of the table; `size` and `data_start` in bytes, `first` is the index of its first mini-batch."""

    path: str
    size: int
    data_start: int = 0
    first: int = 0
    parts: int = 0


class DelimitedSource:
    """The mini-batches that one manifest part describes."""

    def __init__(self, part: ManifestPart, root: str, strict_types: bool, notice: Callable[[str], None]) -> None:
        self._part = part
        self._root = root
        header = part.header
        self._files = [
            TableFile(**{name: file[name] for name in TableFile._fields if name in file}) for file in header["files"]
        ]
        self._firsts = [file.first for file in self._files]
        self._part_bytes = int(header.get("size") or 0)
        plan = ReadPlan.parse(header.get("plan") or {}, strict_types)
        self._reader = TableReader(plan, notice)
        self._open: Tuple[str, int] = ("", -1)
        self._boundary = (-1, -1, -1)  # (file, k, b(k)): the end of a mini-batch is where the next one starts
        self._counted = (0, 0)  # (index, rows before it)

    def load(self, index: int) -> Any:
        """The DataFrame of a mini-batch; None when no row lies in its range."""
        number, start, end = self.range_of(index)
        if start >= end:
            return None
        path = self._path(number)
        frame = self._reader.read(self._read(path, start, end), path, is_file_start=start == 0)
        return frame if len(frame) else None

    def path_of(self, index: int) -> str:
        """The file that a mini-batch lies in."""
        return self._path(self.range_of(index)[0])

    def range_of(self, index: int) -> Tuple[int, int, int]:
        """(number of the file, first byte, end) of a mini-batch."""
        if self._part.has_records:
            record = self._part.record(index)
            return int(record["file"]), int(record["start"]), int(record["end"])
        number = bisect_right(self._firsts, index) - 1
        k = index - self._files[number].first if number >= 0 else -1
        if k < 0 or k >= self._files[number].parts:
            raise LoadError("mini-batch %d is not in the manifest part %s" % (index, self._part.path), permanent=True)
        start = self._find_boundary(number, k)
        return number, start, self._find_boundary(number, k + 1)

    def first_row(self, index: int) -> Optional[int]:
        """The number of the mini-batch's first row in the table, from 0.

        Counted by reading what lies before it, so it costs nothing where nobody asks. None where line feeds do not tell the
        rows, or when the table does not begin in this manifest part.
        """
        if self._part.first != 0 or self._reader.plan.spans_lines or self._reader.plan.codec.startswith("utf-16"):
            return None
        counted, rows = self._counted if self._counted[0] <= index else (0, 0)
        for each in range(counted, index):
            rows += self._count_lines(*self.range_of(each))
        self._counted = (index, rows)
        return rows

    def _path(self, number: int) -> str:
        return os.path.join(self._root, self._files[number].path)

    def _find_boundary(self, number: int, k: int) -> int:
        file = self._files[number]
        if k <= 0:
            return file.data_start
        if k >= file.parts:
            return file.size
        known_number, known_k, boundary = self._boundary
        if (known_number, known_k) != (number, k):
            after = self._after_line_feed(self._path(number), k * self._part_bytes, file.size)
            boundary = max(file.data_start, after)
            self._boundary = (number, k, boundary)
        return boundary

    def _after_line_feed(self, path: str, offset: int, size: int) -> int:
        fd = self._fd(path)
        while offset < size:
            piece = os.pread(fd, min(_SEARCH_BYTES, size - offset), offset)
            found = piece.find(b"\n")
            if found >= 0:
                return offset + found + 1
            if not piece:
                break
            offset += len(piece)
        return size

    def _count_lines(self, number: int, start: int, end: int) -> int:
        fd = self._fd(self._path(number))
        lines, last = 0, b"\n"
        while start < end:
            piece = os.pread(fd, min(_COUNT_BYTES, end - start), start)
            if not piece:
                break
            lines += piece.count(b"\n")
            start += len(piece)
            last = piece[-1:]
        return lines + (last != b"\n")  # the last line of a file may lack its line feed

    def _read(self, path: str, start: int, end: int) -> bytes:
        fd = self._fd(path)
        pieces: List[bytes] = []
        while start < end:
            piece = os.pread(fd, end - start, start)
            if not piece:
                raise LoadError("%s has become shorter than %d bytes since it was divided" % (path, end), permanent=True)
            pieces.append(piece)
            start += len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _fd(self, path: str) -> int:
        if self._open[0] != path:
            try:
                fd = os.open(path, os.O_RDONLY)
            except OSError as error:
                raise LoadError("cannot open %s: %s" % (path, error.strerror)) from error
            self.close()
            self._open = (path, fd)
        return self._open[1]

    def close(self) -> None:
        """Closes the file that was read last."""
        if self._open[1] >= 0:
            os.close(self._open[1])
        self._open = ("", -1)
