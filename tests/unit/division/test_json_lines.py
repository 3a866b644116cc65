"""Statement 35: JSON lines are cut like delimited text, and have the types of their values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from prs_agent.division.problems import InputError
from prs_agent.host.failures import LoadError
from prs_agent.host.table_part import TablePart
from tests.unit.division.test_transformations import divide, frames, parts_of, values, whole

READ = "read_json_lines"


def test_35_fifty_records_of_1080_bytes_in_parts_of_100(tmp_path: Path) -> None:
    text = "".join(f'{{"i":{number},"v":"abcd{number}"}}\n' for number in range(50))
    assert len(text) == 1080
    found = frames(divide(tmp_path, READ, {"a": text}, unit="bytes", size=100), tmp_path)
    assert [len(frame) for frame in found] == [6, 5, 4, 5, 4, 5, 4, 5, 4, 5, 3]
    assert [i for frame in found for i in frame["i"]] == list(range(50))


@pytest.mark.parametrize(
    ("lines", "dtype", "expected"),
    [
        (["1", "2"], "int64", [1, 2]),
        (["1", "2.5"], "float64", [1.0, 2.5]),
        (["1", "null"], "float64", [1.0, None]),
        (["true", "false"], "bool", [True, False]),
        (["true", "null"], "object", [True, None]),
        (['"x"', "null"], "str", ["x", None]),
        (['"2020-01-01"', '"5"'], "str", ["2020-01-01", "5"]),
        (["1", '"x"'], "object", [1, "x"]),
        (['{"q": [1]}', "[2]"], "object", [{"q": [1]}, [2]]),
        (["9223372036854775808", "1"], "object", [2**63, 1]),
        (["null", "null"], "str", [None, None]),
    ],
)
def test_types_are_those_of_the_values(tmp_path: Path, lines: list[str], dtype: str, expected: list[object]) -> None:
    made = whole(tmp_path, READ, {"a": "".join(f'{{"v": {line}}}\n' for line in lines)})
    assert values(made["v"]) == expected
    assert str(made["v"].dtype) in (dtype, "object" if dtype == "str" else dtype)


def test_keys_that_some_records_lack_are_nulls_and_blank_lines_are_skipped(tmp_path: Path) -> None:
    made = whole(tmp_path, READ, {"a": '\n{"a": 1, "b": "x"}\r\n\r\n{"c": 1.5, "a": 2}\n', "b": '{"b": null, "a": 3}'})
    assert {name: values(made[name]) for name in made} == {"a": [1, 2, 3], "b": ["x", None, None], "c": [None, 1.5, None]}


@pytest.mark.parametrize("line", ['{"a":', "[1]", "3", '{"a": NaN}', '{"a": 1} {"a": 2}'])
def test_a_line_that_is_no_object_is_an_error_or_dropped(tmp_path: Path, line: str) -> None:
    text = f'{{"a": 1}}\n{line}\n{{"a": 2}}\n'
    with pytest.raises(InputError, match="is not a JSON object"):
        divide(tmp_path / "error", READ, {"a": text})
    for size in (1, 2):
        root = tmp_path / str(size)
        divided = divide(root, f"{READ}: {{invalid_lines: drop}}", {"a": text}, unit="rows", size=size)
        assert [len(frame) for frame in frames(divided, root)] == [2] if size == 2 else [1, 1]


def change(tmp_path: Path, before: str, after: str) -> None:
    """Put other values into the file after its types were inferred, as if the sample had not met them."""
    file = tmp_path / "in" / "a"
    file.write_text(file.read_text().replace(before, after, 1))


def test_a_value_that_inference_missed_widens_its_mini_batch_or_fails_it(tmp_path: Path) -> None:
    divided = divide(tmp_path, READ, {"a": '{"a": 100}\n' * 4}, unit="rows", size=2)
    change(tmp_path, "100", '"x"')
    found = frames(divided, tmp_path)
    assert [str(frame["a"].dtype) for frame in found] == ["object", "int64"]
    assert found[0]["a"].tolist() == ["x", 100]
    strict = TablePart(divided.parts[0], str(tmp_path / "in"), True, lambda message: None)
    with pytest.raises(LoadError, match=r"column 'a' of .* is int64, but holds a value of another type"):
        strict.load(0)


def test_encodings_and_the_path_column(tmp_path: Path) -> None:
    read = READ + ": {encoding: utf16, include_path_column: true}"
    made = whole(tmp_path, read, {"a": '{"a": "é"}\n{"a": "ü"}\n'.encode("utf-16")})
    assert made.to_dict("list") == {"Path": [str(tmp_path / "in" / "a")] * 2, "a": ["é", "ü"]}


def test_52_rows_have_numbers_unless_lines_are_dropped(tmp_path: Path) -> None:
    text = "".join(f'{{"n": {number}}}\n\n' for number in range(30))
    divided = divide(tmp_path / "1", READ, {"a": text, "b": text}, unit="bytes", size=50)
    asked = [(table, index) for table, index in parts_of(divided, tmp_path / "1") if table.load(index) is not None]
    row = 0
    for table, index in asked:
        assert table.first_row(index) == row
        row += len(table.load(index))
    dropping = divide(tmp_path / "2", READ + ": {invalid_lines: drop}", {"a": text}, unit="bytes", size=50)
    assert {table.first_row(index) for table, index in parts_of(dropping, tmp_path / "2")} == {None}


def test_a_broken_line_behind_the_sample_fails_its_mini_batch(tmp_path: Path) -> None:
    divided = divide(tmp_path, READ, {"a": '{"a": 100}\n' * 4}, unit="rows", size=2)
    change(tmp_path, "100}", "100 ")
    table, index = parts_of(divided, tmp_path)[0]
    with pytest.raises(LoadError, match="is not a JSON object") as caught:
        table.load(index)
    assert caught.value.permanent


def test_transformations_of_json_lines(tmp_path: Path) -> None:
    text = "".join(f'{{"n": {number}, "t": "{number % 3}"}}\n' for number in range(20))
    steps: list[Any] = [READ, "filter: 't == \"1\"'", "skip: 1", "take: 3", "keep_columns: n"]
    assert whole(tmp_path, "\n".join(steps), {"a": text}, unit="bytes", size=60)["n"].tolist() == [4, 7, 10]
