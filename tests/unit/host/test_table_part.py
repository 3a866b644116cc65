"""Which records a mini-batch of a text file holds, against a reader that knows only the rule of spec section 4.2."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prs_agent.host.failures import LoadError
from prs_agent.host.manifest import ManifestPart
from prs_agent.host.table_part import TablePart
from tests.unit.host.conftest import write_part

PLAN: dict[str, Any] = {"delimiter": ",", "encoding": "utf8", "columns": [{"name": "a", "dtype": "string"}]}


def _source(folder: Path, files: list[tuple[bytes, int]], size: int, plan: dict[str, Any] | None = None) -> TablePart:
    """A table of (content, length of the header) files, divided into parts of `size` bytes."""
    described, first = [], 0
    for number, (content, data_start) in enumerate(files):
        (folder / f"{number}.csv").write_bytes(content)
        parts = math.ceil(len(content) / size)
        described.append(
            {"path": f"{number}.csv", "size": len(content), "data_start": data_start, "first": first, "parts": parts}
        )
        first += parts
    header = {"kind": "table", "count": first, "files": described, "size": size, "plan": plan or PLAN}
    return TablePart(ManifestPart(str(write_part(folder / "part", header))), str(folder), False, lambda message: None)


def _count(source: TablePart) -> int:
    return source._part.count


def _rows(source: TablePart) -> list[int]:
    frames = [source.load(index) for index in range(_count(source))]
    return [0 if frame is None else len(frame) for frame in frames]


def _expected(content: bytes, data_start: int, size: int) -> list[list[str]]:
    """The records of each part, straight from the rule: offset o is of part 0 if o <= size, else of ceil(o / size) - 1."""
    parts: list[list[str]] = [[] for _ in range(math.ceil(len(content) / size))]
    offset = data_start
    for line in content[data_start:].splitlines(keepends=True):
        parts[0 if offset <= size else math.ceil(offset / size) - 1].append(line.decode().rstrip("\r\n"))
        offset += len(line)
    return parts


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lines=st.lists(st.text("abc", min_size=1, max_size=12), min_size=1, max_size=30),
    has_header=st.booleans(),
    line_end=st.sampled_from([b"\n", b"\r\n"]),
    ends=st.booleans(),
    size=st.integers(1, 80),
)
def test_33_every_record_is_in_the_part_that_the_rule_says(
    tmp_path: Path, *, lines: list[str], has_header: bool, line_end: bytes, ends: bool, size: int
) -> None:
    content = line_end.join(line.encode() for line in lines) + (line_end if ends else b"")
    data_start = min(len(content), len(lines[0]) + len(line_end)) if has_header else 0
    source = _source(tmp_path, [(content, data_start)], size)
    frames = [source.load(index) for index in range(_count(source))]
    found = [[] if frame is None else frame["a"].tolist() for frame in frames]
    assert found == _expected(content, data_start, size)
    bounds = [source.pieces_of(index)[0][1:] for index in range(_count(source))]
    assert [end for _, end in bounds[:-1]] == [start for start, _ in bounds[1:]]


def test_29_the_article_s_iris_table(tmp_path: Path) -> None:
    # 74 records as long as those of the article's file, which has 84,032 bytes and no header.
    content = b"".join(b"x" * (1134 if number < 44 else 1135) + b"\n" for number in range(74))
    content += b""
    rows = _rows(_source(tmp_path, [(content, 0)], 10240))
    assert rows == [len(part) for part in _expected(content, 0, 10240)]
    assert sum(rows) == 74


def test_30_twenty_records_of_ten_bytes_and_parts_of_fifteen(tmp_path: Path) -> None:
    content = b"a,b,c,d,e\n" + b"123456789\n" * 20
    assert _rows(_source(tmp_path, [(content, 10)], 15)) == [1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 1]


def test_31_the_part_of_the_header_is_not_run(tmp_path: Path) -> None:
    content = b"a,b,c,d,e\n" + b"123456789\n" * 20
    assert _rows(_source(tmp_path, [(content, 10)], 10)) == [1] * 20 + [0]


def test_32_no_mini_batch_holds_rows_of_two_files(tmp_path: Path) -> None:
    files = [(name * 9 + b"\n") * count for name, count in ((b"x", 3), (b"y", 100), (b"z", 2))]
    source = _source(tmp_path, [(content, 0) for content in files], 200)
    frames = [source.load(index) for index in range(_count(source))]
    assert all(frame["a"].nunique() == 1 for frame in frames)
    assert sum(len(frame) for frame in frames) == 105
    assert source.paths_of(_count(source) - 1) == [str(tmp_path / "2.csv")]


def test_lines_longer_than_what_is_searched_at_a_time(tmp_path: Path) -> None:
    content = (b"x" * 200_000 + b"\n") * 3
    assert _rows(_source(tmp_path, [(content, 0)], 1000)) == [len(part) for part in _expected(content, 0, 1000)]


def test_exact_ranges_come_from_records(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b'a\n"1\n2"\n3\n')
    header: dict[str, object] = {
        "kind": "table",
        "files": [{"path": "t.csv", "size": 11}],
        "plan": {**PLAN, "support_multi_line": True},
    }
    records = [{"pieces": [[0, 2, 8]]}, {"pieces": [[0, 8, 10]]}]
    part = ManifestPart(str(write_part(tmp_path / "p", header, records)))
    source = TablePart(part, str(tmp_path), False, lambda message: None)
    assert [source.load(index)["a"].tolist() for index in (0, 1)] == [["1\n2"], ["3"]]


def test_rows_are_numbered_over_the_whole_table_in_any_order_of_asking(tmp_path: Path) -> None:
    files = [(b"h\n" + b"123\n" * 9, 2), (b"h\n" + b"123\n" * 4 + b"9", 2), (b"h\n" + b"123\n" * 6, 2)]
    source = _source(tmp_path, files, 10)
    expected, row = [], 0
    for count in _rows(source):
        expected.append(row)
        row += count
    asked = [*range(_count(source)), 3, 0, 7, 5]
    assert [source.first_row(index) for index in asked] == [expected[index] for index in asked]


def test_a_file_that_became_shorter_is_named(tmp_path: Path) -> None:
    source = _source(tmp_path, [(b"abc\n" * 10, 0)], 40)
    (tmp_path / "0.csv").write_bytes(b"abc\n")
    with pytest.raises(LoadError, match=r"0\.csv has become shorter than 40 bytes"):
        source.load(0)


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    source = _source(tmp_path, [(b"abc\n" * 10, 0)], 40)
    (tmp_path / "0.csv").unlink()
    with pytest.raises(LoadError, match=r"cannot .* .*0\.csv: No such file"):
        source.load(0)


def test_the_path_column_names_the_file(tmp_path: Path) -> None:
    source = _source(tmp_path, [(b"abc\n", 0)], 40, {**PLAN, "include_path_column": True})
    expected = pd.DataFrame({"Path": [str(tmp_path / "0.csv")], "a": ["abc"]})
    pd.testing.assert_frame_equal(source.load(0), expected, check_dtype=False)
