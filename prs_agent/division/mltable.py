"""Reads an MLTable file (spec section 4.4): where the data lies and how it is read.

An MLTable without a read transformation is a list of files. With one it is a table; this version reads delimited text. What
the format knows but this version does not is refused by name, what nobody knows is refused with the nearest known word.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

import yaml

from prs_agent.division.problems import MLTableError, of_os_error

# Paths here are plain strings, as everywhere in this package.
# ruff: noqa: PTH118, PTH123

FILE_NAME = "MLTable"

_TOP_LEVEL = ("$schema", "type", "paths", "query_source", "transformations", "metadata", "traits")
_PATH_KINDS = ("file", "folder", "pattern")
_NOT_YET_READ = ("read_parquet", "read_json_lines", "read_delta_lake")
_NOT_YET = (
    "convert_column_types",
    "drop_columns",
    "keep_columns",
    "filter",
    "skip",
    "take",
    "take_random_sample",
    "extract_columns_from_partition_format",
    "select_partitions",
    "sample",
)
_HEADERS = ("all_files_same_headers", "no_header", "from_first_file", "all_files_different_headers")
_ENCODINGS = {
    "utf8": "utf-8",
    "utf8bom": "utf-8",
    "utf8sig": "utf-8",
    "latin1": "iso-8859-1",
    "iso88591": "iso-8859-1",
    "ascii": "ascii",
    "windows1252": "cp1252",
    "cp1252": "cp1252",
    "utf16": "utf-16",
}
_OVERRIDES = {"int": "int64", "float": "float64", "string": "string", "boolean": "bool", "datetime": "datetime"}


@dataclass(frozen=True, slots=True)
class PathEntry:
    """One entry of `paths`: `kind` is "file", "folder" or "pattern"; `value` is a path, relative to the MLTable's folder."""

    kind: str
    value: str


@dataclass(frozen=True, slots=True)
class ReadDelimited:
    """The parameters of `read_delimited`, with their defaults filled in. `encoding` is the name of a Python codec."""

    delimiter: str = ","
    header: str = "all_files_same_headers"
    encoding: str = "utf-8"
    empty_as_string: bool = False
    include_path_column: bool = False
    support_multi_line: bool = False
    infer_column_types: bool = True
    overrides: dict[str, str] = field(default_factory=dict)
    partition_size_bytes: int = 0

    @property
    def has_seekable_records(self) -> bool:
        """Whether the start of a record can be found from any offset."""
        return not self.support_multi_line and self.encoding != "utf-16"


@dataclass(frozen=True, slots=True)
class MLTable:
    """A checked MLTable file; without `read` it is a list of files."""

    folder: str
    paths: tuple[PathEntry, ...]
    read: ReadDelimited | None = None


