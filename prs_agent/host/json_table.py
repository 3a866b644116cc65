"""JSON lines to a DataFrame: one object a line, the planned columns of it, what it lacks as a null.

A type is kept when all values have it: int64, float64 (integers too, and nulls), bool, string (and nulls). "object" is for
everything else: the values as Python has them, nested ones as dicts and lists. Texts are never taken for dates or numbers.
"""

from __future__ import annotations

import json
from importlib import import_module
from typing import Any, Callable, Dict, List, Tuple

from .read_plan import ReadPlan, Table, Widened

_WIDER = {"int64": "float64", "float64": "object", "bool": "object", "nullable_bool": "object", "string": "object"}
_INT64 = range(-(2**63), 2**63)
_EXACT_IN_FLOAT = 2**53


class InvalidRecordError(ValueError):
    """A line is no JSON object."""


def read(data: bytes, plan: ReadPlan) -> Table:
    """The table of whole lines in UTF-8; InvalidRecordError for a line that is no object, unless the plan drops it."""
    records = parse_lines(data.decode("utf-8"), plan.drops_invalid_lines)
    widened: Widened = {}
    columns = {}
    for number, name in enumerate(plan.names):
        values = [record.get(name) for record in records]
        columns[name] = _to_series(values, plan.dtypes[number], number, widened)
    frame = import_module("pandas").DataFrame(columns, columns=list(plan.names), index=range(len(records)))
    return Table(frame, widened)


def parse_lines(text: str, drops_invalid: bool) -> List[Dict[str, Any]]:
    """The objects of the lines; blank ones are skipped."""
    records = []
    for line in text.split("\n"):
        if not line or line.isspace():
            continue
        try:
            record = json.loads(line, parse_constant=_refuse)
            if not isinstance(record, dict):
                raise ValueError("it is no object")
        except ValueError as error:
            if drops_invalid:
                continue
            shown = line if len(line) <= 100 else line[:100] + "…"
            raise InvalidRecordError(
                "the line %r is not a JSON object: %s (invalid_lines: drop skips such lines)" % (shown, error)
            ) from error
        records.append(record)
    return records


def _refuse(name: str) -> None:
    raise ValueError("%s is not JSON" % name)


def _to_series(values: List[Any], dtype: str, number: int, widened: Widened) -> Any:
    while True:
        misfit = _misfit(values, dtype)
        if not misfit:
            return _SERIES[dtype](values)
        reason = widened[number][1] if number in widened else misfit
        dtype = _WIDER[dtype]
        widened[number] = (dtype, reason)


def _misfit(values: List[Any], dtype: str) -> str:
    """What among the values is not of the type; empty when all are."""
    kinds = set(map(type, values))
    allowed, nulls = _ALLOWED[dtype]
    odd = kinds - allowed - ({type(None)} if nulls else set())
    if dtype == "object":
        return ""
    if odd:
        return "nulls" if odd == {type(None)} else "a value of another type"
    if dtype == "int64" and values and not (min(values) in _INT64 and max(values) in _INT64):
        return "values beyond 64 bits"
    if dtype == "float64" and any(type(value) is int and abs(value) > _EXACT_IN_FLOAT for value in values):
        return "integers that a float64 does not hold exactly"
    return ""


_ALLOWED: Dict[str, Tuple[Any, bool]] = {
    "int64": ({int}, False),
    "float64": ({float, int}, True),
    "bool": ({bool}, False),
    "nullable_bool": ({bool}, True),
    "string": ({str}, True),
    "object": (set(), True),
}


def _strings(values: List[Any]) -> Any:
    pandas = import_module("pandas")
    return pandas.Series(values, dtype="str" if int(str(pandas.__version__).split(".", maxsplit=1)[0]) >= 3 else object)


_SERIES: Dict[str, Callable[[List[Any]], Any]] = {
    "int64": lambda values: import_module("pandas").Series(values, dtype="int64"),
    "float64": lambda values: import_module("pandas").Series(values, dtype="float64"),
    "bool": lambda values: import_module("pandas").Series(values, dtype=bool),
    "nullable_bool": lambda values: import_module("pandas").Series(values, dtype=object),
    "string": _strings,
    "object": lambda values: import_module("pandas").Series(values, dtype=object),
}
