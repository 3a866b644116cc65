"""Tables of text, delimited or JSON lines: where the data of each file starts, and the columns and types of all of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import dropwhile
from typing import Any

from prs_agent.division.job import Division
from prs_agent.division.problems import InputError, MLTableError
from prs_agent.division.records import Head, read_head
from prs_agent.division.sampling import Block, TableFile, blocks
from prs_agent.host.streams import is_compressed
from prsd.base.mltable.model import ReadDelimited, ReadJsonLines

# Paths here are plain strings, as everywhere in this package.
# ruff: noqa: PTH118


@dataclass(frozen=True, slots=True)
class TextTable:
    """A table whose columns are known: the files that have bytes (path relative to `root`, size) and the read plan.

    `columns_of_files` are the columns of each file, where they differ.
    """

    root: str
    files: list[tuple[str, int]]
    read: ReadDelimited | ReadJsonLines
    plan: dict[str, Any]
    columns_of_files: list[list[str]] = field(default_factory=list)

    @property
    def is_delimited(self) -> bool:
        """Whether its records are delimited text."""
        return isinstance(self.read, ReadDelimited)

    @property
    def is_seekable(self) -> bool:
        """Whether the start of a record can be found from any offset of any file."""
        return self.read.has_seekable_records and not any(is_compressed(path) for path, _ in self.files)

    @property
    def quoting(self) -> str:
        """The delimiter, where quoted fields may hold line ends."""
        return self.read.delimiter if isinstance(self.read, ReadDelimited) and self.read.support_multi_line else ""

    def head(self, position: int) -> Head:
        """The head of a file. InputError when it has another byte order, or another header where all must be the same."""
        path = os.path.join(self.root, self.files[position][0])
        head = _head(path, self.read, position)
        if head.codec != self.plan["encoding"]:
            raise InputError(
                f"{path} is {head.codec}, but the first file is {self.plan['encoding']}: a table needs one byte order"
            )
        if isinstance(self.read, ReadDelimited) and self.read.header == "all_files_same_headers" and not head.is_blank:
            self._check_names(head, position)
        return head

    def _check_names(self, head: Head, position: int) -> None:
        wanted = self.plan["header_names"]
        if list(head.names) != wanted:
            first, other = self.files[0][0], self.files[position][0]
            raise InputError(
                f"{other} has the header {','.join(head.names)!r}, but {first} has {','.join(wanted)!r}: "
                "all_files_same_headers needs the same header in every file (all_files_different_headers does not)"
            )


def plan_delimited(root: str, sized: list[tuple[str, int]], read: ReadDelimited, division: Division) -> TextTable | None:
    """The table of these files (path, size); None when there is nothing in them."""
    files = list(dropwhile(lambda file: _head(os.path.join(root, file[0]), read, 0).is_blank, sized))
    if not files:
        return None
    # Imported here: pyarrow takes longer to start than the division of a file list takes in all.
    from prs_agent.division.inference import FALSE_VALUES, TRUE_VALUES, infer_types, infer_types_by_name

    samples = [TableFile(os.path.join(root, path), size) for path, size in files]
    first = _head(samples[0].path, read, 0)
    chosen = _samples(samples, read, division)
    columns_of_files: list[list[str]] = []
    if read.header == "all_files_different_headers":
        headers = {sample.path: _names_of(sample, read) for sample in samples}
        types = infer_types_by_name(chosen, read, headers)
        columns_of_files = [_with_extra(headers[sample.path], types) for sample in samples]
        columns = _columns(list(types), list(types.values()), read)
    else:
        found = infer_types(chosen, read, len(first.names))
        columns = _columns(column_names(first.names, len(found)), found, read)
    plan = {
        "format": "delimited",
        "delimiter": read.delimiter,
        "encoding": first.codec,
        "header": read.header,
        "header_names": list(first.names),
        "support_multi_line": read.support_multi_line,
        "columns": columns,
        "null_values": [] if read.empty_as_string else [""],
        "true_values": TRUE_VALUES,
        "false_values": FALSE_VALUES,
        "empty_as_string": read.empty_as_string,
        "include_path_column": read.include_path_column,
        "strict_types": division.strict_types,
    }
    return TextTable(root, files, read, plan, columns_of_files)


def plan_json_lines(root: str, sized: list[tuple[str, int]], read: ReadJsonLines, division: Division) -> TextTable | None:
    """The table of these files (path, size); None when there is nothing in them."""
    from prs_agent.division.inference import infer_json_types

    samples = [TableFile(os.path.join(root, path), size) for path, size in sized]
    types = infer_json_types(_samples(samples, read, division), read) if samples else {}
    if not types:
        return None
    plan = {
        "format": "json_lines",
        "encoding": _head(samples[0].path, read, 0).codec,
        "columns": [{"name": name, "dtype": dtype} for name, dtype in types.items()],
        "drops_invalid_lines": read.drops_invalid_lines,
        "include_path_column": read.include_path_column,
        "strict_types": division.strict_types,
    }
    return TextTable(root, sized, read, plan)


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


def _head(path: str, read: ReadDelimited | ReadJsonLines, position: int) -> Head:
    if isinstance(read, ReadJsonLines):
        return read_head(path, read.encoding, has_header=False)
    first_only = read.header == "from_first_file"
    has_header = read.header.startswith("all_files") or (first_only and position == 0)
    return read_head(path, read.encoding, has_header, read.delimiter, read.support_multi_line)


def _samples(files: list[TableFile], read: ReadDelimited | ReadJsonLines, division: Division) -> Iterator[Block]:
    positions = {id(sample): position for position, sample in enumerate(files)}

    @lru_cache(maxsize=1)
    def head_of(sample: TableFile) -> Head:
        return _head(sample.path, read, positions[id(sample)])

    whole = division.infer_schema == "full"
    multi_line = isinstance(read, ReadDelimited) and read.support_multi_line
    is_seekable = read.has_seekable_records and not any(is_compressed(file.path) for file in files)
    quoting = read.delimiter if isinstance(read, ReadDelimited) and multi_line else ""
    return blocks(files, head_of, quoting, is_seekable, whole)


def _names_of(file: TableFile, read: ReadDelimited) -> list[str]:
    names = _head(file.path, read, 0).names
    return column_names(names, len(names))


def _with_extra(names: list[str], types: dict[str, str]) -> list[str]:
    """The columns of a file, and those that only records longer than the header have."""
    extra = list(names)
    while (name := f"Column{len(extra) + 1}") in types:
        extra.append(name)
    return extra


def _columns(names: list[str], types: list[str], read: ReadDelimited) -> list[dict[str, str]]:
    if read.include_path_column and "Path" in names:
        raise InputError("include_path_column adds a column named Path, but the table has one already")
    unknown = [name for name in read.overrides if name not in names]
    if unknown:
        raise MLTableError(f"column_type_overrides names {unknown[0]!r}; the table has the columns {', '.join(names)}")
    if not read.infer_column_types:
        types = ["string"] * len(types)
    return [{"name": name, "dtype": read.overrides.get(name, dtype)} for name, dtype in zip(names, types, strict=True)]