def load_mltable(folder: str) -> MLTable:
    """The MLTable of a folder. MLTableError says what is wrong with the file, InputError that there is none."""
    path = os.path.join(folder, FILE_NAME)
    try:
        with open(path, "rb") as file:
            content = yaml.load(file, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except OSError as error:
        raise of_os_error(error, path, "file") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise MLTableError(f"{path} is not valid YAML: {error}") from error
    try:
        return _parse(folder, content)
    except MLTableError as error:
        raise MLTableError(f"{path}: {error}") from None


def _parse(folder: str, content: object) -> MLTable:
    keys = _mapping(content, "the file")
    _refuse_unknown("key", keys, _TOP_LEVEL)
    if keys.get("type", "mltable") != "mltable":
        raise MLTableError(f"type is {keys['type']!r}; it can only be mltable")
    if "query_source" in keys:
        raise MLTableError(
            "query_source is not supported yet by this version: export the data to files and name them in paths"
        )
    return MLTable(folder, tuple(_paths(keys.get("paths"))), _read(keys.get("transformations")))


def _paths(entries: object) -> Iterable[PathEntry]:
    if not isinstance(entries, list) or not entries:
        raise MLTableError("paths must be a list of entries such as `- file: ./a.csv`")
    for position, entry in enumerate(entries):
        where = f"paths[{position}]"
        keys = _mapping(entry, where)
        _refuse_unknown(f"key of {where}:", keys, _PATH_KINDS)
        if len(keys) != 1:
            raise MLTableError(f"{where} must have exactly one of the keys {', '.join(_PATH_KINDS)}")
        [(kind, value)] = keys.items()
        if not isinstance(value, str) or not value:
            raise MLTableError(f"{where}.{kind} must be a path, not {value!r}")
        yield PathEntry(kind, value)


def _read(transformations: object) -> ReadDelimited | None:
    """What the list of transformations says about reading."""
    if transformations is None:
        return None
    if not isinstance(transformations, list):
        raise MLTableError("transformations must be a list")
    read = None
    for position, entry in enumerate(transformations):
        name, parameters = _transformation(entry, f"transformations[{position}]")
        if name != "read_delimited":
            raise MLTableError(f"transformations[{position}]: {name} is not supported yet by this version")
        if position > 0:
            raise MLTableError(
                f"transformations[{position}]: {name} must be the first transformation, and the only reading one"
            )
        read = _read_delimited(_mapping(parameters or {}, name))
    return read


def _transformation(entry: object, where: str) -> tuple[str, object]:
    if isinstance(entry, str):
        name, parameters = entry, None
    elif isinstance(entry, dict) and len(entry) == 1:
        [(name, parameters)] = entry.items()
    else:
        raise MLTableError(f"{where} must be the name of a transformation, or one key with its parameters")
    _refuse_unknown(f"transformation in {where}:", [name], ("read_delimited", *_NOT_YET_READ, *_NOT_YET))
    return name, parameters


def _read_delimited(keys: dict[str, Any]) -> ReadDelimited:
    known = {
        "delimiter": _delimiter,
        "header": _header,
        "encoding": _encoding,
        "empty_as_string": _flag,
        "include_path_column": _flag,
        "support_multi_line": _flag,
        "infer_column_types": _inference,
        "partition_size": _partition_size,
        "path_column": _not_yet,
    }
    _refuse_unknown("parameter of read_delimited:", keys, known)
    values: dict[str, Any] = {}
    for name, value in keys.items():
        if value is not None:
            values.update(known[name](f"read_delimited.{name}", value))
    return ReadDelimited(**values)


def _delimiter(where: str, value: object) -> dict[str, Any]:
    if isinstance(value, str) and len(value) == 2 and value != "\\t":
        raise MLTableError(f"{where}: two characters ({value!r}) are not supported yet by this version")
    if not isinstance(value, str) or len(value) != 1 or not value.isascii() or value in '\r\n"':
        raise MLTableError(f'{where} must be one ASCII character, not {value!r} (a tab is written "\\t" in double quotes)')
    return {"delimiter": value}


def _header(where: str, value: object) -> dict[str, Any]:
    if value not in _HEADERS:
        raise MLTableError(f"{where} is {value!r}{_did_you_mean(value, _HEADERS)}; it can be {', '.join(_HEADERS)}")
    if value == "all_files_different_headers":
        raise MLTableError(f"{where}: all_files_different_headers is not supported yet by this version")
    return {"header": value}


def _encoding(where: str, value: object) -> dict[str, Any]:
    plain = str(value).lower().replace("-", "").replace("_", "").replace(" ", "")
    if plain not in _ENCODINGS:
        raise MLTableError(f"{where} is {value!r}{_did_you_mean(plain, _ENCODINGS)}; it can be {', '.join(_ENCODINGS)}")
    return {"encoding": _ENCODINGS[plain]}


def _flag(where: str, value: object) -> dict[str, Any]:
    if not isinstance(value, bool):
        raise MLTableError(f"{where} must be true or false, not {value!r}")
    return {where.rpartition(".")[2]: value}


def _inference(where: str, value: object) -> dict[str, Any]:
    """`sample_size` is accepted and has no effect: types come from the whole sample of the table (spec section 12 d)."""
    if isinstance(value, bool):
        return {"infer_column_types": value}
    keys = _mapping(value, where)
    _refuse_unknown(f"key of {where}:", keys, ("sample_size", "column_type_overrides"))
    overrides = {}
    for column, name in _mapping(keys.get("column_type_overrides") or {}, f"{where}.column_type_overrides").items():
        if name not in _OVERRIDES:
            known = ", ".join(_OVERRIDES)
            raise MLTableError(
                f"{where}: the type of {column!r} is {name!r}{_did_you_mean(name, _OVERRIDES)}; it can be {known}"
            )
        overrides[str(column)] = _OVERRIDES[name]
    return {"overrides": overrides}


def _partition_size(where: str, value: object) -> dict[str, Any]:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise MLTableError(f"{where} must be a number of bytes, not {value!r}")
    return {"partition_size_bytes": value}


def _not_yet(where: str, _value: object) -> dict[str, Any]:
    raise MLTableError(f"{where} is not supported yet by this version")


def _mapping(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise MLTableError(f"{where} must be a mapping of keys, not {value!r}")
    return value


def _refuse_unknown(what: str, names: Iterable[object], known: Iterable[str]) -> None:
    allowed = list(known)
    for name in names:
        if name not in allowed:
            raise MLTableError(f"unknown {what} {name!r}{_did_you_mean(name, allowed)}")


def _did_you_mean(name: object, known: Iterable[str]) -> str:
    nearest = get_close_matches(str(name), list(known), n=1)
    return f" (did you mean {nearest[0]!r}?)" if nearest else ""
