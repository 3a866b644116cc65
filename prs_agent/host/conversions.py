"""`convert_column_types`: a column to another type; what cannot be converted becomes missing (spec section 4.4)."""

from __future__ import annotations

import datetime
import re
from importlib import import_module
from typing import Any, Callable, Dict, List, Optional

_NUMBER = re.compile(r"\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*\Z")
_INFINITIES = {"inf": float("inf"), "infinity": float("inf"), "-inf": float("-inf"), "-infinity": float("-inf")}
_TRUTHS = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}
_LARGEST = 2**63 - 1


def convert(column: Any, type_: str, arguments: Dict[str, Any]) -> Any:
    """The column as "int", "float", "string", "boolean" or "datetime"."""
    pandas = import_module("pandas")
    kind = column.dtype.kind
    if (type_, kind) in (("int", "i"), ("float", "f"), ("boolean", "b"), ("datetime", "M")):
        return column
    if type_ == "float" and kind in "iu":
        return column.astype("float64")
    values = [None if _is_missing(value) else value for value in column.tolist()]
    make = _MAKERS[type_]
    found = [None if value is None else make(value, arguments) for value in values]
    return pandas.Series(found, index=column.index, dtype=_dtype(type_, found, pandas))


def _dtype(type_: str, found: List[Any], pandas: Any) -> Any:
    has_missing = any(value is None for value in found)
    if type_ == "int":
        return "float64" if has_missing else "int64"
    if type_ == "string":
        return "str" if int(str(pandas.__version__).split(".", maxsplit=1)[0]) >= 3 else object
    return {"float": "float64", "datetime": "datetime64[ns]", "boolean": object if has_missing else bool}[type_]


def _is_missing(value: Any) -> bool:
    return value is None or value != value  # noqa: PLR0124  only NaN and NaT differ from themselves


def _to_float(value: Any, arguments: Dict[str, Any]) -> Optional[float]:
    if isinstance(value, (bool, datetime.datetime)):
        return None
    if not isinstance(value, str):
        return float(value)
    return float(value) if _NUMBER.match(value) else _INFINITIES.get(value.strip().lower())


def _to_int(value: Any, arguments: Dict[str, Any]) -> Optional[int]:
    if isinstance(value, str):
        try:
            whole = int(value) if "_" not in value else None
        except ValueError:
            whole = None
        if whole is not None:
            return whole if -_LARGEST - 1 <= whole <= _LARGEST else None
    number = _to_float(value, arguments)
    return int(number) if number is not None and abs(number) < 2.0**63 else None


def _to_string(value: Any, arguments: Dict[str, Any]) -> str:
    if isinstance(value, float):
        return _plain(value)
    if isinstance(value, datetime.datetime):
        return value.isoformat() + ("" if value.tzinfo else "+00:00")
    return str(value)


def _plain(value: float) -> str:
    """Without an exponent, and without a fraction of zero."""
    text = repr(value)
    if "e" in text:
        text = format(import_module("decimal").Decimal(text), "f")
    return text[:-2] if text.endswith(".0") else text


def _to_boolean(value: Any, arguments: Dict[str, Any]) -> Optional[bool]:
    if isinstance(value, datetime.datetime):
        return None
    if not isinstance(value, str):
        return bool(value != 0)
    if not arguments:
        return _TRUTHS.get(value.strip().lower())
    if value in arguments["true_values"]:
        return True
    return False if value in arguments["false_values"] else arguments["mismatch"]


def _to_datetime(value: Any, arguments: Dict[str, Any]) -> Optional[datetime.datetime]:
    for format_ in arguments["formats"] if isinstance(value, str) else ():
        try:
            moment = datetime.datetime.strptime(value.strip(), format_)  # noqa: DTZ007  a zone is taken off below
        except ValueError:
            continue
        return moment.astimezone(datetime.timezone.utc).replace(tzinfo=None) if moment.tzinfo else moment
    return None


_MAKERS: Dict[str, Callable[[Any, Dict[str, Any]], Any]] = {
    "int": _to_int,
    "float": _to_float,
    "string": _to_string,
    "boolean": _to_boolean,
    "datetime": _to_datetime,
}
