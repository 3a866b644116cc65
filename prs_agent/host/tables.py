"""Records of delimited text to a DataFrame, by the read plan that division made for the whole table (spec section 12 d).

Column types are fixed by the plan. A value that the inference missed widens its column in this mini-batch alone, int64 to
float64 to string, with one notice per column; with strict types the mini-batch fails for good. There are two readers
with one result: pyarrow where it is new enough, and a slow one in plain Python for the rest and for what pyarrow does not do
exactly (ragged lines, line feeds in quotes, blank lines).
"""

from __future__ import annotations

import codecs
from typing import Any, Callable, Optional, Set

from . import arrow_table, text_table
from .failures import LoadError
from .read_plan import ReadPlan, Table

_PATH_COLUMN = "Path"


class TableReader:
    """Reads the records of one table."""

    def __init__(self, plan: ReadPlan, notice: Callable[[str], None]) -> None:
        self.plan = plan
        self._notice = notice
        self._widened: Set[int] = set()

    def read(self, data: bytes, path: str, is_file_start: bool = False) -> Any:
        """The DataFrame of these whole records of file `path`; LoadError when they cannot be read by the plan."""
        data = self._to_utf8(data, path, is_file_start)
        line_count = None if self.plan.spans_lines else data.count(b"\n") + (not data.endswith(b"\n"))
        table: Optional[Table] = arrow_table.read(data, self.plan, line_count)
        if table is None:
            table = text_table.read(data, self.plan)
        for number, (dtype, reason) in table.widened.items():
            self._report_widened(number, dtype, reason, path)
        if self.plan.has_path_column and _PATH_COLUMN not in self.plan.names:
            table.frame.insert(0, _PATH_COLUMN, path)
        return table.frame

    def _to_utf8(self, data: bytes, path: str, is_file_start: bool) -> bytes:
        if is_file_start and data.startswith(codecs.BOM_UTF8) and self.plan.codec == "utf-8":
            data = data[len(codecs.BOM_UTF8) :]
        try:
            # Decoded in either case: bytes that are not of the plan's encoding must not pass as text.
            text = data.decode(self.plan.codec)
        except UnicodeDecodeError as error:
            raise LoadError("%s is not %s: %s" % (path, self.plan.codec, error), permanent=True) from error
        return data if self.plan.codec in ("utf-8", "ascii") else text.lstrip("\ufeff").encode("utf-8")

    def _report_widened(self, number: int, dtype: str, reason: str, path: str) -> None:
        name, planned = self.plan.names[number], self.plan.dtypes[number]
        if self.plan.is_strict:
            message = "column %r of %s is %s, but holds %s" % (name, path, planned, reason)
            raise LoadError(message + " (--strict_types True)", permanent=True)
        if number not in self._widened:
            self._widened.add(number)
            self._notice(
                "column %r was inferred as %s; mini-batches that hold other values get it as %s "
                "(--infer_schema full looks at all values first)" % (name, planned, dtype)
            )
