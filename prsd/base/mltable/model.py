"""What an MLTable file says, checked: where the data lies, how it is read, and what happens to its rows afterwards."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from prsd.base.mltable.partition_format import PartitionFormat


@dataclass(frozen=True, slots=True)
class PathEntry:
    """One entry of `paths`: `kind` is "file", "folder" or "pattern"; `value` is a path, relative to the MLTable's folder."""

    kind: str
    value: str


@dataclass(frozen=True, slots=True)
class ReadDelimited:
    """The parameters of `read_delimited`, with their defaults filled in. `encoding` is the name of a codec.

    "whatwg-1252" is Windows-1252 where every byte has a meaning, which is what the engine reads for Latin-1, too.
    """

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
class ReadJsonLines:
    """The parameters of `read_json_lines`; `drops_invalid_lines` instead of failing at the first one."""

    drops_invalid_lines: bool = False
    encoding: str = "utf-8"
    include_path_column: bool = False
    partition_size_bytes: int = 0

    @property
    def has_seekable_records(self) -> bool:
        """Whether the start of a record can be found from any offset."""
        return self.encoding != "utf-16"


@dataclass(frozen=True, slots=True)
class ReadParquet:
    """The parameters of `read_parquet`."""

    include_path_column: bool = False


@dataclass(frozen=True, slots=True)
class ReadDeltaLake:
    """The parameters of `read_delta_lake`: one of a version and a time (an ISO text) that the table had then."""

    version: int | None = None
    timestamp: str | None = None
    include_path_column: bool = False


Read = ReadDelimited | ReadJsonLines | ReadParquet | ReadDeltaLake


@dataclass(frozen=True, slots=True)
class ColumnSelector:
    """Columns by their names, or by a regular expression that matches from the start of a name."""

    names: tuple[str, ...] = ()
    pattern: str = ""
    ignores_case: bool = False
    inverts: bool = False

    def select(self, columns: Sequence[str]) -> list[str]:
        """Those of `columns` that are meant, in the order of `columns`."""
        if not self.pattern:
            return [name for name in columns if name in self.names]
        found = re.compile(self.pattern, re.IGNORECASE if self.ignores_case else 0)
        return [name for name in columns if (found.match(name) is None) == self.inverts]

    def missing(self, columns: Sequence[str]) -> list[str]:
        """Names that are not there."""
        return [name for name in self.names if name not in columns]


@dataclass(frozen=True, slots=True)
class DropColumns:
    """Columns that go."""

    columns: ColumnSelector


@dataclass(frozen=True, slots=True)
class KeepColumns:
    """Columns that stay, in their own order."""

    columns: ColumnSelector


@dataclass(frozen=True, slots=True)
class Conversion:
    """Columns that get another type: "int", "float", "string", "boolean" or "datetime".

    `arguments`: for datetime `formats`; for boolean `true_values`, `false_values` and `mismatch` (True, False or None).
    """

    columns: ColumnSelector
    type: str
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ConvertColumnTypes:
    """Conversions, one after another."""

    conversions: tuple[Conversion, ...]


@dataclass(frozen=True, slots=True)
class Filter:
    """Rows for which the expression is true stay; `where` is its tree (see `filters`), `text` what was written."""

    text: str
    where: list[Any]


@dataclass(frozen=True, slots=True)
class Skip:
    """The first rows of the whole table go."""

    count: int


@dataclass(frozen=True, slots=True)
class Take:
    """The first rows of the whole table stay."""

    count: int


@dataclass(frozen=True, slots=True)
class TakeRandomSample:
    """Each row stays with this probability."""

    probability: float
    seed: int


@dataclass(frozen=True, slots=True)
class ExtractColumns:
    """Columns out of the path of each file."""

    format: PartitionFormat


Transformation = DropColumns | KeepColumns | ConvertColumnTypes | Filter | Skip | Take | TakeRandomSample | ExtractColumns


@dataclass(frozen=True, slots=True)
class MLTable:
    """A checked MLTable file; without `read` it is a list of files. `transformations` lack the reading one.

    `extracts_first`: the columns out of the path come before those that are read.
    """

    folder: str
    paths: tuple[PathEntry, ...]
    read: Read | None = None
    transformations: tuple[Transformation, ...] = ()
    extracts_first: bool = False
