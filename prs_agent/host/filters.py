"""Which rows of a DataFrame a filter keeps: the tree of `prsd.base.mltable.filters`, evaluated over whole columns.

A comparison with something missing is neither true nor false, so every condition is two columns: where it is true, and where
that is known.
"""

from __future__ import annotations

import datetime
import operator
from importlib import import_module
from typing import Any, Callable, Dict, List, Tuple

_COMPARISONS: Dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_ARITHMETIC: Dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
}
_Condition = Tuple[Any, Any]


def keep(frame: Any, tree: List[Any], dtypes: Dict[str, str]) -> Any:
    """The rows for which the tree is true. `dtypes` are those that the plan gives the columns here."""
    true, _ = _condition(frame, tree, dtypes)
    return frame[true]


def _condition(frame: Any, tree: List[Any], dtypes: Dict[str, str]) -> _Condition:
    name = tree[0]
    if name in ("and", "or"):
        (left, left_known), (right, right_known) = (_condition(frame, part, dtypes) for part in tree[1:])
        if name == "and":  # as the original does: a left side that is not known makes the whole not known
            return left & right, left_known & (right_known | ~left)
        return left | right, (left_known & right_known) | left | right
    if name == "not":
        true, known = _condition(frame, tree[1], dtypes)
        return known & ~true, known
    if name in _COMPARISONS:
        return _compare(frame, tree, dtypes)
    if name == "value":
        return _everywhere(frame, bool(tree[1])), _everywhere(frame, True)
    values = _operand(frame, tree, dtypes)
    known = values.notna()
    return (values == True) & known, known  # noqa: E712  of a column with values that are missing


def _compare(frame: Any, tree: List[Any], dtypes: Dict[str, str]) -> _Condition:
    left, right = (_operand(frame, part, dtypes) for part in tree[1:])
    known = _everywhere(frame, True)
    for side in (left, right):
        if hasattr(side, "notna"):
            known = known & side.notna()
    left, right = (side[known] if hasattr(side, "notna") else side for side in (left, right))
    true = _everywhere(frame, False)
    found = _COMPARISONS[tree[0]](left, right)
    true[known] = found.astype(bool) if hasattr(found, "astype") else found
    return true, known


def _operand(frame: Any, tree: List[Any], dtypes: Dict[str, str]) -> Any:
    name = tree[0]
    if name == "column":
        return _column(frame, tree[1], dtypes)
    if name == "value":
        return tree[1]
    if name == "datetime":
        moment = import_module("pandas").Timestamp(tree[1])
        assert isinstance(moment, datetime.datetime)
        return moment
    if name == "negative":
        return -_operand(frame, tree[1], dtypes)
    left, right = (_operand(frame, part, dtypes) for part in tree[1:])
    return _ARITHMETIC[name](left, right)


def _column(frame: Any, name: str, dtypes: Dict[str, str]) -> Any:
    """The column; what the filter was not made for (a text in a column of numbers, in this mini-batch) counts as missing."""
    column, dtype = frame[name], dtypes.get(name)
    is_texts = column.dtype == object or str(column.dtype) in ("str", "string")
    if not is_texts or dtype == "string":
        return column
    pandas = import_module("pandas")
    if dtype in ("int64", "float64"):
        return pandas.to_numeric(column, errors="coerce")
    if dtype == "datetime":
        return pandas.to_datetime(column, errors="coerce")
    return column.where(column.map(lambda value: isinstance(value, bool)))


def _everywhere(frame: Any, value: bool) -> Any:
    return import_module("pandas").Series([value] * len(frame), index=frame.index, dtype=bool)
