"""Delimited tables: statements 29 to 33, exact ranges, and the read plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from prs_agent.division.job import Limits
from prs_agent.division.problems import InputError, MLTableError
from prs_agent.division.text_tables import column_names
from prs_agent.host.table_part import TablePart
from tests.unit.division.writing import Divided, run_division, write_table


def divide(tmp_path: Path, files: dict[str, bytes | str], read: str = "read_delimited", **division: Any) -> Divided:
    table = write_table(tmp_path / "in", files, read)
    return run_division(table, tmp_path / "step", type="mltable", **division)


def frames(divided: Divided, root: Path) -> list[Any]:
    """What the workers get, mini-batch by mini-batch."""
    notices: list[str] = []
    found = []
    for part in divided.parts:
        source = TablePart(part, str(root / "in"), False, notices.append)
        found += [source.load(index) for index in range(part.first, part.first + part.count)]
    return found


def row_counts(divided: Divided, root: Path) -> list[int]:
    return [0 if frame is None else len(frame) for frame in frames(divided, root)]


def dtypes(divided: Divided) -> dict[str, str]:
    return {column["name"]: column["dtype"] for column in divided.parts[0].header["plan"]["columns"]}


TWENTY_ROWS = "aaa,bbb,c\n" + "1,2.5,tru\n" * 20


def test_29_parts_follow_the_measured_rule(tmp_path: Path) -> None:
    """The statement's file is not at hand: one of its size and form, 74 rows of about 1.1 KB, has as many mini-batches."""
    rows = [f"{number:02d},{'x' * (1135 - 4)}\n" for number in range(73)]
    header = "id,text\n"
    rows.append("73," + "y" * (84032 - len(header) - sum(map(len, rows)) - 4) + "\n")

    divided = divide(tmp_path, {"a.csv": header + "".join(rows)}, unit="bytes", size=10240)

    assert row_counts(divided, tmp_path) == [10, 9, 9, 9, 9, 9, 9, 9, 1]


def test_30_size_15_over_rows_of_10_bytes(tmp_path: Path) -> None:
    divided = divide(tmp_path, {"a.csv": TWENTY_ROWS}, unit="bytes", size=15)

    assert row_counts(divided, tmp_path) == [1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 1]


def test_31_size_10_over_rows_of_10_bytes(tmp_path: Path) -> None:
    divided = divide(tmp_path, {"a.csv": TWENTY_ROWS}, unit="plain", size=10)

    assert row_counts(divided, tmp_path) == [1] * 20 + [0]


def test_32_no_mini_batch_holds_rows_of_two_files(tmp_path: Path) -> None:
    files: dict[str, bytes | str] = {f"{count}.csv": "n\n" + f"{count}\n" * count for count in (3, 100, 2)}

    divided = divide(tmp_path, files, unit="bytes", size=200)

    values = [set(frame["n"]) for frame in frames(divided, tmp_path) if frame is not None]
    assert row_counts(divided, tmp_path) == [3, 50, 50, 0, 2]
    assert values == [{3}, {100}, {100}, {2}]


@pytest.mark.parametrize("size", [1, 7, 13, 100])
def test_33_no_row_is_lost_or_doubled_with_crlf(tmp_path: Path, size: int) -> None:
    text = "n,t\r\n" + "".join(f"{number},{'x' * (number % 7)}\r\n" for number in range(50))

    divided = divide(tmp_path, {"a.csv": text}, unit="bytes", size=size)

    assert [n for frame in frames(divided, tmp_path) if frame is not None for n in frame["n"]] == list(range(50))


def test_without_a_size_a_mini_batch_is_a_mebibyte_or_what_the_mltable_says(tmp_path: Path) -> None:
    assert divide(tmp_path / "a", {"a.csv": TWENTY_ROWS}).parts[0].header["size"] == 1024 * 1024
    read = "read_delimited: {partition_size: 100}"
    assert divide(tmp_path / "b", {"a.csv": TWENTY_ROWS}, read).parts[0].header["size"] == 100


@pytest.mark.parametrize("content", ["", "aaa,bbb,c\n", "aaa,bbb,c", "\ufeff", "aaa,bbb,c\n\n\n"])
def test_a_file_without_rows_has_no_mini_batches(tmp_path: Path, content: str) -> None:
    assert divide(tmp_path / "alone", {"a.csv": content}).mini_batches == 0
    with_others = divide(tmp_path / "first", {"a.csv": content, "b.csv": TWENTY_ROWS})
    assert row_counts(with_others, tmp_path / "first") == [20]
    assert list(dtypes(with_others)) == ["aaa", "bbb", "c"]


