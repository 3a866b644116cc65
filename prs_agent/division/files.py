"""Divides a list of files: k paths per mini-batch, in the order of the list, the last one smaller (spec section 4.1)."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from prs_agent.division.job import DEFAULT_FILES, Division
from prs_agent.division.manifest import ManifestWriter, encode_json
from prs_agent.division.problems import InputError


def files_per_mini_batch(division: Division) -> int:
    """How many files one mini-batch gets; InputError for sizes that only tables have."""
    if division.unit in ("bytes", "rows"):
        raise InputError(
            f"mini_batch_size is given in {division.unit}, but the input is a list of files: write a number of files"
        )
    return division.size if division.unit == "plain" and division.size > 0 else DEFAULT_FILES


def divide_files(paths: Iterable[str], root: str, per_mini_batch: int, manifest: ManifestWriter) -> None:
    """Write the manifest of `paths`, which are relative to `root`; memory is bounded by one part.

    Raises what the iteration of `paths` and the manifest raise.
    """
    remaining = iter(paths)
    header = {"kind": "files", "root": root, "plan": {}}
    records: list[bytes] = []
    items = size_bytes = 0
    while batch := list(islice(remaining, per_mini_batch)):
        record = encode_json(batch).encode("ascii")
        records.append(record)
        items += len(batch)
        size_bytes += len(record)
        if manifest.is_full(len(records), len(records), size_bytes):
            manifest.write(header, len(records), items, records)
            records, items, size_bytes = [], 0, 0
    if records:
        manifest.write(header, len(records), items, records)
