"""Divides an MLTable that is a list of files: its rows are paths, with the columns that a partition format gives them."""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterator

from prs_agent.division.files import divide_files, files_per_mini_batch
from prs_agent.division.job import Division
from prs_agent.division.manifest import ManifestWriter, encode_json
from prs_agent.division.notices import Notices
from prs_agent.division.partitions import check_keys, group, key_dtypes
from prs_agent.division.plan import columns_of_format
from prs_agent.division.problems import MLTableError
from prs_agent.division.tables import note_unmatched
from prsd.base.mltable.filters import check_types, holds
from prsd.base.mltable.model import ExtractColumns, Filter, MLTable, Skip, Take

_Row = tuple[str, list[str | None]]


def divide_file_table(
    table: MLTable, paths: Iterator[str], division: Division, manifest: ManifestWriter, notices: Notices
) -> None:
    """Write the manifest; MLTableError for a filter over what is no column of the list."""
    columns, rows = _transformed(table, paths, notices)
    check_keys(division.partition_keys, list(columns))
    if not division.partition_keys:
        divide_files((path for path, _ in rows), table.folder, files_per_mini_batch(division), manifest)
        return
    every = list(rows)
    dtypes = key_dtypes(division.partition_keys, columns)
    header = {"kind": "files", "root": table.folder, "plan": {"key_dtypes": dtypes}}
    records: list[bytes] = []
    items = size_bytes = 0
    numbered = ((number, values) for number, (_, values) in enumerate(every))
    for key, numbers in group(division.partition_keys, list(columns), numbered):
        records.append(encode_json({"paths": [every[number][0] for number in numbers], "key": key}).encode("ascii"))
        items += len(numbers)
        size_bytes += len(records[-1])
        if manifest.is_full(len(records), len(records), size_bytes):
            manifest.write(header, len(records), items, records)
            records, items, size_bytes = [], 0, 0
    if records:
        manifest.write(header, len(records), items, records)


def _transformed(table: MLTable, paths: Iterator[str], notices: Notices) -> tuple[dict[str, str], Iterator[_Row]]:
    """The columns beside the path, with their types, and the rows that are left."""
    columns: dict[str, str] = {}
    rows: Iterator[_Row] = ((path, []) for path in paths)
    for each in table.transformations:
        match each:
            case ExtractColumns():
                columns = columns_of_format(each)
                rows = _extracted(rows, each, table, notices)
            case Filter(text, where):
                try:
                    check_types(where, columns, text)
                except ValueError as error:
                    raise MLTableError(str(error)) from None
                rows = _filtered(rows, each, dict(columns))
            case Skip(count):
                rows = _window(rows, count, None)
            case Take(count):
                rows = _window(rows, 0, count)
    return columns, rows


def _extracted(rows: Iterator[_Row], each: ExtractColumns, table: MLTable, notices: Notices) -> Iterator[_Row]:
    for path, _ in rows:
        values = list(each.format.values(os.path.join(table.folder, path)))  # noqa: PTH118 (paths stay text)
        note_unmatched(table, path, values, notices)
        yield path, values


def _filtered(rows: Iterator[_Row], each: Filter, columns: dict[str, str]) -> Iterator[_Row]:
    for path, values in rows:
        row = {name: _typed(value, dtype) for (name, dtype), value in zip(columns.items(), values, strict=True)}
        if holds(each.where, row):
            yield path, values


def _typed(value: str | None, dtype: str) -> str | datetime.datetime | None:
    return datetime.datetime.fromisoformat(value) if dtype == "datetime" and value is not None else value


def _window(rows: Iterator[_Row], first: int, count: int | None) -> Iterator[_Row]:
    from itertools import islice

    return islice(rows, first, None if count is None else first + count)
