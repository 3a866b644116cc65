"""The parameters of the read transformations, with their ranges."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

from prsd.base.mltable.model import Read, ReadDelimited, ReadDeltaLake, ReadJsonLines, ReadParquet
from prsd.base.mltable.words import MLTableError, did_you_mean, flag, mapping, one_of, refuse_unknown, whole_number

_HEADERS = ("all_files_same_headers", "no_header", "from_first_file", "all_files_different_headers")
_ENCODINGS = {
    "utf8": "utf-8",
    "utf8bom": "utf-8",
    "utf8sig": "utf-8",
    "ascii": "utf-8",
    "latin1": "whatwg-1252",
    "iso88591": "whatwg-1252",
    "windows1252": "whatwg-1252",
    "cp1252": "whatwg-1252",
    "utf16": "utf-16",
}
_OVERRIDES = {"int": "int64", "float": "float64", "string": "string", "boolean": "bool", "datetime": "datetime"}
_Rule = Callable[[str, object], dict[str, Any]]


def parse_read(name: str, parameters: object) -> Read:
    """The read transformation of that name; MLTableError for what its parameters cannot be."""
    kind, rules = _READS[name]
    keys = mapping(parameters or {}, name)
    refuse_unknown(f"parameter of {name}:", keys, rules)
    values: dict[str, Any] = {}
    for key, value in keys.items():
        if value is not None:
            values.update(rules[key](f"{name}.{key}", value))
    read = kind(**values)
    if isinstance(read, ReadDeltaLake) and (read.version is None) == (read.timestamp is None):
        raise MLTableError("read_delta_lake needs either version_as_of or timestamp_as_of")
    return read


def _delimiter(where: str, value: object) -> dict[str, Any]:
    is_text = isinstance(value, str) and len(value) in (1, 2) and value.isascii()
    if not isinstance(value, str) or not is_text or set(value) & set('\r\n"') or value == "\\t":
        raise MLTableError(f'{where} must be one or two ASCII characters, not {value!r} (a tab is "\\t" in double quotes)')
    return {"delimiter": value}


def _header(where: str, value: object) -> dict[str, Any]:
    return {"header": one_of(where, value, _HEADERS)}


def _encoding(where: str, value: object) -> dict[str, Any]:
    plain = str(value).lower().replace("-", "").replace("_", "").replace(" ", "")
    if plain not in _ENCODINGS:
        raise MLTableError(f"{where} is {value!r}{did_you_mean(plain, _ENCODINGS)}; it can be {', '.join(_ENCODINGS)}")
    return {"encoding": _ENCODINGS[plain]}


def _flag(where: str, value: object) -> dict[str, Any]:
    return {where.rpartition(".")[2]: flag(where, value)}


def _inference(where: str, value: object) -> dict[str, Any]:
    """`sample_size` is accepted and has no effect: types come from the whole sample of the table (spec section 12 d)."""
    if isinstance(value, bool):
        return {"infer_column_types": value}
    keys = mapping(value, where)
    refuse_unknown(f"key of {where}:", keys, ("sample_size", "column_type_overrides"))
    given = mapping(keys.get("column_type_overrides") or {}, f"{where}.column_type_overrides")
    return {
        "overrides": {
            str(column): _OVERRIDES[one_of(f"{where}: the type of {column!r}", name, _OVERRIDES)]
            for column, name in given.items()
        }
    }


def _partition_size(where: str, value: object) -> dict[str, Any]:
    return {"partition_size_bytes": whole_number(where, value, 1)}


def _path_column(where: str, value: object) -> dict[str, Any]:
    """Which column of the listing holds the paths; a listing of files has one, so only its name is right."""
    if value != "Path":
        raise MLTableError(f"{where} is {value!r}; the column of the paths is named 'Path'")
    return {}


def _invalid_lines(where: str, value: object) -> dict[str, Any]:
    return {"drops_invalid_lines": one_of(where, value, ("error", "drop")) == "drop"}


def _version(where: str, value: object) -> dict[str, Any]:
    return {"version": whole_number(where, value)}


def _timestamp(where: str, value: object) -> dict[str, Any]:
    try:
        moment = value if isinstance(value, datetime.datetime) else datetime.datetime.fromisoformat(str(value))
    except ValueError:
        raise MLTableError(f"{where} must be a time such as 2024-05-26T00:00:00Z, not {value!r}") from None
    return {"timestamp": (moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)).isoformat()}


_READS: dict[str, tuple[Callable[..., Read], dict[str, _Rule]]] = {
    "read_delimited": (
        ReadDelimited,
        {
            "delimiter": _delimiter,
            "header": _header,
            "encoding": _encoding,
            "empty_as_string": _flag,
            "include_path_column": _flag,
            "support_multi_line": _flag,
            "infer_column_types": _inference,
            "partition_size": _partition_size,
            "path_column": _path_column,
        },
    ),
    "read_json_lines": (
        ReadJsonLines,
        {
            "invalid_lines": _invalid_lines,
            "encoding": _encoding,
            "include_path_column": _flag,
            "partition_size": _partition_size,
            "path_column": _path_column,
        },
    ),
    "read_parquet": (ReadParquet, {"include_path_column": _flag, "path_column": _path_column}),
    "read_delta_lake": (
        ReadDeltaLake,
        {"version_as_of": _version, "timestamp_as_of": _timestamp, "include_path_column": _flag},
    ),
}
READS = tuple(_READS)
