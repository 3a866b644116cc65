"""What happens to the rows of a table after they are read: the steps of its plan, one after another, on a DataFrame.

{"op": "constants", "columns": [{"name", "dtype"}], "first": n, "at_start": bool}   values n, n + 1… of the file's own
{"op": "select", "columns": [name…]}
{"op": "convert", "columns": [name…], "type": …, "arguments": {…}}
{"op": "filter", "where": tree, "dtypes": {name: dtype}}
{"op": "sample", "probability": p, "seed": s}
{"op": "window", "number": k}       the rows that division has found to lie in the k-th skip or take after a filter
"""

from __future__ import annotations

import datetime
import random
from importlib import import_module
from typing import Any, Callable, Dict, List, Sequence, Tuple

from . import conversions, filters
from .failures import LoadError

# From the number of a window and the number of rows before it to the rows that stay: [first, end).
Window = Callable[[int, int], Tuple[int, int]]


class Steps:
    """The steps of one plan; LoadError for one that this host does not know."""

    def __init__(self, steps: Sequence[Dict[str, Any]]) -> None:
        unknown = [step["op"] for step in steps if step["op"] not in _OPERATIONS]
        if unknown:
            raise LoadError("this host does not know the step %r of the read plan" % unknown[0], permanent=True)
        self._steps = list(steps)

    def apply(self, frame: Any, values: Sequence[Any], identity: str, window: Window) -> Any:
        """The rows of one piece of one file; `values` are the constants of the file, `identity` names the piece for ever."""
        for step in self._steps:
            if step["op"] == "constants":
                frame = _add_constants(frame, step, values)
            elif step["op"] == "sample":
                frame = _sample(frame, step, identity)
            elif step["op"] == "window":
                start, end = window(step["number"], len(frame))
                frame = frame.iloc[start:end]
            else:
                frame = _OPERATIONS[step["op"]](frame, step)
        return frame


def constant(value: Any, dtype: str) -> Any:
    """A value out of a path as `run()` sees it: dates are ISO texts in a manifest."""
    return datetime.datetime.fromisoformat(value) if dtype == "datetime" and value is not None else value


def _add_constants(frame: Any, step: Dict[str, Any], values: Sequence[Any]) -> Any:
    frame = frame.copy(deep=False)
    pandas = import_module("pandas")
    for number, column in enumerate(step["columns"]):
        value = constant(values[step["first"] + number], column["dtype"])
        place = number if step["at_start"] else len(frame.columns)
        if column["dtype"] == "datetime":
            made = pandas.Series([value] * len(frame), index=frame.index, dtype="datetime64[ns]")
        elif value is None and column["dtype"] in ("int64", "float64"):
            made = pandas.Series(float("nan"), index=frame.index, dtype="float64")
        else:
            made = pandas.Series([value] * len(frame), index=frame.index, dtype=_dtype_of(value, pandas))
        frame.insert(place, column["name"], made)
    return frame


def _dtype_of(value: Any, pandas: Any) -> Any:
    if isinstance(value, str):
        return "str" if int(str(pandas.__version__).split(".", maxsplit=1)[0]) >= 3 else object
    return object if value is None else None


def _sample(frame: Any, step: Dict[str, Any], identity: str) -> Any:
    """Each row with this probability; the same rows at every attempt."""
    chance = random.Random("%d %s" % (step["seed"], identity))
    chosen = [chance.random() < step["probability"] for _ in range(len(frame))]
    return frame[import_module("pandas").Series(chosen, index=frame.index, dtype=bool)]


def _select(frame: Any, step: Dict[str, Any]) -> Any:
    return frame[step["columns"]]


def _convert(frame: Any, step: Dict[str, Any]) -> Any:
    made = {name: conversions.convert(frame[name], step["type"], step["arguments"]) for name in step["columns"]}
    return frame.assign(**made)


def _filter(frame: Any, step: Dict[str, Any]) -> Any:
    return filters.keep(frame, step["where"], step["dtypes"])


_OPERATIONS: Dict[str, Callable[[Any, Dict[str, Any]], Any]] = {
    "select": _select,
    "convert": _convert,
    "filter": _filter,
    "constants": lambda frame, step: frame,
    "sample": lambda frame, step: frame,
    "window": lambda frame, step: frame,
}


def keep_all(number: int, rows: int) -> Tuple[int, int]:
    """The window of a piece that no skip or take has touched."""
    return 0, rows


def recorded(windows: List[List[int]]) -> Window:
    """The windows that division wrote down for one piece."""

    def window(number: int, rows: int) -> Tuple[int, int]:
        start, end = windows[number]
        return start, end

    return window if windows else keep_all
