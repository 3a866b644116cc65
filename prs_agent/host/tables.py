"""Records of delimited text to a DataFrame, by the read plan that division made for the whole table (spec section 12 d).

Column types are fixed by the plan. A value that the inference missed widens its column in this mini-batch alone, int64 to
float64 to string, with one notice per column; with strict types the mini-batch fails for good. There are two readers
with one result: pyarrow where it is new enough, and a slow one in plain Python for the rest and for what pyarrow does not do
exactly (ragged lines, line feeds in quotes).
"""

from __future__ import annotations

import codecs
from importlib import import_module
from typing import Any, Callable, Dict, Sequence, Set, Tuple

from . import arrow_table, json_table, text_table
from .failures import LoadError
from .json_table import InvalidRecordError
from .read_plan import ReadPlan, Table
from .texts import decode

_PATH_COLUMN = "Path"
_LINE_FEED, _CARRIAGE_RETURN = b"\n\r"


class TableReader:
    """Reads the records of one table, delimited or JSON."""

    def __init__(self, plan: ReadPlan, notice: Callable[[str], None], format_: str = "delimited") -> None:
        self.plan = plan
        self._notice = notice
        self._read_records = json_table.read if format_ == "json_lines" else _read_delimited
        self._widened: Set[str] = set()
        self._plans_of_files: Dict[Tuple[str, ...], ReadPlan] = {}

    def read(self, data: bytes, path: str, is_file_start: bool = False, names: Sequence[str] = ()) -> Any:
        """The DataFrame of these whole records of file `path`; LoadError when they cannot be read by the plan.

        `names` are the columns that the file has, where that is not all of the table's.
        """
        plan = self._plan_of(tuple(names)) if names else self.plan
        try:
            table = self._read_records(self._to_utf8(data, path, is_file_start), plan)
        except InvalidRecordError as error:
            raise LoadError("%s: %s" % (path, error), permanent=True) from error
        for number, (dtype, reason) in table.widened.items():
            self._report_widened(plan, number, dtype, reason, path)
        frame = table.frame
        if plan is not self.plan:
            frame = _with_missing_columns(frame, self.plan)
        if self.plan.has_path_column and _PATH_COLUMN not in self.plan.names:
            frame.insert(0, _PATH_COLUMN, path)
        return frame

    def _plan_of(self, names: Tuple[str, ...]) -> ReadPlan:
        if names not in self._plans_of_files:
            self._plans_of_files[names] = self.plan.only(list(names))
        return self._plans_of_files[names]

    def _to_utf8(self, data: bytes, path: str, is_file_start: bool) -> bytes:
        if is_file_start and data.startswith(codecs.BOM_UTF8) and self.plan.codec == "utf-8":
            data = data[len(codecs.BOM_UTF8) :]
        try:
            # Decoded in either case: bytes that are not of the plan's encoding must not pass as text.
            text = decode(data, self.plan.codec)
        except UnicodeDecodeError as error:
            raise LoadError("%s is not %s: %s" % (path, self.plan.codec, error), permanent=True) from error
        return data if self.plan.codec in ("utf-8", "ascii") else text.lstrip("\ufeff").encode("utf-8")

    def _report_widened(self, plan: ReadPlan, number: int, dtype: str, reason: str, path: str) -> None:
        name, planned = plan.names[number], plan.dtypes[number]
        if self.plan.is_strict:
            message = "column %r of %s is %s, but holds %s" % (name, path, planned, reason)
            raise LoadError(message + " (--strict_types True)", permanent=True)
        if name not in self._widened:
            self._widened.add(name)
            self._notice(
                "column %r was inferred as %s; mini-batches that hold other values get it as %s "
                "(--infer_schema full looks at all values first)" % (name, planned, dtype)
            )


def _read_delimited(data: bytes, plan: ReadPlan) -> Table:
    # Only quotes and lone carriage returns make pyarrow see other lines than division, so only then are they counted.
    is_plain = plan.spans_lines or not (b'"' in data or b"\r" in data)
    table = arrow_table.read(data, plan, None if is_plain else count_lines(data))
    return text_table.read(data, plan) if table is None else table


def count_lines(data: bytes) -> int:
    """The lines that are not blank; the last one may lack its line feed."""
    numpy = import_module("numpy")
    octets = numpy.frombuffer(data, dtype=numpy.uint8)
    ends = numpy.flatnonzero(octets == _LINE_FEED)
    lengths = numpy.diff(ends, prepend=-1)
    is_blank = (lengths == 1) | ((lengths == 2) & (octets[ends - 1] == _CARRIAGE_RETURN))
    last = data[int(ends[-1]) + 1 :] if len(ends) else data
    return int(len(ends) - numpy.count_nonzero(is_blank)) + (last not in (b"", b"\r"))


def _with_missing_columns(frame: Any, plan: ReadPlan) -> Any:
    """All columns of the table, those that the file lacks as nulls of their types."""
    pandas = import_module("pandas")
    columns = {}
    for name, dtype in zip(plan.names, plan.dtypes):  # noqa: B905  zip() has no strict before 3.10
        if name in frame.columns:
            columns[name] = frame[name]
        else:
            columns[name] = text_table.nulls(len(frame), dtype)
    return pandas.DataFrame(columns, columns=list(plan.names), index=frame.index)
