"""Tabular mini-batches: which pieces of which files a manifest part gives each of them, and their rows as a DataFrame.

A piece is a range of one file, of bytes in delimited text and JSON lines, of rows in Parquet. Where records can be found
from any offset, the part holds arithmetic and the worker finds its boundaries itself (`boundaries`); otherwise a record for
each mini-batch names its pieces:

    {"pieces": [[file, start, end]…], "windows": [[[from, to]…]…], "first_row": n, "key": {name: value}}

`windows` (see `steps`) has an entry for each piece, `key` is there with partition_keys, `first_row` where it is known.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any, Callable, Dict, List, Optional, Tuple

from .boundaries import Boundaries, TableFile
from .failures import LoadError
from .manifest import ManifestPart
from .parquet import ParquetReader
from .read_plan import ReadPlan
from .steps import Steps, constant, recorded
from .streams import RangeReader
from .tables import TableReader

Piece = Tuple[int, int, int]  # number of the file, start, end (-1: all that follows)


class TablePart:
    """The mini-batches that one manifest part describes."""

    def __init__(self, part: ManifestPart, root: str, strict_types: bool, notice: Callable[[str], None]) -> None:
        self._part = part
        self._root = root
        header = part.header
        self._files = [TableFile.parse(file) for file in header["files"]]
        self._boundaries = None if part.has_records else Boundaries(part, self._files, root)
        plan = header.get("plan") or {}
        self._read = reader_of(plan, strict_types, notice)
        self._steps = Steps(plan.get("steps") or ())
        self._key_dtypes: Dict[str, str] = plan.get("key_dtypes") or {}

    def load(self, index: int) -> Any:
        """The DataFrame of a mini-batch; None when it has no row."""
        windows = self._record(index).get("windows") or []
        frames = []
        for position, (number, start, end) in enumerate(self.pieces_of(index)):
            if start == end:
                continue
            file = self._files[number]
            path = os.path.join(self._root, file.path)
            frame = self._read(path, file, start, end)
            window = recorded(windows[position] if windows else [])
            frames.append(self._steps.apply(frame, file.values, "%s %d" % (file.path, start), window))
        frames = [frame for frame in frames if len(frame)]
        if not frames:
            return None
        if len(frames) > 1:
            return import_module("pandas").concat(frames, ignore_index=True)
        return frames[0] if _is_numbered(frames[0]) else frames[0].reset_index(drop=True)

    def pieces_of(self, index: int) -> List[Piece]:
        """Where a mini-batch lies."""
        if self._boundaries is not None:
            return [self._boundaries.range_of(index)]
        return [(int(number), int(start), int(end)) for number, start, end in self._record(index)["pieces"]]

    def paths_of(self, index: int) -> List[str]:
        """The files that a mini-batch lies in."""
        return [os.path.join(self._root, self._files[piece[0]].path) for piece in self.pieces_of(index)]

    def key_of(self, index: int) -> Optional[Dict[str, Any]]:
        """The values that all rows of a mini-batch share, with partition_keys."""
        key = self._record(index).get("key")
        if key is None:
            return None
        return {name: constant(value, self._key_dtypes.get(name, "string")) for name, value in key.items()}

    def first_row(self, index: int) -> Optional[int]:
        """The number of the mini-batch's first row in the table, from 0; None where that is not known.

        Rows count as they are read, before a filter or a sample takes some away. Where division did not need to know the
        rows, they are counted by reading what lies before, so this costs nothing where nobody asks.
        """
        if self._boundaries is not None:
            return self._boundaries.first_row(index)
        row: Optional[int] = self._record(index).get("first_row")
        return row

    def _record(self, index: int) -> Dict[str, Any]:
        record: Dict[str, Any] = self._part.record(index) if self._boundaries is None else {}
        return record


def reader_of(
    plan: Dict[str, Any], strict_types: bool, notice: Callable[[str], None]
) -> Callable[[str, TableFile, int, int], Any]:
    """What reads a piece of a file as the plan says, before its steps."""
    if plan.get("format") == "parquet":
        parquet = ParquetReader(plan)
        return lambda path, file, start, end: parquet.read(path, start, end)
    table = TableReader(ReadPlan.parse(plan, strict_types), notice, plan.get("format") or "delimited")
    ranges = RangeReader()

    def read(path: str, file: TableFile, start: int, end: int) -> Any:
        data = ranges.read(path, start, end)
        if len(data) < end - start:
            raise LoadError("%s has become shorter than %d bytes since it was divided" % (path, end), permanent=True)
        return table.read(data, path, is_file_start=start == 0, names=file.columns)

    return read


def _is_numbered(frame: Any) -> bool:
    """Whether the rows have the numbers from 0 on."""
    index = frame.index
    return type(index).__name__ == "RangeIndex" and bool(index[0] == 0) and bool(index[-1] == len(index) - 1)
