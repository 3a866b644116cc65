"""The read plan of a table: its columns, and the steps that its transformations become (see `prs_agent.host.steps`).

Names and types are followed through the transformations, so that a filter over a column that is not there, or that can never
be true, is refused before the first mini-batch. Skips and takes that no filter or sample precedes cut the table itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from prs_agent.division.notices import Notices
from prs_agent.division.problems import MLTableError
from prsd.base.mltable.filters import check_types, columns_of
from prsd.base.mltable.model import (
    ColumnSelector,
    Conversion,
    ConvertColumnTypes,
    DropColumns,
    ExtractColumns,
    Filter,
    KeepColumns,
    MLTable,
    Skip,
    Take,
    TakeRandomSample,
    Transformation,
)

_CONVERTED = {"int": "int64", "float": "float64", "string": "string", "boolean": "nullable_bool", "datetime": "datetime"}
# Types that lose what was written: such a column is read as text when it becomes a text or a date by a format.
_LOSSY = ("int64", "float64", "bool", "nullable_bool")


@dataclass(slots=True)
class Rows:
    """The rows of the table that are left by skips and takes: from `first` on, before `end`."""

    first: int = 0
    end: int | None = None

    def skip(self, count: int) -> None:
        """Leave out the first rows of what is left."""
        self.first += count
        if self.end is not None:
            self.end = max(self.end, self.first)

    def take(self, count: int) -> None:
        """Leave the first rows of what is left."""
        end = self.first + count
        self.end = end if self.end is None else min(self.end, end)

    @property
    def is_all(self) -> bool:
        """Whether no row is left out."""
        return self.first == 0 and self.end is None


@dataclass(slots=True)
class Planned:
    """What transformations make of a table: steps of the plan, rows that are left, and windows to be found row by row.

    `windows` are the skips and takes that follow a filter or a sample, in order; `columns` are those that are read, with
    the types in which they are.
    """

    columns: list[dict[str, str]]
    steps: list[dict[str, Any]] = field(default_factory=list)
    rows: Rows = field(default_factory=Rows)
    windows: list[Skip | Take] = field(default_factory=list)


def plan_steps(
    table: MLTable,
    columns: list[dict[str, str]],
    notices: Notices,
    *,
    has_path_column: bool = False,
    is_text: bool = False,
    constants: list[dict[str, str]] | None = None,
    order: list[str] | None = None,
) -> Planned:
    """The steps for the columns that are read.

    `constants` are columns that every file has one value of, already part of the table (partition columns of Delta Lake);
    `order` is then that of all columns.
    `is_text`: values are made of text, so that a column can be read as text instead. Raises MLTableError.
    """
    builder = _Builder(table, columns, notices, has_path_column, is_text, constants or [])
    if order:
        builder.arrange(order)
    return builder.build()


class _Builder:
    def __init__(  # noqa: PLR0917
        self,
        table: MLTable,
        columns: list[dict[str, str]],
        notices: Notices,
        has_path_column: bool,
        is_text: bool,
        constants: list[dict[str, str]],
    ) -> None:
        self._table = table
        self._notices = notices
        self._is_text = is_text
        self._planned = Planned([dict(column) for column in columns])
        self._read = {column["name"]: column for column in self._planned.columns}
        self._dtypes: dict[str, str] = {"Path": "string"} if has_path_column else {}
        self._touched: set[str] = set()
        self._number_of_constants = 0
        self._loses_rows = False
        for column in columns:
            self._add(column["name"], column["dtype"])
        if constants:
            self._add_constants(constants, at_start=False)

    def arrange(self, order: list[str]) -> None:
        """The columns that are read, in this order; that of the path stays first."""
        self._keep([name for name in self._dtypes if name not in order] + order, "the table")

    def build(self) -> Planned:
        transformations = list(self._table.transformations)
        if self._table.extracts_first:
            self._extract(next(each for each in transformations if isinstance(each, ExtractColumns)), at_start=True)
            transformations = [each for each in transformations if not isinstance(each, ExtractColumns)]
        for each in transformations:
            self._plan(each)
        return self._planned

    def _plan(self, each: Transformation) -> None:
        match each:
            case ExtractColumns():
                self._extract(each, at_start=False)
            case DropColumns(columns):
                dropped = self._select("drop_columns", columns)
                self._keep([name for name in self._dtypes if name not in dropped], "drop_columns")
            case KeepColumns(columns):
                self._keep(self._select("keep_columns", columns), "keep_columns")
            case ConvertColumnTypes(conversions):
                for conversion in conversions:
                    self._convert(conversion)
            case Filter(text, where):
                try:
                    check_types(where, self._dtypes, text)
                except ValueError as error:
                    raise MLTableError(str(error)) from None
                self._touched.update(columns_of(where))
                self._planned.steps.append({"op": "filter", "where": where, "dtypes": self._kinds(where)})
                self._loses_rows = True
            case TakeRandomSample(probability, seed):
                self._planned.steps.append({"op": "sample", "probability": probability, "seed": seed})
                self._loses_rows = True
            case Skip() | Take():
                self._cut(each)

    def _cut(self, each: Skip | Take) -> None:
        if self._loses_rows:
            self._planned.steps.append({"op": "window", "number": len(self._planned.windows)})
            self._planned.windows.append(each)
        elif isinstance(each, Skip):
            self._planned.rows.skip(each.count)
        else:
            self._planned.rows.take(each.count)

    def _extract(self, each: ExtractColumns, at_start: bool) -> None:
        columns = [{"name": name, "dtype": dtype} for name, dtype in columns_of_format(each).items()]
        self._add_constants(columns, at_start)

    def _add_constants(self, columns: list[dict[str, str]], at_start: bool) -> None:
        step = {"op": "constants", "columns": columns, "first": self._number_of_constants, "at_start": at_start}
        self._planned.steps.append(step)
        self._number_of_constants += len(columns)
        before = dict(self._dtypes)
        if at_start:
            self._dtypes.clear()
        for column in columns:
            self._add(column["name"], column["dtype"])
        if at_start:
            for name, dtype in before.items():
                self._add(name, dtype)

    def _add(self, name: str, dtype: str) -> None:
        if name in self._dtypes:
            raise MLTableError(f"there are two columns named {name!r}: rename one, or leave out what adds it")
        self._dtypes[name] = dtype

    def _select(self, where: str, selector: ColumnSelector) -> list[str]:
        for name in selector.missing(list(self._dtypes)):
            self._notices.add(f"{where} names the column {name!r}, which the table does not have")
        return selector.select(list(self._dtypes))

    def _keep(self, names: list[str], where: str) -> None:
        if not names:
            raise MLTableError(f"{where} leaves no column; the table has the columns {', '.join(self._dtypes)}")
        self._dtypes = {name: self._dtypes[name] for name in names}
        self._planned.steps.append({"op": "select", "columns": names})

    def _convert(self, conversion: Conversion) -> None:
        names = self._select("convert_column_types", conversion.columns)
        for name in names:
            dtype = self._dtypes[name]
            if dtype == "object":
                raise MLTableError(f"convert_column_types: {name!r} holds values of several types and cannot be converted")
            as_text = conversion.type == "string" or (conversion.type == "datetime" and dtype in _LOSSY)
            if as_text and self._is_text and name in self._read and name not in self._touched:
                self._read[name]["dtype"] = "string"
            self._dtypes[name] = _CONVERTED[conversion.type]
        self._touched.update(names)
        step = {"op": "convert", "columns": names, "type": conversion.type, "arguments": conversion.arguments}
        self._planned.steps.append(step)

    def _kinds(self, where: list[Any]) -> dict[str, str]:
        return {name: self._dtypes[name] for name in columns_of(where)}


def columns_of_format(each: ExtractColumns) -> dict[str, str]:
    """Names and types of the columns out of a path."""
    return {name: "datetime" if name == each.format.date_column else "string" for name in each.format.columns}
