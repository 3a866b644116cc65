"""Compressed text: gzip, bz2 and zstd, cut at the records of what is in it."""

from __future__ import annotations

import bz2
import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from prs_agent.division.problems import InputError
from tests.unit.division.test_transformations import divide, frames, parts_of, whole

TEXT = "n,t\n" + "".join(f"{number:03},{'x' * (number % 5)}\n" for number in range(100))
FORMATS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "zst": lambda data: pa.Codec("zstd").compress(data, asbytes=True),
}


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("division", [{}, {"unit": "bytes", "size": 100}, {"unit": "rows", "size": 30}])
def test_all_rows_arrive_in_mini_batches_of_the_size(tmp_path: Path, suffix: str, division: dict[str, Any]) -> None:
    compressed = FORMATS[suffix](TEXT.encode())
    divided = divide(tmp_path, "read_delimited", {f"a.csv.{suffix}": compressed, "b.csv": TEXT}, **division)
    found = frames(divided, tmp_path)
    assert [n for frame in found for n in frame["n"]] == [*range(100), *range(100)]
    plain = frames(
        divide(tmp_path / "plain", "read_delimited", {"a.csv": TEXT, "b.csv": TEXT}, **division), tmp_path / "plain"
    )
    assert [len(frame) for frame in found] == [len(frame) for frame in plain]


def test_mini_batches_in_any_order(tmp_path: Path) -> None:
    divided = divide(tmp_path, "read_delimited", {"a.csv.gz": gzip.compress(TEXT.encode())}, unit="rows", size=10)
    parts = parts_of(divided, tmp_path)
    for position in (9, 3, 4, 0, 7):
        table, index = parts[position]
        assert table.load(index)["n"].tolist() == list(range(10 * position, 10 * position + 10))
        assert table.first_row(index) == 10 * position


def test_quoted_line_ends_json_lines_encodings_and_transformations(tmp_path: Path) -> None:
    text = 'n,t\n1,"a\nb"\n2,c\n'
    made = whole(tmp_path / "1", "read_delimited: {support_multi_line: true}", {"a.gz": gzip.compress(text.encode())})
    assert made["t"].tolist() == ["a\nb", "c"]
    lines = gzip.compress("".join(f'{{"n": {number}}}\n' for number in range(9)).encode())
    assert whole(tmp_path / "2", "read_json_lines\nskip: 2\nfilter: 'n > 5'", {"a.jsonl.gz": lines})["n"].tolist() == [
        6,
        7,
        8,
    ]
    wide = gzip.compress("n,t\n1,é\n".encode("utf-16"))
    assert whole(tmp_path / "3", "read_delimited: {encoding: utf16}", {"a.gz": wide})["t"].tolist() == ["é"]


def test_partition_keys_take_a_compressed_file_as_it_is(tmp_path: Path) -> None:
    step = "extract_columns_from_partition_format: {partition_format: '{k}/*'}"
    files: dict[str, bytes | str] = {f"{k}/a.csv.gz": gzip.compress(TEXT.encode()) for k in "ab"}
    assert [len(frame) for frame in frames(divide(tmp_path, step, files, partition_keys=["k"]), tmp_path)] == [100, 100]


@pytest.mark.parametrize("content", [b"not compressed", gzip.compress(TEXT.encode())[:-20]])
def test_a_damaged_file_ends_the_division_with_its_reason(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(InputError, match="could not be read"):
        divide(tmp_path, "read_delimited", {"a.csv.gz": content})