def test_sizes_in_rows_give_exact_ranges(tmp_path: Path) -> None:
    divided = divide(tmp_path, {"a.csv": TWENTY_ROWS, "b.csv": TWENTY_ROWS}, unit="rows", size=7)

    assert divided.parts[0].has_records
    assert row_counts(divided, tmp_path) == [7, 7, 6, 7, 7, 6]


def test_exact_ranges_in_many_parts(tmp_path: Path) -> None:
    limits = Limits(first_part=2, growth=2, largest_part=4)

    divided = divide(tmp_path, {"a.csv": TWENTY_ROWS, "b.csv": TWENTY_ROWS}, unit="rows", size=3, limits=limits)

    assert [part.mini_batches for part in divided.announced] == [2, 4, 4, 4]
    assert row_counts(divided, tmp_path) == [3, 3, 3, 3, 3, 3, 2] * 2


def test_arithmetic_in_many_parts_is_derived_again_equally(tmp_path: Path) -> None:
    files: dict[str, bytes | str] = {f"{number}.csv": TWENTY_ROWS for number in range(5)}
    limits = Limits(first_part=1, growth=2, largest_part=2)
    divided = divide(tmp_path, files, unit="bytes", size=50, limits=limits)
    assert [part.mini_batches for part in divided.announced] == [5, 10, 10]
    assert sum(row_counts(divided, tmp_path)) == 100

    again = run_division(
        tmp_path / "in", tmp_path / "again", type="mltable", unit="bytes", size=50, recorded=divided.announced[:2], token=2
    )
    assert again.announced[0].digest == divided.announced[2].digest


def test_quoted_line_ends_belong_to_their_record(tmp_path: Path) -> None:
    rows = ['1,"a\nb"\n', "2,c\n", '3,"""x"" \r\n,y"\n', '4,5" pipe\n', '5,"end"\n', "6,z"]
    read = "read_delimited: {support_multi_line: true}"

    divided = divide(tmp_path, {"a.csv": "n,t\n" + "".join(rows)}, read, unit="rows", size=2)

    found = frames(divided, tmp_path)
    assert [list(frame["n"]) for frame in found] == [[1, 2], [3, 4], [5, 6]]
    assert found[0]["t"][0] == "a\nb"
    assert found[1]["t"][1] == '5" pipe'


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_utf16_is_cut_at_its_own_line_ends(tmp_path: Path, codec: str) -> None:
    rows = "".join(f"{number},ਊ\u0a0a{number}\n" for number in range(30))  # U+0A0A holds the bytes of a line feed.
    data = ("\ufeffn,t\n" + rows).encode(codec)

    divided = divide(tmp_path, {"a.csv": data}, "read_delimited: {encoding: utf16}", unit="bytes", size=100)

    assert [n for frame in frames(divided, tmp_path) for n in frame["n"]] == list(range(30))
    assert divided.mini_batches > 3
    assert divided.parts[0].header["plan"]["encoding"] == codec


def test_latin1_and_windows1252_are_read(tmp_path: Path) -> None:
    data = "name\ncafé\n".encode("cp1252")

    divided = divide(tmp_path, {"a.csv": data}, "read_delimited: {encoding: windows1252}")

    assert list(frames(divided, tmp_path)[0]["name"]) == ["café"]


def test_text_that_is_not_in_its_encoding_names_file_and_byte(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.csv is not utf-8 at byte 8: set `encoding`"):
        divide(tmp_path, {"a.csv": b"name\ncaf\xe9\n"})


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (["1", "-2", " 3"], "int64"),
        (["1", "", "3"], "float64"),
        (["1", "2.5"], "float64"),
        (["1e3", "-.5", "NaN"], "float64"),
        (["nan", "NaN"], "string"),
        (["true", "False", "TRUE"], "bool"),
        (["true", "", "false"], "nullable_bool"),
        (["0", "1", "1"], "int64"),
        (["T", "F"], "string"),
        (["NA", "1"], "string"),
        (["2020-01-01", "2020-01-02T10:00:00", ""], "datetime"),
        (["2020-01-01", "01/02/2020"], "string"),
        (["2020-13-01"], "string"),
        (["0500-01-01"], "string"),
        (["0x10"], "string"),
        (["9223372036854775807"], "int64"),
        (["99999999999999999999"], "float64"),
        (["", ""], "string"),
    ],
)
def test_types_of_columns(tmp_path: Path, values: list[str], dtype: str) -> None:
    text = "k,v\n" + "".join(f"x,{value}\n" for value in values)

    assert dtypes(divide(tmp_path, {"a.csv": text}))["v"] == dtype


