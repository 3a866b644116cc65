"""Delta Lake: which Parquet files a version of a table has, and the values of its partition columns (spec section 4.4)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib import import_module
from typing import Any, NamedTuple
from urllib.parse import unquote

import pyarrow as pa

from prs_agent.division.problems import InputError, MLTableError
from prsd.base.mltable.model import MLTable, ReadDeltaLake

# Paths here are plain strings, as everywhere in this package.
# ruff: noqa: PTH118

# Beyond these, a table is not what its Parquet files say.
_KNOWN_FEATURES = {"appendOnly", "invariants", "timestampNtz", "v2Checkpoint", "vacuumProtocolCheck", "checkConstraints"}


class DeltaVersion(NamedTuple):
    """A version: `constants` are its partition columns with types, `files` have a value for each, `order` is all columns."""

    constants: dict[str, str]
    files: list[tuple[str, tuple[Any, ...]]]
    order: list[str]


def open_delta(table: MLTable, read: ReadDeltaLake, paths: Iterator[str]) -> DeltaVersion:
    """The version that the MLTable asks for. InputError when the library, the table or the version is not there."""
    try:
        deltalake = import_module("deltalake")
    except ImportError as error:
        raise InputError("read_delta_lake needs the library deltalake on the agent: pip install 'prs[delta]'") from error
    folder = _folder(table)
    try:
        found = deltalake.DeltaTable(os.path.join(table.folder, folder), version=read.version)
        if read.timestamp is not None:
            found.load_as_version(read.timestamp)
        _refuse_features(found)
        actions = pa.table(found.get_add_actions(flatten=False)).to_pylist()
    except deltalake.exceptions.DeltaError as error:
        raise InputError(f"{os.path.join(table.folder, folder)} cannot be read as Delta Lake: {error}") from error
    names = list(found.metadata().partition_columns)
    fields = {field.name: str(getattr(field.type, "type", field.type)) for field in found.schema().fields}
    constants = {name: _dtype(fields[name], name) for name in names}
    files = [
        (os.path.join(folder, unquote(action["path"])), _values(action, names, constants))
        for action in sorted(actions, key=lambda action: os.fsencode(action["path"]))
    ]
    return DeltaVersion(constants, files, list(fields))


def _folder(table: MLTable) -> str:
    """The one folder of `paths`, relative to that of the MLTable."""
    if len(table.paths) != 1 or table.paths[0].kind == "pattern":
        raise MLTableError("read_delta_lake needs exactly one entry in paths, the folder of the Delta Lake table")
    return os.path.normpath(table.paths[0].value.removeprefix("file://"))


def _refuse_features(found: Any) -> None:
    features = set(found.protocol().reader_features or ()) - _KNOWN_FEATURES
    if features:
        raise InputError(f"the Delta Lake table uses {', '.join(sorted(features))}, which this version cannot read exactly")


def _dtype(delta_type: str, name: str) -> str:
    known = {"string": "string", "integer": "int64", "long": "int64", "short": "int64", "byte": "int64", "date": "datetime",
             "boolean": "bool", "double": "float64", "float": "float64"}  # fmt: skip
    if delta_type not in known:
        raise InputError(f"the partition column {name!r} is {delta_type}, which this version cannot read")
    return known[delta_type]


def _values(action: dict[str, Any], names: list[str], constants: dict[str, str]) -> tuple[Any, ...]:
    given = action.get("partition") or action.get("partition_values") or {}
    return tuple(_value(given.get(name), constants[name]) for name in names)


def _value(value: Any, dtype: str) -> Any:
    if value is None:
        return None
    if dtype == "datetime":
        return str(value) if len(str(value)) > 10 else f"{value}T00:00:00"
    return value
