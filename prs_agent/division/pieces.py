"""Mini-batches that a record describes: which pieces of which files each of them is (see `prs_agent.host.table_part`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple

from prs_agent.division.job import Division
from prs_agent.division.manifest import ManifestWriter, encode_json
from prs_agent.division.partitions import check_keys, group, key_dtypes
from prs_agent.division.plan import Planned
from prs_agent.division.problems import InputError
from prsd.base.mltable.model import Skip

KIND = "table"


class Piece(NamedTuple):
    """A range of a file, in bytes or rows; `end` -1: to the end of it. `rows` is None where nobody has counted them.

    `windows` are the rows that later skips and takes leave, [from, to) for each.
    """

    file: int
    start: int
    end: int
    rows: int | None = None
    windows: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class TableLayout:
    """What a manifest part says of the whole table: `files` are entries with `path`, `values` and what readers need."""

    root: str
    plan: dict[str, Any]
    planned: Planned
    files: list[dict[str, Any]]
    partition_columns: dict[str, str]


def write_pieces(layout: TableLayout, pieces: Iterable[Piece], division: Division, manifest: ManifestWriter) -> None:
    """Write a record for each piece, or for all pieces of each combination of partition_keys."""
    if layout.planned.windows:
        pieces = _windowed(layout, pieces)
    header = {"kind": KIND, "root": layout.root, "plan": layout.plan}
    if division.partition_keys:
        dtypes = key_dtypes(division.partition_keys, layout.partition_columns)
        header["plan"] = {**layout.plan, "key_dtypes": dtypes}
        described: Iterator[_Described] = _by_key(layout, pieces, division.partition_keys)
    else:
        described = _one_by_one(pieces)
    part = _Part(layout, header, manifest)
    for each in described:
        part.add(each)
    part.write()


def check_partition_keys(division: Division, partition_columns: dict[str, str]) -> None:
    """InputError when partition_keys name what is no partition column."""
    check_keys(division.partition_keys, list(partition_columns))


_Described = tuple[list[Piece], dict[str, Any]]


def _one_by_one(pieces: Iterable[Piece]) -> Iterator[_Described]:
    row: int | None = 0
    for piece in pieces:
        yield [piece], ({} if row is None else {"first_row": row})
        row = None if row is None or piece.rows is None else row + piece.rows


def _by_key(layout: TableLayout, pieces: Iterable[Piece], keys: Sequence[str]) -> Iterator[_Described]:
    of_file = {number: list(found) for number, found in groupby(pieces, key=lambda piece: piece.file)}
    columns = list(layout.partition_columns)
    values = ((number, layout.files[number]["values"]) for number in of_file)
    for key, numbers in group(keys, columns, values):
        yield [piece for number in numbers for piece in of_file[number]], {"key": key}


class _Part:
    """Gathers records until the manifest wants a part."""

    def __init__(self, layout: TableLayout, header: dict[str, Any], manifest: ManifestWriter) -> None:
        self._layout = layout
        self._header = header
        self._manifest = manifest
        self._numbers: dict[int, int] = {}  # of files in the table: those in this part
        self._records: list[bytes] = []
        self._size_bytes = 0

    def add(self, described: _Described) -> None:
        pieces, words = described
        record = {"pieces": [[self._number(piece.file), piece.start, piece.end] for piece in pieces], **words}
        if self._layout.planned.windows:
            record["windows"] = [piece.windows for piece in pieces]
        encoded = encode_json(record).encode("ascii")
        self._records.append(encoded)
        self._size_bytes += len(encoded)
        if self._manifest.is_full(len(self._records), len(self._records), self._size_bytes):
            self.write()

    def write(self) -> None:
        if not self._records:
            return
        files = [self._layout.files[number] for number in self._numbers]
        self._manifest.write({**self._header, "files": files}, len(self._records), 0, self._records)
        self._numbers, self._records, self._size_bytes = {}, [], 0

    def _number(self, file: int) -> int:
        return self._numbers.setdefault(file, len(self._numbers))


def _windowed(layout: TableLayout, pieces: Iterable[Piece]) -> Iterator[Piece]:
    """The pieces with the rows that skips and takes after a filter leave of them: for that their rows are read here."""
    apply = _evaluation(layout)
    left = [window.count for window in layout.planned.windows]
    found: list[tuple[int, int]] = []

    def window(number: int, rows: int) -> tuple[int, int]:
        used = min(left[number], rows)
        left[number] -= used
        found.append((used, rows) if isinstance(layout.planned.windows[number], Skip) else (0, used))
        return found[-1]

    takes = [number for number, each in enumerate(layout.planned.windows) if not isinstance(each, Skip)]
    for piece in pieces:
        if any(left[number] == 0 for number in takes):
            return
        found.clear()
        if apply(piece, window):
            yield piece._replace(windows=tuple(found))


def _evaluation(layout: TableLayout) -> Callable[[Piece, Callable[[int, int], tuple[int, int]]], int]:
    """What reads a piece as a worker will, and says how many rows are left of it."""
    import os.path
    from importlib.util import find_spec

    if find_spec("pandas") is None:
        raise InputError(
            "skip and take after filter or take_random_sample are counted on the agent, which has no pandas: "
            "pip install pandas there, or put skip and take first"
        )
    from prs_agent.host.boundaries import TableFile
    from prs_agent.host.failures import LoadError
    from prs_agent.host.steps import Steps
    from prs_agent.host.table_part import reader_of

    read = reader_of(layout.plan, bool(layout.plan.get("strict_types")), lambda message: None)
    steps = Steps(layout.plan["steps"])

    def apply(piece: Piece, window: Callable[[int, int], tuple[int, int]]) -> int:
        file = TableFile.parse(layout.files[piece.file])
        try:
            frame = read(os.path.join(layout.root, file.path), file, piece.start, piece.end)  # noqa: PTH118
        except LoadError as error:
            raise InputError(str(error), permanent=bool(error.permanent)) from error
        return len(steps.apply(frame, file.values, f"{file.path} {piece.start}", window))

    return apply