def test_types_are_inferred_over_all_files_and_once(tmp_path: Path) -> None:
    divided = divide(tmp_path, {"a.csv": "v\n1\n", "b.csv": "v\n2.5\n"})

    assert dtypes(divided) == {"v": "float64"}


def test_empty_as_string_keeps_texts_and_inference_can_be_off_or_overridden(tmp_path: Path) -> None:
    text = "a,b\n1,\n2,3\n"
    assert dtypes(divide(tmp_path / "1", {"a": text}, "read_delimited: {empty_as_string: true}")) == {
        "a": "int64",
        "b": "string",
    }
    assert dtypes(divide(tmp_path / "2", {"a": text}, "read_delimited: {infer_column_types: false}")) == {
        "a": "string",
        "b": "string",
    }
    override = "read_delimited: {infer_column_types: {column_type_overrides: {a: string}}}"
    assert dtypes(divide(tmp_path / "3", {"a": text}, override)) == {"a": "string", "b": "float64"}
    with pytest.raises(MLTableError, match="names 'z'; the table has the columns a, b"):
        divide(tmp_path / "4", {"a": text}, override.replace("{a:", "{z:"))


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_blank_lines_are_no_rows(tmp_path: Path, end: str) -> None:
    text = end.join(["", "a,b", "", "1,2", "", "3,4", "", ""])
    for unit, size in (("bytes", 8), ("rows", 1)):
        divided = divide(tmp_path / unit, {"a": text}, unit=unit, size=size)
        assert dtypes(divided) == {"a": "int64", "b": "int64"}
        assert [n for frame in frames(divided, tmp_path / unit) if frame is not None for n in frame["a"]] == [1, 3]


def test_an_empty_text_in_quotes_is_a_text(tmp_path: Path) -> None:
    divided = divide(tmp_path, {"a": 'n,t\n"",\n1,""\n'})

    assert dtypes(divided) == {"n": "string", "t": "string"}
    frame = frames(divided, tmp_path)[0]
    assert list(frame["n"]) == ["", "1"]
    assert [value if isinstance(value, str) else None for value in frame["t"]] == [None, ""]


def test_names_in_a_header_lose_the_blanks_around_them(tmp_path: Path) -> None:
    assert list(dtypes(divide(tmp_path, {"a": 'x , y," z "\n1,2,3\n'}))) == ["x", "y", "z"]


def test_ragged_rows_add_columns_or_miss_values(tmp_path: Path) -> None:
    assert dtypes(divide(tmp_path, {"a": "a,b\n1,2\n3,4,5\n6\n"})) == {"a": "int64", "b": "float64", "Column3": "float64"}


def test_names_of_columns() -> None:
    assert column_names(("a", "a", "", "a", "a_1"), 6) == ["a", "a_1", "Column3", "a_2", "a_1_1", "Column6"]


def test_headers(tmp_path: Path) -> None:
    files: dict[str, bytes | str] = {"a": "x,y\n1,2\n", "b": "x,y\n3,4\n"}
    none = divide(tmp_path / "none", files, "read_delimited: {header: no_header}")
    assert dtypes(none) == {"Column1": "string", "Column2": "string"}
    assert row_counts(none, tmp_path / "none") == [2, 2]
    first = divide(tmp_path / "first", files, "read_delimited: {header: from_first_file}")
    assert dtypes(first) == {"x": "string", "y": "string"}
    assert row_counts(first, tmp_path / "first") == [1, 2]
    same = divide(tmp_path / "same", files)
    assert row_counts(same, tmp_path / "same") == [1, 1]


def test_headers_that_should_be_the_same_are_compared(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"b has the header 'y,x', but a has 'x,y'"):
        divide(tmp_path, {"a": "x,y\n1,2\n", "b": "y,x\n3,4\n"})


def test_the_path_column_must_not_be_there_already(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="column named Path"):
        divide(tmp_path, {"a": "Path\n1\n"}, "read_delimited: {include_path_column: true}")


def test_a_large_table_is_sampled_at_its_head_and_all_over_it(tmp_path: Path) -> None:
    rows = b"1,aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n" * 300_000  # 13 MB: more than the sample
    odd = b"1.5,aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n" * 3_000
    assert dtypes(divide(tmp_path / "spread", {"a": b"n,t\n" + rows + odd}))["n"] == "float64"
    one = b"1.5,a\n"
    # Between two of the sampled blocks.
    hidden = b"n,t\n" + rows[: 44 * 31_250] + one + rows
    assert dtypes(divide(tmp_path / "missed", {"a": hidden}))["n"] == "int64"
    assert dtypes(divide(tmp_path / "full", {"a": hidden}, infer_schema="full"))["n"] == "float64"
