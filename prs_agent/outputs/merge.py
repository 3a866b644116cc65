"""The merge: recorded rows in mini-batch order into one file, the same bytes whatever order they were finished in."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from prs_agent.outputs.plan import BlockReader, CommitRange, Payloads, in_order
from prs_agent.outputs.problems import PlanError
from prs_agent.outputs.publish import AtomicFile, Published
from prs_agent.outputs.rows import CsvRows, JsonLinesRows, RowWriter, TextRows

_PROGRESS_INTERVAL_S = 0.5


class Output(NamedTuple):
    """Where the rows go, as "text", "csv", "jsonl" or "parquet", and the token of the commit attempt."""

    target: Path
    format_name: str
    token: int


class Merged(NamedTuple):
    """What was published, the number of its rows (lines, for text), and what a person should know."""

    file: Published
    rows: int
    notices: list[str]


class Progress:
    """Counts what was merged, and tells at most twice a second."""

    def __init__(self, tell: Callable[[dict[str, int]], None]) -> None:
        self._tell = tell
        self._next_at = time.monotonic() + _PROGRESS_INTERVAL_S
        self._mini_batches = 0
        self._read_bytes = 0

    def add(self, payloads: Payloads) -> None:
        """These were merged."""
        self._mini_batches += len(payloads.lengths)
        self._read_bytes += len(payloads.data)
        if time.monotonic() >= self._next_at:
            self._tell({"mini_batches": self._mini_batches, "read_bytes": self._read_bytes})
            self._next_at = time.monotonic() + _PROGRESS_INTERVAL_S


def merge(ranges: Iterator[CommitRange], segments: Path, output: Output, progress: Progress) -> Merged:
    """Write the rows of `ranges`, which lie in the folder `segments`, and publish them as `output`.

    Raises the CommitErrors of its parts; the target is then as it was before.
    """
    blocks = BlockReader(segments)
    with AtomicFile(output.target, output.token) as file:
        checked = in_order(ranges)
        if output.format_name == "parquet":
            rows, checked = _parquet(file, blocks, list(checked))
        else:
            rows = _line_writer(output.format_name, file)
        for payloads in _payloads(blocks, checked):
            rows.add(payloads)
            progress.add(payloads)
        count = rows.end()
        return Merged(file.publish(), count, rows.notices)


def _payloads(blocks: BlockReader, ranges: Iterator[CommitRange]) -> Iterator[Payloads]:
    return (blocks.payloads(found, found.ref) for found in ranges if found.ref)


def _line_writer(format_name: str, file: AtomicFile) -> RowWriter:
    writers: dict[str, Callable[[AtomicFile], RowWriter]] = {"text": TextRows, "csv": CsvRows, "jsonl": JsonLinesRows}
    if format_name not in writers:
        raise PlanError(f"unknown format {format_name!r} of appended rows: text, csv, jsonl or parquet", permanent=True)
    return writers[format_name](file)


def _parquet(file: AtomicFile, blocks: BlockReader, ranges: list[CommitRange]) -> tuple[RowWriter, Iterator[CommitRange]]:
    """Parquet needs two passes: the schema has to be known before the first row is written."""
    # Imported here: nothing else needs pyarrow, which takes longer to start than a small merge in all.
    from prs_agent.outputs.parquet import ParquetRows, common_schema

    return ParquetRows(file, common_schema(_payloads(blocks, iter(ranges)))), iter(ranges)
