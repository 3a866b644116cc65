"""Reads an MLTable file: its top-level keys, its paths, and the order of its transformations."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import yaml

from prsd.base.mltable.model import ExtractColumns, Filter, MLTable, PathEntry, Read, Skip, Take, Transformation
from prsd.base.mltable.reads import READS, parse_read
from prsd.base.mltable.transformations import TRANSFORMATIONS, parse_transformation
from prsd.base.mltable.words import MLTableError, mapping, refuse_unknown

FILE_NAME = "MLTable"

_TOP_LEVEL = ("$schema", "type", "paths", "query_source", "transformations", "metadata", "traits")
_PATH_KINDS = ("file", "folder", "pattern")
_TRAITS = ("index_columns", "timestamp_column")
_OF_FILES = (ExtractColumns, Filter, Skip, Take)


def load_mltable(folder: str) -> MLTable:
    """The MLTable of a folder. MLTableError says what is wrong with the file; OSError when it cannot be read."""
    with open(os.path.join(folder, FILE_NAME), "rb") as file:  # noqa: PTH118, PTH123 (paths stay text)
        return parse_mltable(folder, file.read())


def parse_mltable(folder: str, text: bytes) -> MLTable:
    """The MLTable that a file of these bytes in `folder` is; MLTableError names the file."""
    path = os.path.join(folder, FILE_NAME)  # noqa: PTH118
    try:
        content = yaml.load(text.decode("utf-8-sig"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise MLTableError(f"{path} is not valid YAML: {error}") from error
    try:
        return _parse(folder, content)
    except MLTableError as error:
        raise MLTableError(f"{path}: {error}") from None


def _parse(folder: str, content: object) -> MLTable:
    keys = mapping(content, "the file")
    refuse_unknown("key", keys, _TOP_LEVEL)
    if keys.get("type", "mltable") != "mltable":
        raise MLTableError(f"type is {keys['type']!r}; it can only be mltable")
    if "query_source" in keys:
        raise MLTableError("query_source is not supported: export the data to files and name them in paths")
    if keys.get("traits") is not None:
        refuse_unknown("key of traits:", mapping(keys["traits"], "traits"), _TRAITS)
    return MLTable(folder, tuple(_paths(keys.get("paths"))), **_transformations(keys.get("transformations")))


def _paths(entries: object) -> Iterable[PathEntry]:
    if not isinstance(entries, list) or not entries:
        raise MLTableError("paths must be a list of entries such as `- file: ./a.csv`")
    for position, entry in enumerate(entries):
        where = f"paths[{position}]"
        keys = mapping(entry, where)
        refuse_unknown(f"key of {where}:", keys, _PATH_KINDS)
        if len(keys) != 1:
            raise MLTableError(f"{where} must have exactly one of the keys {', '.join(_PATH_KINDS)}")
        [(kind, value)] = keys.items()
        if not isinstance(value, str) or not value:
            raise MLTableError(f"{where}.{kind} must be a path, not {value!r}")
        yield PathEntry(kind, value)


def _transformations(entries: object) -> dict[str, Any]:
    """The fields of MLTable that come from the list."""
    if entries is None:
        entries = []
    if not isinstance(entries, list):
        raise MLTableError("transformations must be a list")
    read: Read | None = None
    following: list[Transformation] = []
    extracts_first = False
    for position, entry in enumerate(entries):
        where = f"transformations[{position}]"
        name, parameters = _named(entry, where)
        try:
            if name not in READS:
                following.append(parse_transformation(name, parameters))
                continue
            if read is not None or any(not isinstance(each, ExtractColumns) for each in following):
                raise MLTableError(f"{name} must be the first transformation, and the only reading one")
            extracts_first = bool(following)
            read = parse_read(name, parameters)
        except MLTableError as error:
            raise MLTableError(f"{where}: {error}") from None
    _check_together(read, following)
    return {"read": read, "transformations": tuple(following), "extracts_first": extracts_first}


def _named(entry: object, where: str) -> tuple[str, object]:
    if isinstance(entry, str):
        name, parameters = entry, None
    elif isinstance(entry, dict) and len(entry) == 1:
        [(name, parameters)] = entry.items()
    else:
        raise MLTableError(f"{where} must be the name of a transformation, or one key with its parameters")
    refuse_unknown(f"transformation in {where}:", [name], (*READS, *TRANSFORMATIONS))
    return name, parameters


def _check_together(read: Read | None, following: list[Transformation]) -> None:
    if sum(isinstance(each, ExtractColumns) for each in following) > 1:
        raise MLTableError("extract_columns_from_partition_format can be there once")
    if read is None:
        odd = next((each for each in following if not isinstance(each, _OF_FILES)), None)
        if odd is not None:
            raise MLTableError(
                f"{type(odd).__name__} needs a table, but there is no read transformation: a list of files can only have "
                "filter, skip, take and extract_columns_from_partition_format"
            )
