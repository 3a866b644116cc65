"""Divides Parquet (spec section 12 e): row groups of a file together up to the size, one that is larger sliced by rows.

Delta Lake is Parquet whose files, columns and partition values its log says (see `delta`).
"""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Iterator
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from prs_agent.division.job import DEFAULT_SIZE_BYTES, Division
from prs_agent.division.manifest import ManifestWriter
from prs_agent.division.notices import Notices
from prs_agent.division.pieces import Piece, TableLayout, check_partition_keys, write_pieces
from prs_agent.division.plan import Rows, plan_steps
from prs_agent.division.problems import InputError
from prs_agent.division.tables import note_unmatched, partition_columns, values_of
from prsd.base.mltable.model import MLTable, ReadDeltaLake, ReadParquet

# Paths here are plain strings, as everywhere in this package.
# ruff: noqa: PTH118


class ParquetFile(NamedTuple):
    """A file of the table: its path relative to the root, (rows, bytes) of its row groups, its schema, columns with nulls.

    `values` are constants that a catalogue gives the file.
    """

    path: str
    groups: list[tuple[int, int]]
    schema: pa.Schema
    nullable: set[str]
    values: tuple[Any, ...] = ()


def divide_parquet(
    table: MLTable, paths: Iterator[str], division: Division, manifest: ManifestWriter, notices: Notices
) -> None:
    """Write the manifest of a Parquet table. InputError for files that cannot be read or disagree."""
    assert isinstance(table.read, ReadParquet | ReadDeltaLake)
    if isinstance(table.read, ReadDeltaLake):
        # Imported here: its library is an extra.
        from prs_agent.division.delta import open_delta

        found = open_delta(table, table.read, paths)
        constants, listed, order = found.constants, found.files, found.order
    else:
        constants, listed, order = {}, [(path, ()) for path in paths], []
    check_partition_keys(division, {**constants, **partition_columns(table)})
    files = [_open(table.folder, path, tuple(values)) for path, values in listed]
    if not any(file.groups for file in files):
        return
    schema = _unify(files, order)
    columns = [_column(field, files) for field in schema]
    plan = {
        "format": "parquet",
        "columns": columns,
        "schema_b64": b64encode(schema.serialize().to_pybytes()).decode("ascii"),
        "include_path_column": table.read.include_path_column,
    }
    constant_columns = [{"name": name, "dtype": dtype} for name, dtype in constants.items()]
    planned = plan_steps(
        table, columns, notices, has_path_column=table.read.include_path_column, constants=constant_columns, order=order
    )
    plan["steps"] = planned.steps
    entries = []
    for file in files:
        of_path = values_of(table, file.path)
        note_unmatched(table, file.path, of_path, notices)
        entries.append({"path": file.path, "values": [*file.values, *of_path]})
    layout = TableLayout(table.folder, plan, planned, entries, {**constants, **partition_columns(table)})
    write_pieces(layout, _pieces(files, planned.rows, division), division, manifest)


def _open(root: str, path: str, values: tuple[Any, ...]) -> ParquetFile:
    try:
        with pq.ParquetFile(os.path.join(root, path)) as file:
            metadata, schema = file.metadata, file.schema_arrow.remove_metadata()
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{os.path.join(root, path)} cannot be read as Parquet: {error}") from error
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    nullable = set()
    for group in groups:
        for number in range(group.num_columns):
            column = group.column(number)
            statistics = column.statistics
            if statistics is None or not statistics.has_null_count or statistics.null_count:
                nullable.add(column.path_in_schema.split(".", maxsplit=1)[0])
    sizes = [(group.num_rows, group.total_byte_size) for group in groups if group.num_rows]
    return ParquetFile(path, sizes, schema, nullable, values)


def _unify(files: list[ParquetFile], order: list[str]) -> pa.Schema:
    """The columns of all files: wider numbers where they differ. InputError where no type fits."""
    schema = files[0].schema
    for file in files[1:]:
        try:
            schema = pa.unify_schemas([schema, file.schema], promote_options="permissive")
        except pa.ArrowException as error:
            raise InputError(f"{file.path} and {files[0].path} have different columns: {error}") from error
    if order:
        schema = pa.schema([schema.field(name) for name in order if schema.get_field_index(name) >= 0])
    names = schema.names
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"{files[0].path} has two columns named {twice!r}")
    return schema


def _column(field: pa.Field, files: list[ParquetFile]) -> dict[str, str]:
    """Name and type of a column: "object" is what neither filters nor conversions know."""
    has_nulls = any(field.name in file.nullable or file.schema.get_field_index(field.name) < 0 for file in files)
    if pa.types.is_integer(field.type):
        dtype = "float64" if has_nulls else "int64"
    elif pa.types.is_boolean(field.type):
        dtype = "nullable_bool" if has_nulls else "bool"
    elif pa.types.is_floating(field.type):
        dtype = "float64"
    elif pa.types.is_string(field.type) or pa.types.is_large_string(field.type):
        dtype = "string"
    elif pa.types.is_timestamp(field.type) and field.type.tz is None:
        dtype = "datetime"
    else:
        dtype = "object"
    return {"name": field.name, "dtype": dtype}


def _pieces(files: list[ParquetFile], rows: Rows, division: Division) -> Iterator[Piece]:
    """Ranges of rows of each file; rows that skips and takes leave out are in none."""
    row = 0
    for number, file in enumerate(files):
        total = sum(count for count, _ in file.groups)
        first = min(max(rows.first - row, 0), total)
        last = total if rows.end is None else min(max(rows.end - row, 0), total)
        for start, end in _cuts(file, division, first):
            begin, stop = max(start, first), min(end, last)
            if begin < stop:
                yield Piece(number, begin, stop, stop - begin)
        row += total


def _cuts(file: ParquetFile, division: Division, first: int) -> Iterator[tuple[int, int]]:
    total = sum(count for count, _ in file.groups)
    if division.partition_keys:
        yield 0, total
    elif division.unit == "rows":
        for start in range(first, total, division.size):
            yield start, min(start + division.size, total)
    else:
        yield from _cuts_by_size(file, division.size if division.unit != "default" and division.size else DEFAULT_SIZE_BYTES)


def _cuts_by_size(file: ParquetFile, size_bytes: int) -> Iterator[tuple[int, int]]:
    start = position = held_bytes = 0
    for count, group_bytes in file.groups:
        if position > start and held_bytes + group_bytes > size_bytes:
            yield start, position
            start, held_bytes = position, 0
        parts = min(count, -(-group_bytes // size_bytes))
        for part in range(1, parts):
            end = position + count * part // parts
            yield start, end
            start = end
        position += count
        held_bytes += group_bytes
        if parts > 1:
            yield start, position
            start, held_bytes = position, 0
    if position > start:
        yield start, position
