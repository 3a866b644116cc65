"""Divides a delimited table (spec section 4.2): each file on its own, never two files in one mini-batch.

Where records can be found from any offset, a manifest part holds arithmetic only (files and a size) and the workers look for
their boundaries; otherwise, and for sizes in rows, one pass over each file writes exact byte ranges.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import dropwhile
from typing import Any

from prs_agent.division.delimited import Head, content_end, cut_by_rows, cut_by_size, read_head, records
from prs_agent.division.job import DEFAULT_SIZE_BYTES, Division
from prs_agent.division.manifest import ManifestWriter, encode_json
from prs_agent.division.mltable import MLTable, ReadDelimited
from prs_agent.division.problems import InputError, MLTableError, of_os_error
from prs_agent.division.sampling import TableFile, blocks

# Paths here are plain strings, as everywhere in this package.
# ruff: noqa: PTH118, PTH202

_KIND = "delimited"


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose columns are known: the files that have bytes (path relative to `root`, size) and the read plan."""

    root: str
    files: list[tuple[str, int]]
    read: ReadDelimited
    plan: dict[str, Any]

    def head(self, position: int) -> Head:
        """The head of a file; a header that names other columns than the first file's is an InputError."""
        path = os.path.join(self.root, self.files[position][0])
        head = read_head(path, self.read, has_header(self.read, position))
        _check_codec(head, self.plan["encoding"], path)
        return head


def divide_table(
    table: MLTable, read: ReadDelimited, paths: Iterator[str], division: Division, manifest: ManifestWriter
) -> None:
    """Write the manifest of a table.

    Raises InputError for files that cannot be read or disagree, and what the manifest raises.
    """
    sized = [(path, size) for path in paths if (size := _size_bytes(os.path.join(table.folder, path)))]
    files = list(dropwhile(lambda file: _is_blank(os.path.join(table.folder, file[0]), read), sized))
    if not files:
        return
    planned = _plan(table.folder, files, read, division)
    if division.unit == "rows" or not read.has_seekable_records:
        _write_ranges(planned, division, manifest)
    else:
        _write_arithmetic(planned, _part_size(read, division), manifest)


def has_header(read: ReadDelimited, position: int) -> bool:
    """Whether the file at that position begins with a header line."""
    return read.header == "all_files_same_headers" or (read.header == "from_first_file" and position == 0)


def column_names(fields: tuple[str, ...], count: int) -> list[str]:
    """`count` distinct names: those of the header, a later duplicate with _1, _2…, and ColumnN where there is none."""
    names: list[str] = []
    taken: set[str] = set()
    for position in range(count):
        wanted = fields[position] if position < len(fields) else ""
        name = wanted = wanted or f"Column{position + 1}"
        number = 0
        while name in taken:
            number += 1
            name = f"{wanted}_{number}"
        taken.add(name)
        names.append(name)
    return names


def _plan(root: str, files: list[tuple[str, int]], read: ReadDelimited, division: Division) -> Table:
    """The read plan: what a worker needs beside a byte range."""
    samples = [TableFile(os.path.join(root, path), size) for path, size in files]
    first = read_head(samples[0].path, read, has_header(read, 0))
    positions = {id(sample): position for position, sample in enumerate(samples)}

    @lru_cache(maxsize=1)
    def head_of(sample: TableFile) -> Head:
        return read_head(sample.path, read, has_header(read, positions[id(sample)]))

    # Imported here: pyarrow takes longer to start than the division of a file list takes in all.
    from prs_agent.division.inference import FALSE_VALUES, TRUE_VALUES, infer_types

    chosen = blocks(samples, head_of, read, whole=division.infer_schema == "full")
    types = infer_types(chosen, read, len(first.names))
    plan = {
        "format": "delimited",
        "delimiter": read.delimiter,
        "encoding": first.codec,
        "header": read.header,
        "header_names": list(first.names),
        "quote": '"',
        "support_multi_line": read.support_multi_line,
        "columns": _columns(first, types, read),
        "null_values": [] if read.empty_as_string else [""],
        "true_values": TRUE_VALUES,
        "false_values": FALSE_VALUES,
        "empty_as_string": read.empty_as_string,
        "include_path_column": read.include_path_column,
        "strict_types": division.strict_types,
    }
    return Table(root, files, read, plan)


