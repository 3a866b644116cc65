"""`partition_format`: columns out of the path of a file (spec section 4.3).

The format is matched against the end of the path. `{name}` is a piece without `/` and `\\`, `*` any such piece, `{{` and
`}}` are braces, and one `{name:yyyy/MM/dd/HH/mm/ss}`, or any part of it that has the year, makes a date.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from dataclasses import dataclass

from prsd.base.mltable.words import MLTableError

_PIECE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|\*|[{}]|[^{}*]+")
_UNITS = {"yyyy": "year", "MM": "month", "dd": "day", "HH": "hour", "mm": "minute", "ss": "second"}
_UNIT = re.compile("yyyy|MM|dd|HH|mm|ss")


@dataclass(frozen=True, slots=True)
class PartitionFormat:
    """A parsed format: the columns in the order that they get in the table, a date last, and what finds their values."""

    text: str
    columns: tuple[str, ...]
    date_column: str
    expression: re.Pattern[str]

    def values(self, path: str) -> tuple[str | None, ...]:
        """One value for each column out of a file's whole path, a date as ISO text; all None when it does not match."""
        found = self.expression.search(path)
        if found is None:
            return (None,) * len(self.columns)
        return tuple(_date(found) if name == self.date_column else found[f"c{i}"] for i, name in enumerate(self.columns))


def parse_partition_format(text: str) -> PartitionFormat:
    """The format; MLTableError says what is wrong with it."""
    pieces = list(_pieces(text))
    names = [piece for kind, piece in pieces if kind == "column"]
    dates = [piece for kind, piece in pieces if kind == "date"]
    if not names and not dates:
        raise MLTableError(f"the partition_format {text!r} names no column: write {{name}} for a piece of the path")
    if len(dates) > 1:
        raise MLTableError(f"the partition_format {text!r} has {len(dates)} dates: one column can be built of the path")
    date_column, pattern = _split_date(dates[0]) if dates else ("", "")
    columns = [*names, *([date_column] if date_column else [])]
    twice = next((name for name in columns if columns.count(name) > 1), None)
    if twice is not None:
        raise MLTableError(f"the partition_format {text!r} names the column {twice!r} twice")
    whole = "".join(_expression(kind, piece, names, pattern) for kind, piece in pieces)
    return PartitionFormat(text, tuple(columns), date_column, re.compile(whole + r"\Z", re.DOTALL))


def _expression(kind: str, piece: str, names: list[str], date_pattern: str) -> str:
    if kind == "column":
        return rf"(?P<c{names.index(piece)}>[^/\\]+)"
    if kind == "wild":
        return r"[^/\\]*"
    return _date_expression(date_pattern) if kind == "date" else re.escape(piece)


def _pieces(text: str) -> Iterator[tuple[str, str]]:
    for found in _PIECE.finditer(text):
        piece = found[0]
        if piece in ("{{", "}}"):
            yield "text", piece[0]
        elif found[1] is not None:
            if not found[1].partition(":")[0]:
                raise MLTableError(f"the partition_format {text!r} has a column without a name")
            yield ("date" if ":" in found[1] else "column"), found[1]
        elif piece in ("{", "}"):
            raise MLTableError(f"the partition_format {text!r} has a brace that is not closed; {{{{ stands for a brace")
        else:
            yield ("wild" if piece == "*" else "text"), piece


def _split_date(piece: str) -> tuple[str, str]:
    name, _, pattern = piece.partition(":")
    units = _UNIT.findall(pattern)
    if "yyyy" not in units:
        raise MLTableError(f"the date {{{piece}}} of the partition_format lacks the year: write {{{name}:yyyy/MM/dd}}")
    if len(set(units)) < len(units):
        raise MLTableError(f"the date {{{piece}}} of the partition_format has a part twice")
    unknown = re.search("[A-Za-z]", _UNIT.sub("", pattern))
    if unknown:
        raise MLTableError(f"the date {{{piece}}} of the partition_format may hold {', '.join(_UNITS)}, not {unknown[0]!r}")
    return name, pattern


def _date_expression(pattern: str) -> str:
    pieces, position = [], 0
    for unit in _UNIT.finditer(pattern):
        pieces += [re.escape(pattern[position : unit.start()]), rf"(?P<{_UNITS[unit[0]]}>\d{{{len(unit[0])}}})"]
        position = unit.end()
    return "".join(pieces) + re.escape(pattern[position:])


def _date(found: re.Match[str]) -> str | None:
    parts = {"month": 1, "day": 1} | {
        name: int(value) for name, value in found.groupdict().items() if name in _UNITS.values()
    }
    try:
        return datetime.datetime(**parts).isoformat()  # type: ignore[arg-type]  # noqa: DTZ001 (a path has no zone)
    except ValueError:
        return None
