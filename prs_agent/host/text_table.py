"""Delimited records to a DataFrame in plain Python, for what pyarrow is missing for or does not do exactly.

This is the reference of what a plan means: one line is one record (unless the plan lets quotes span lines), a blank line is
none, missing fields are nulls, fields beyond the last column are dropped, quotes make a text of what is empty.
 pandas holds the result and reads
nothing: its reader takes 0.0 for an integer and False for a number, so it cannot keep to a plan.
"""

from __future__ import annotations

import itertools
import re
from importlib import import_module
from typing import Any, Callable, Dict, FrozenSet, Iterable, List, Optional, Sequence

from .read_plan import ReadPlan, Table, Widened, widen_from
from .texts import join_lines, split_line

_MOMENT = re.compile(r"\d{4}-\d\d-\d\d(?:[ T]\d\d(?::\d\d(?::\d\d(?:\.\d{1,9})?)?)?)?\Z")
_INT64 = range(-(2**63), 2**63)
Texts = Sequence[Optional[str]]


def read(data: bytes, plan: ReadPlan) -> Table:
    """The table of any records in UTF-8."""
    records = _records(data.decode("utf-8"), plan)
    dtypes = list(plan.dtypes)
    widened: Widened = {}
    columns = {
        plan.names[number]: _to_series(texts, number, dtypes, plan, widened)
        for number, texts in enumerate(_transpose(records, len(plan.names)))
    }
    frame = import_module("pandas").DataFrame(columns, columns=list(plan.names))
    return Table(frame, widened)


def nulls(rows: int, dtype: str) -> Any:
    """A column without any value, of the type that a planned column with nulls has."""
    missing: Texts = [None] * rows
    return _CONVERTERS[_WITH_NULLS.get(dtype, dtype)](missing, ReadPlan((), ()))


def _transpose(records: Sequence[Sequence[Optional[str]]], width: int) -> Iterable[Texts]:
    """The fields of each column; None where a record is too short."""
    if records and min(map(len, records)) >= width:
        return itertools.islice(zip(*records), width)  # noqa: B905  zip() has no strict before 3.10
    return ([record[number] if number < len(record) else None for record in records] for number in range(width))


def _records(text: str, plan: ReadPlan) -> List[List[Optional[str]]]:
    whole = join_lines(text, plan.delimiter) if plan.spans_lines else text.split("\n")
    lines = (line[:-1] if line.endswith("\r") else line for line in whole)
    return [_fields(line, plan) for line in lines if line]


def _fields(line: str, plan: ReadPlan) -> List[Optional[str]]:
    nulls: FrozenSet[str] = frozenset() if plan.empty_as_string else plan.null_values
    if '"' not in line:
        return [None if text in nulls else text for text in line.split(plan.delimiter)]
    return [None if text in nulls and not quoted else text for text, quoted in split_line(line, plan.delimiter)]


def _with_nulls(texts: Texts, plan: ReadPlan, dtype: str) -> Texts:
    """With empty_as_string, an empty field is a null only where it cannot be a text."""
    nulls = plan.null_values if plan.empty_as_string and dtype != "string" else frozenset()
    return texts if nulls.isdisjoint(texts) else [None if text in nulls else text for text in texts]


def _to_series(texts: Texts, number: int, dtypes: List[str], plan: ReadPlan, widened: Widened) -> Any:
    """The column in the first type, from the planned one on, that all its values have."""
    while True:
        try:
            return _CONVERTERS[dtypes[number]](_with_nulls(texts, plan, dtypes[number]), plan)
        except ValueError as error:
            widen_from(dtypes, number, widened, str(error))


def _numbers(texts: Iterable[Optional[str]], parse: Callable[[str], Any], missing: Any) -> List[Any]:
    values = []
    for text in texts:
        try:
            values.append(missing if text is None else parse(text))
        except ValueError:
            raise ValueError("invalid value %r" % text) from None
    if any("_" in text for text in texts if text):  # 1_000 is a number to Python alone
        raise ValueError("digits with underscores")
    return values


def _to_int64(texts: Texts, plan: ReadPlan) -> Any:
    if None in texts:
        raise ValueError("nulls")
    values = _numbers(texts, int, None)
    if values and not (min(values) in _INT64 and max(values) in _INT64):
        raise ValueError("values beyond 64 bits")
    return import_module("pandas").Series(values, dtype="int64")


def _to_float64(texts: Texts, plan: ReadPlan) -> Any:
    return import_module("pandas").Series(_numbers(texts, float, float("nan")), dtype="float64")


def _to_bool(texts: Texts, plan: ReadPlan) -> Any:
    if None in texts:
        raise ValueError("nulls")
    unknown = set(texts) - plan.true_values - plan.false_values
    if unknown:
        raise ValueError("invalid value %r" % next(iter(unknown)))
    return import_module("pandas").Series([text in plan.true_values for text in texts], dtype=bool)


def _to_nullable_bool(texts: Texts, plan: ReadPlan) -> Any:
    unknown = set(texts) - plan.true_values - plan.false_values - {None}
    if unknown:
        raise ValueError("invalid value %r" % next(iter(unknown)))
    values = [None if text is None else text in plan.true_values for text in texts]
    return import_module("pandas").Series(values, dtype=object)


def _to_datetime(texts: Texts, plan: ReadPlan) -> Any:
    for text in texts:
        if text is not None and not _MOMENT.match(text):
            raise ValueError("invalid value %r" % text)
    pandas = import_module("pandas")
    moments = [pandas.NaT if text is None else pandas.Timestamp(text) for text in texts]
    return pandas.Series(moments, dtype="datetime64[ns]")


def _to_string(texts: Texts, plan: ReadPlan) -> Any:
    pandas = import_module("pandas")
    # From pandas 3 on, text has a type of its own; pyarrow's to_pandas gives it, too.
    has_str = int(str(pandas.__version__).split(".", maxsplit=1)[0]) >= 3
    return pandas.Series(list(texts), dtype="str" if has_str else object)


_WITH_NULLS = {"int64": "float64", "bool": "nullable_bool", "object": "nullable_bool"}
_CONVERTERS: Dict[str, Callable[[Texts, Any], Any]] = {
    "int64": _to_int64,
    "float64": _to_float64,
    "bool": _to_bool,
    "nullable_bool": _to_nullable_bool,
    "datetime": _to_datetime,
    "string": _to_string,
}
