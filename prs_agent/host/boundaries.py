"""Which bytes of which file a mini-batch is, where that is arithmetic (spec section 4.2).

With S the size and n the parts of a file, part k is the bytes [b(k), b(k+1)):

    b(0) = where the header ends
    b(k) = the position after the first line feed at or after k * S, at least b(0), or the end of the file
    b(n) = the end of the file

so that a record which starts at offset o belongs to part 0 if o <= S, else to part ceil(o / S) - 1.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from .failures import LoadError
from .manifest import ManifestPart
from .tables import count_lines

_SEARCH_BYTES = 64 * 1024
_COUNT_BYTES = 4 << 20


class TableFile(NamedTuple):
    """A file of the table; `size` and `data_start` in bytes, `first` is the index of its first mini-batch.

    `columns` are the columns that it has, empty where it has all of the table's; `values` the constants of its path.
    """

    path: str
    size: int = 0
    data_start: int = 0
    first: int = 0
    parts: int = 0
    columns: Tuple[str, ...] = ()
    values: Tuple[Any, ...] = ()

    @classmethod
    def parse(cls, file: Dict[str, Any]) -> TableFile:
        """The entry of a manifest part's header."""
        lists = ("columns", "values")
        given: Dict[str, Any] = {name: file[name] for name in cls._fields if name in file and name not in lists}
        return cls(columns=tuple(file.get("columns") or ()), values=tuple(file.get("values") or ()), **given)


class Boundaries:
    """The arithmetic of one manifest part."""

    def __init__(self, part: ManifestPart, files: List[TableFile], root: str) -> None:
        self._part = part
        self._files = files
        self._root = root
        self._firsts = [file.first for file in files]
        self._part_bytes = int(part.header.get("size") or 0)
        self._open: Tuple[str, int] = ("", -1)
        self._boundary = (-1, -1, -1)  # (file, k, b(k)): the end of a mini-batch is where the next one starts
        self._counted: Dict[int, Tuple[int, int]] = {}  # file: (offset, rows of the file before it)
        self._rows: List[int] = []  # of the files so far; the first entry is of all parts before this one

    def range_of(self, index: int) -> Tuple[int, int, int]:
        """(number of the file, first byte, end) of a mini-batch; LoadError when it is not of this part."""
        number = bisect_right(self._firsts, index) - 1
        k = index - self._files[number].first if number >= 0 else -1
        if k < 0 or k >= self._files[number].parts:
            raise LoadError("mini-batch %d is not in the manifest part %s" % (index, self._part.path), permanent=True)
        start = self._find_boundary(number, k)
        return number, start, self._find_boundary(number, k + 1)

    def first_row(self, index: int) -> Optional[int]:
        """The number of the mini-batch's first row in the table, from 0; None where lines do not tell the rows."""
        if (self._part.header.get("plan") or {}).get("drops_invalid_lines"):
            return None
        number, start, _ = self.range_of(index)
        if not self._rows:
            self._rows.append(sum(self._rows_of(file) for file in self._earlier_files()))
        while len(self._rows) <= number:
            self._rows.append(self._rows[-1] + self._rows_of(self._files[len(self._rows) - 1]))
        offset, rows = self._counted.get(number, (0, 0))
        if offset > start or not offset:
            offset, rows = self._files[number].data_start, 0
        rows += self._count(os.path.join(self._root, self._files[number].path), offset, start)
        self._counted[number] = (start, rows)
        return self._rows[number] + rows

    def _earlier_files(self) -> List[TableFile]:
        """The files of all parts before this one: each part names the one before it."""
        files: List[TableFile] = []
        name = self._part.header.get("previous")
        while name:
            part = ManifestPart(os.path.join(os.path.dirname(self._part.path), name))
            files += [TableFile.parse(file) for file in part.header["files"]]
            name = part.header.get("previous")
        return files

    def _rows_of(self, file: TableFile) -> int:
        return self._count(os.path.join(self._root, file.path), file.data_start, file.size)

    def _count(self, path: str, start: int, end: int) -> int:
        """The records between two of their starts."""
        fd = self._fd(path)
        rows = 0
        while start < end:
            piece = os.pread(fd, min(_COUNT_BYTES, end - start), start)
            if not piece:
                break
            whole = piece.rfind(b"\n") + 1
            if whole and start + len(piece) < end:
                piece = piece[:whole]
            elif not whole and start + len(piece) < end:  # a line longer than a piece
                piece = os.pread(fd, self._after_line_feed(path, start, end) - start, start)
            rows += count_lines(piece)
            start += len(piece)
        return rows

    def _find_boundary(self, number: int, k: int) -> int:
        file = self._files[number]
        if k <= 0:
            return file.data_start
        if k >= file.parts:
            return file.size
        known_number, known_k, boundary = self._boundary
        if (known_number, known_k) != (number, k):
            path = os.path.join(self._root, file.path)
            boundary = max(file.data_start, self._after_line_feed(path, k * self._part_bytes, file.size))
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
        """Closes the file that was searched last."""
        if self._open[1] >= 0:
            os.close(self._open[1])
        self._open = ("", -1)