def _columns(first: Head, types: list[str], read: ReadDelimited) -> list[dict[str, str]]:
    names = column_names(first.names, len(types))
    if read.include_path_column and "Path" in names:
        raise InputError("include_path_column adds a column named Path, but the table has one already")
    unknown = [name for name in read.overrides if name not in names]
    if unknown:
        raise MLTableError(f"column_type_overrides names {unknown[0]!r}; the table has the columns {', '.join(names)}")
    if not read.infer_column_types:
        types = ["string"] * len(types)
    return [{"name": name, "dtype": read.overrides.get(name, dtype)} for name, dtype in zip(names, types, strict=True)]


def _part_size(read: ReadDelimited, division: Division) -> int:
    """Bytes per mini-batch; a `partition_size` in the MLTable counts when the step says nothing."""
    if division.unit != "default" and division.size > 0:
        return division.size
    return read.partition_size_bytes or DEFAULT_SIZE_BYTES


def _write_arithmetic(table: Table, size_bytes: int, manifest: ManifestWriter) -> None:
    header = {"kind": _KIND, "root": table.root, "plan": table.plan, "size": size_bytes}
    # All bytes of a file count for its number of parts; its "size" ends before blank lines at its end, which are no records.
    entries: list[dict[str, Any]] = []
    count = 0
    for position, (path, file_bytes) in enumerate(table.files):
        head = _checked_head(table, position)
        end = content_end(os.path.join(table.root, path), file_bytes)
        if head.is_blank or head.data_start >= end:
            continue
        parts = -(-file_bytes // size_bytes)
        first = manifest.next_index + count
        entries.append({"path": path, "size": end, "data_start": head.data_start, "first": first, "parts": parts})
        count += parts
        if manifest.is_full(len(entries), count, 100 * len(entries)):
            manifest.write({**header, "files": entries}, count, 0)
            entries, count = [], 0
    if entries:
        manifest.write({**header, "files": entries}, count, 0)


def _write_ranges(table: Table, division: Division, manifest: ManifestWriter) -> None:
    header = {"kind": _KIND, "root": table.root, "plan": table.plan}
    entries: list[dict[str, Any]] = []
    ranges: list[bytes] = []
    for position, (path, file_bytes) in enumerate(table.files):
        head = _checked_head(table, position)
        entry = {"path": path, "size": file_bytes, "data_start": head.data_start}
        entries.append(entry)
        for start, end in _ranges(table, position, head.data_start, division):
            ranges.append(encode_json({"file": len(entries) - 1, "start": start, "end": end}).encode("ascii"))
            if manifest.is_full(len(ranges), len(ranges), 64 * len(ranges)):
                manifest.write({**header, "files": entries}, len(ranges), 0, ranges)
                entries, ranges = [entry], []
    if ranges:
        manifest.write({**header, "files": entries}, len(ranges), 0, ranges)


def _ranges(table: Table, position: int, data_start: int, division: Division) -> Iterator[tuple[int, int]]:
    path = os.path.join(table.root, table.files[position][0])
    found = records(path, table.read, table.plan["encoding"], data_start)
    if division.unit == "rows":
        return cut_by_rows(found, division.size)
    return cut_by_size(found, _part_size(table.read, division))


def _checked_head(table: Table, position: int) -> Head:
    head = table.head(position)
    if (
        position
        and has_header(table.read, position)
        and not head.is_blank
        and list(head.names) != table.plan["header_names"]
    ):
        first, other = table.files[0][0], table.files[position][0]
        raise InputError(
            f"{other} has the header {','.join(head.names)!r}, but {first} has {','.join(table.plan['header_names'])!r}: "
            "all_files_same_headers needs the same header in every file"
        )
    return head


def _check_codec(head: Head, codec: str, path: str) -> None:
    if head.codec != codec:
        raise InputError(f"{path} is {head.codec}, but the first file is {codec}: a table needs one byte order")


def _is_blank(path: str, read: ReadDelimited) -> bool:
    """Whether the file has nothing to take a header from."""
    return read_head(path, read, has_header(read, 0)).is_blank


def _size_bytes(path: str) -> int:
    try:
        return os.path.getsize(path)
    except OSError as error:
        raise of_os_error(error, path, "file") from error
