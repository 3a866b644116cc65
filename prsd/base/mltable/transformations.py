"""The parameters of the transformations that follow the reading one, with their ranges."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from prsd.base.mltable.filters import parse_filter
from prsd.base.mltable.model import (
    ColumnSelector,
    Conversion,
    ConvertColumnTypes,
    DropColumns,
    ExtractColumns,
    Filter,
    KeepColumns,
    Skip,
    Take,
    TakeRandomSample,
    Transformation,
)
from prsd.base.mltable.partition_format import parse_partition_format
from prsd.base.mltable.words import MLTableError, flag, mapping, one_of, refuse_unknown, texts, whole_number

_SIMPLE_TYPES = ("int", "float", "string", "boolean")
_OTHER_TYPES = ("datetime", "boolean", "stream_info")
_MISMATCH = {"error": None, "true": True, "false": False}
# Known to the format, and not done because its meaning hangs on how the original's engine cuts and draws.
_REFUSED = {
    "select_partitions": "what a partition is depends on the engine that cuts the table: use filter, skip or take",
    "sample": "use take_random_sample, or take for the first rows",
}


def parse_transformation(name: str, parameters: object) -> Transformation:
    """The transformation of that name; MLTableError for what its parameters cannot be, or what cannot be done here."""
    if name in _REFUSED:
        raise MLTableError(f"{name} is not supported: {_REFUSED[name]}")
    return _TRANSFORMATIONS[name](name, parameters)


def _selector(where: str, value: object) -> ColumnSelector:
    if not isinstance(value, dict):
        return ColumnSelector(texts(where, value))
    refuse_unknown(f"key of {where}:", value, ("pattern", "ignore_case", "invert"))
    pattern = value.get("pattern")
    if not isinstance(pattern, str) or not pattern:
        raise MLTableError(f"{where} needs a pattern, a regular expression, when it is a mapping")
    try:
        re.compile(pattern)
    except re.error as error:
        raise MLTableError(f"{where}.pattern {pattern!r} is not a regular expression: {error}") from None
    flags = [flag(f"{where}.{key}", value.get(key, False)) for key in ("ignore_case", "invert")]
    return ColumnSelector((), pattern, *flags)


def _filter(where: str, value: object) -> Filter:
    if not isinstance(value, str):
        raise MLTableError(f"{where} must be an expression in quotes such as 'col(\"a\") > 2', not {value!r}")
    return Filter(value, parse_filter(value))


def _sample(where: str, value: object) -> TakeRandomSample:
    keys = mapping(value, where)
    refuse_unknown(f"key of {where}:", keys, ("probability", "seed"))
    probability = keys.get("probability")
    if isinstance(probability, bool) or not isinstance(probability, int | float) or not 0 <= probability <= 1:
        raise MLTableError(f"{where}.probability must be a number from 0 to 1, not {probability!r}")
    return TakeRandomSample(float(probability), whole_number(f"{where}.seed", keys.get("seed") or 0))


def _extract(where: str, value: object) -> ExtractColumns:
    keys = mapping(value, where)
    refuse_unknown(f"key of {where}:", keys, ("partition_format",))
    text = keys.get("partition_format")
    if not isinstance(text, str) or not text:
        raise MLTableError(f"{where}.partition_format must be a text such as '{{Store}}/{{Brand}}/*.csv', not {text!r}")
    return ExtractColumns(parse_partition_format(text))


def _convert(where: str, value: object) -> ConvertColumnTypes:
    if not isinstance(value, list) or not value:
        raise MLTableError(f"{where} must be a list of entries with columns and column_type")
    return ConvertColumnTypes(tuple(_conversion(f"{where}[{number}]", entry) for number, entry in enumerate(value)))


def _conversion(where: str, entry: object) -> Conversion:
    keys = mapping(entry, where)
    refuse_unknown(f"key of {where}:", keys, ("columns", "column_type"))
    if len(keys) < 2:
        raise MLTableError(f"{where} needs columns and column_type")
    columns, type_ = _selector(f"{where}.columns", keys["columns"]), keys["column_type"]
    where = f"{where}.column_type"
    if isinstance(type_, str):
        name, arguments = one_of(where, type_, (*_SIMPLE_TYPES, *_OTHER_TYPES)), None
    else:
        given = mapping(type_, where)
        if len(given) != 1:
            raise MLTableError(f"{where} must be a type or one type with its parameters")
        [(name, arguments)] = given.items()
        one_of(where, name, _OTHER_TYPES)
    if name == "stream_info":
        raise MLTableError(f"{where}: stream_info is not supported: a table here holds values, not files")
    if name == "datetime":
        return Conversion(columns, name, _datetime(f"{where}.datetime", arguments))
    return Conversion(columns, name, _boolean(f"{where}.boolean", arguments) if arguments is not None else {})


def _datetime(where: str, value: object) -> dict[str, Any]:
    keys = mapping(value or {}, where)
    refuse_unknown(f"key of {where}:", keys, ("formats", "date_constant"))
    if keys.get("date_constant") is not None:
        raise MLTableError(f"{where}.date_constant is not supported: write the date into the data")
    if not keys.get("formats"):
        raise MLTableError(f"{where} needs formats such as ['%Y-%m-%d']")
    return {"formats": list(texts(f"{where}.formats", keys["formats"]))}


def _boolean(where: str, value: object) -> dict[str, Any]:
    keys = mapping(value, where)
    refuse_unknown(f"key of {where}:", keys, ("true_values", "false_values", "mismatch_as"))
    found: dict[str, Any] = {"true_values": [], "false_values": []}
    for key in found:
        if keys.get(key) is not None:
            found[key] = list(texts(f"{where}.{key}", keys[key]))
    if not (found["true_values"] and found["false_values"]):
        raise MLTableError(f"{where} needs both true_values and false_values")
    mismatch = keys.get("mismatch_as", "error")
    word = one_of(f"{where}.mismatch_as", str(mismatch).lower() if isinstance(mismatch, bool) else mismatch, _MISMATCH)
    return {**found, "mismatch": _MISMATCH[word]}


_TRANSFORMATIONS: dict[str, Callable[[str, object], Transformation]] = {
    "convert_column_types": _convert,
    "drop_columns": lambda where, value: DropColumns(_selector(where, value)),
    "keep_columns": lambda where, value: KeepColumns(_selector(where, value)),
    "filter": _filter,
    "skip": lambda where, value: Skip(whole_number(where, value)),
    "take": lambda where, value: Take(whole_number(where, value)),
    "take_random_sample": _sample,
    "extract_columns_from_partition_format": _extract,
}
TRANSFORMATIONS = (*_TRANSFORMATIONS, *_REFUSED)
