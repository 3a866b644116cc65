"""Divides a table (spec sections 4.2 and 4.3): each file on its own, unless partition_keys put files together.

Where records can be found from any offset, a manifest part holds arithmetic only (files and a size) and the workers look for
their boundaries; otherwise, and for sizes in rows, one pass over each file writes exact pieces.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from prs_agent.division.job import DEFAULT_SIZE_BYTES, Division
from prs_agent.division.manifest import ManifestWriter
from prs_agent.division.notices import Notices
from prs_agent.division.pieces import KIND, Piece, TableLayout, check_partition_keys, write_pieces
from prs_agent.division.plan import Rows, columns_of_format, plan_steps
from prs_agent.division.problems import InputError, of_os_error
from prs_agent.division.records import Record, cut_by_rows, cut_by_size, has_content, records
from prs_agent.division.text_tables import TextTable, plan_delimited, plan_json_lines
from prs_agent.host.streams import RangeReader, read_failures
from prsd.base.mltable.model import ExtractColumns, MLTable, ReadDelimited, ReadJsonLines

# Paths here are plain strings, as everywhere in this package.
# ruff: noqa: PTH118, PTH202


def divide_table(
    table: MLTable, paths: Iterator[str], division: Division, manifest: ManifestWriter, notices: Notices
) -> None:
    """Write the manifest of a table.

    Raises InputError for files that cannot be read or disagree, MLTableError for transformations that do not fit the
    columns, and what the manifest raises.
    """
    try:
        if isinstance(table.read, ReadDelimited | ReadJsonLines):
            check_partition_keys(division, partition_columns(table))
            _divide_text(table, table.read, paths, division, manifest, notices)
        else:
            # Imported here: a text table needs nothing of Parquet.
            from prs_agent.division.parquet import divide_parquet

            divide_parquet(table, paths, division, manifest, notices)
    except read_failures() as error:
        path = getattr(error, "filename", None)
        raise InputError(f"a file of the table could not be read: {path or ''} {error}") from error


def partition_columns(table: MLTable) -> dict[str, str]:
    """Names and types of the columns out of paths, in the order of a file's values."""
    format_ = next((each for each in table.transformations if isinstance(each, ExtractColumns)), None)
    return columns_of_format(format_) if format_ else {}


def values_of(table: MLTable, path: str) -> list[str | None]:
    """What the path of a file gives those columns; all None where the partition format does not match."""
    format_ = next((each.format for each in table.transformations if isinstance(each, ExtractColumns)), None)
    return list(format_.values(os.path.join(table.folder, path))) if format_ else []


def note_unmatched(table: MLTable, path: str, values: list[str | None], notices: Notices) -> None:
    """Say that the partition format does not match a file."""
    if values and all(value is None for value in values):
        notices.add("the partition_format does not match the path of a file, which gets nulls", path)


def _divide_text(  # noqa: PLR0917
    table: MLTable,
    read: ReadDelimited | ReadJsonLines,
    paths: Iterator[str],
    division: Division,
    manifest: ManifestWriter,
    notices: Notices,
) -> None:
    sized = [(path, size) for path in paths if (size := _size_bytes(os.path.join(table.folder, path)))]
    plan_table = plan_delimited if isinstance(read, ReadDelimited) else plan_json_lines
    found = plan_table(table.folder, sized, read, division)  # type: ignore[arg-type]
    if found is None:
        return
    columns = found.plan["columns"]
    planned = plan_steps(table, columns, notices, has_path_column=read.include_path_column, is_text=found.is_delimited)
    plan = {**found.plan, "columns": planned.columns, "steps": planned.steps}
    layout = TableLayout(table.folder, plan, planned, _entries(table, found, notices), partition_columns(table))
    if (
        division.partition_keys
        or division.unit == "rows"
        or not planned.rows.is_all
        or planned.windows
        or not found.is_seekable
    ):
        write_pieces(layout, _pieces(found, planned.rows, division), division, manifest)
    else:
        _write_arithmetic(found, layout, _part_size(read, division), manifest)


