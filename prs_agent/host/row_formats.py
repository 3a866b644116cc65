"""Returned rows as csv, JSON lines and parquet: formats that lose nothing, unlike the default text (spec section 12 c)."""

from __future__ import annotations

import csv
import io
import json
import math
from importlib import import_module
from typing import Any, Dict, Iterable, List, Sequence, Tuple

from .failures import RowsError
from .returns import is_dataframe

VALUE = "value"  # the one column of elements that are not dicts


def of_dataframe(frame: Any) -> Tuple[List[str], List[List[Any]]]:
    """(column names, rows) with None for nulls; RowsError when two columns have one name."""
    columns = [str(name) for name in frame.columns]
    if len(set(columns)) != len(columns):
        raise RowsError("the returned DataFrame has two columns of one name: %s" % ", ".join(columns))
    values = [_without_nulls(frame.iloc[:, number]) for number in range(len(columns))]
    return columns, [list(record) for record in zip(*values)]  # noqa: B905


def of_elements(elements: Iterable[Any]) -> Tuple[List[str], List[List[Any]]]:
    """(column names, rows): the keys of dicts in order of appearance, or VALUE when an element is no dict."""
    listed = list(elements)
    if not all(isinstance(element, dict) for element in listed):
        return [VALUE], [[element] for element in listed]
    keys: Dict[Any, None] = {}
    for element in listed:
        keys.update(dict.fromkeys(element))
    return [str(key) for key in keys], [[element.get(key) for key in keys] for element in listed]


def _without_nulls(series: Any) -> List[Any]:
    is_null = series.isnull().tolist()
    return [None if null else value for value, null in zip(series.tolist(), is_null)]  # noqa: B905


def to_csv(records: Iterable[Sequence[Any]]) -> str:
    """The rows, quoted where needed; None is an empty field."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(records)
    return text.getvalue()


def to_jsonl(objects: Iterable[Dict[Any, Any]]) -> str:
    """One JSON object a line; dates as ISO 8601, what is not a number as null."""
    lines = []
    for each in objects:
        try:
            line = json.dumps(each, ensure_ascii=False, default=_to_json, allow_nan=False)
        except (ValueError, TypeError):
            try:
                line = json.dumps(_plain(each), ensure_ascii=False, default=_to_json, allow_nan=False)
            except (ValueError, TypeError, RecursionError) as error:
                raise RowsError("a returned element cannot be written as JSON: %s" % error) from error
        lines.append(line + "\n")
    return "".join(lines)


def _to_json(value: Any) -> Any:
    """What json does not know: arrays and numpy's numbers, dates, and for the rest their text."""
    for method in ("tolist", "isoformat"):
        if hasattr(value, method):
            return _plain(getattr(value, method)())
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=str)
    return str(value)


def _plain(value: Any) -> Any:
    """The value with text keys throughout, and null for what is not a number."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value


def to_parquet(returned: Any) -> bytes:
    """A parquet file of the rows; RowsError when a column mixes types."""
    pyarrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    try:
        if is_dataframe(returned):
            table = pyarrow.Table.from_pandas(returned, preserve_index=False)
        else:
            columns, records = of_elements(returned)
            arrays = [pyarrow.array([record[number] for record in records]) for number in range(len(columns))]
            table = pyarrow.Table.from_arrays(arrays, names=columns)
        sink = pyarrow.BufferOutputStream()
        parquet.write_table(table, sink)
    except (pyarrow.ArrowException, TypeError, ValueError) as error:
        raise RowsError("the returned rows cannot be written as parquet: %s" % error) from error
    data: bytes = sink.getvalue().to_pybytes()
    return data
