"""The split rule of spec section 4.2 against brute force, for arithmetic parts and for exact ranges."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from prs_agent.division.records import cut_by_size, part_of, records
from prs_agent.host.table_part import TablePart
from tests.unit.division.writing import run_division, write_table

LINES = st.lists(st.integers(0, 30).map(lambda size: f"1{'x' * size}"), max_size=40)
SIZES = st.integers(1, 120)


def expected_parts(data: bytes, data_start: int, size_bytes: int) -> list[list[int]]:
    """Offsets of the records of each part, by the words of the rule."""
    parts: list[list[int]] = [[] for _ in range(math.ceil(len(data) / size_bytes))]
    offset = data_start
    for line in data[data_start:].splitlines(keepends=True):
        part = 0 if offset <= size_bytes else math.ceil(offset / size_bytes) - 1
        parts[part].append(offset)
        offset += len(line)
    return parts


@settings(max_examples=150, deadline=None)
@given(LINES.filter(bool), SIZES, st.sampled_from(["\n", "\r\n"]), st.booleans(), st.booleans())
def test_workers_find_exactly_the_records_of_the_rule(
    lines: list[str], size_bytes: int, end: str, has_header: bool, ends_with_line_end: bool
) -> None:
    header = f"c{end}" if has_header else ""
    data = (header + end.join(lines) + (end if ends_with_line_end else "")).encode()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        read = "read_delimited" if has_header else "read_delimited: {header: no_header}"
        table = write_table(folder / "in", {"a.csv": data}, read)
        divided = run_division(table, folder / "step", type="mltable", unit="bytes", size=size_bytes)
        source = TablePart(divided.parts[0], str(table), False, print)
        found = []
        for index in range(divided.mini_batches):
            [(_, start, stop)] = source.pieces_of(index)
            offsets, at = [], start
            for line in data[start:stop].splitlines(keepends=True):
                offsets.append(at)
                at += len(line)
            found.append(offsets)

    assert found == expected_parts(data, len(header), size_bytes)


@settings(max_examples=150, deadline=None)
@given(
    LINES.map(lambda lines: [line or "1" for line in lines]),
    SIZES,
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["utf-8", "utf-16-le", "utf-16-be"]),
)
def test_exact_ranges_hold_the_same_records_without_empty_parts(
    lines: list[str], size_bytes: int, end: str, codec: str
) -> None:
    data = "".join(line + end for line in lines).encode(codec)
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        found = list(records(file.name, codec, 0))
        ranges = list(cut_by_size(found, size_bytes))

    assert [record.start for record in found] == starts_of(lines, end, codec)
    covered = [[record.start for record in found if start <= record.start < stop] for start, stop, _ in ranges]
    assert all(covered)
    assert [offset for part in covered for offset in part] == [record.start for record in found]
    assert [count for _, _, count in ranges] == [len(part) for part in covered]
    assert [{part_of(offset, size_bytes) for offset in part} for part in covered] == [
        {part_of(part[0], size_bytes)} for part in covered
    ]


def starts_of(lines: list[str], end: str, codec: str) -> list[int]:
    starts, offset = [], 0
    for line in lines:
        starts.append(offset)
        offset += len((line + end).encode(codec))
    return starts