def _entries(table: MLTable, found: TextTable, notices: Notices) -> list[dict[str, Any]]:
    entries = []
    for position, (path, size) in enumerate(found.files):
        entry: dict[str, Any] = {"path": path, "size": size}
        if found.columns_of_files:
            entry["columns"] = found.columns_of_files[position]
        if values := values_of(table, path):
            entry["values"] = values
            note_unmatched(table, path, values, notices)
        entries.append(entry)
    return entries


def _part_size(read: ReadDelimited | ReadJsonLines, division: Division) -> int:
    """Bytes per mini-batch; a `partition_size` in the MLTable counts when the step says nothing."""
    if division.unit != "default" and division.size > 0:
        return division.size
    return read.partition_size_bytes or DEFAULT_SIZE_BYTES


def _write_arithmetic(found: TextTable, layout: TableLayout, size_bytes: int, manifest: ManifestWriter) -> None:
    header = {"kind": KIND, "root": layout.root, "plan": layout.plan, "size": size_bytes}
    entries: list[dict[str, Any]] = []
    count = 0
    for position, (path, file_bytes) in enumerate(found.files):
        head = found.head(position)
        if head.is_blank or not has_content(os.path.join(found.root, path), head.data_start, file_bytes):
            continue
        parts = -(-file_bytes // size_bytes)
        first = manifest.next_index + count
        entries.append({**layout.files[position], "data_start": head.data_start, "first": first, "parts": parts})
        count += parts
        if manifest.is_full(len(entries), count, 100 * len(entries)):
            manifest.write({**header, "files": entries}, count, 0)
            entries, count = [], 0
    if entries:
        manifest.write({**header, "files": entries}, count, 0)


def _pieces(found: TextTable, rows: Rows, division: Division) -> Iterator[Piece]:
    """The pieces of all files in order; with partition_keys a file is one piece."""
    by_file = bool(division.partition_keys)
    is_counted = not (by_file and rows.is_all)
    row = 0
    for position, (path, size_bytes) in enumerate(found.files):
        if rows.end is not None and row >= rows.end:
            return
        head = found.head(position)
        if head.is_blank:
            continue
        if not is_counted:
            yield Piece(position, head.data_start, size_bytes if found.is_seekable else -1)
            continue
        left = _Left(_records(found, path, head.codec, head.data_start), rows, row)
        for start, end, count in _cuts(found, left, division, by_file):
            yield Piece(position, start, end, count)
        row = left.row


class _Left:
    """The records of a file that skips and takes leave; `row` is the number of the next one in the table."""

    def __init__(self, found: Iterator[Record], rows: Rows, row: int) -> None:
        self._found = found
        self._rows = rows
        self.row = row

    def __iter__(self) -> Iterator[Record]:
        end = self._rows.end
        while end is None or self.row < end:
            record = next(self._found, None)
            if record is None:
                return
            self.row += 1
            if self.row > self._rows.first:
                yield record


def _cuts(found: TextTable, left: _Left, division: Division, by_file: bool) -> Iterator[tuple[int, int, int]]:
    if by_file:
        return cut_by_rows(left, 2**63)
    if division.unit == "rows":
        return cut_by_rows(left, division.size)
    return cut_by_size(left, _part_size(found.read, division))


def _records(found: TextTable, path: str, codec: str, start: int) -> Iterator[Record]:
    whole = os.path.join(found.root, path)
    every = records(whole, codec, start, found.quoting)
    if not (isinstance(found.read, ReadJsonLines) and found.read.drops_invalid_lines):
        return every
    return _valid(every, whole, codec)


def _valid(every: Iterator[Record], path: str, codec: str) -> Iterator[Record]:
    """The records of JSON lines that are objects: others are dropped, and must not count."""
    from prs_agent.host.json_table import parse_lines
    from prs_agent.host.texts import decode

    ranges = RangeReader()
    for record in every:
        if parse_lines(decode(ranges.read(path, *record), codec), drops_invalid=True):
            yield record


def _size_bytes(path: str) -> int:
    try:
        return os.path.getsize(path)
    except OSError as error:
        raise of_os_error(error, path, "file") from error
