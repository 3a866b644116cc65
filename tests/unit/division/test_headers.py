"""The header modes of read_delimited over files that differ."""

from __future__ import annotations

from pathlib import Path

from tests.unit.division.test_transformations import divide, frames, values, whole

FILES: dict[str, bytes | str] = {"a.csv": "x,y\n1,2\n", "b.csv": "y,z\n3,4\n"}


def test_different_headers_are_united_with_nulls(tmp_path: Path) -> None:
    read = "read_delimited: {header: all_files_different_headers}"
    made = whole(tmp_path, read, FILES)
    assert {name: values(made[name]) for name in made} == {"x": [1, None], "y": [2, 3], "z": [None, 4]}
    assert [list(map(str, frame.dtypes)) for frame in frames(divide(tmp_path / "2", read, FILES), tmp_path / "2")] == [
        ["float64", "int64", "float64"]
    ] * 2


def test_different_headers_and_records_longer_than_them(tmp_path: Path) -> None:
    read = "read_delimited: {header: all_files_different_headers, include_path_column: true}\nkeep_columns: [y, Column3]"
    made = whole(tmp_path, read, {"a.csv": "x,y\n1,2,9\n", "b.csv": "y,z\n3\n"}, unit="rows", size=1)
    assert {name: values(made[name]) for name in made} == {"y": [2, 3], "Column3": [9, None]}


def test_types_of_different_headers_are_of_all_files(tmp_path: Path) -> None:
    files: dict[str, bytes | str] = {"a.csv": "b,t\ntrue,x\n", "b.csv": "t\ny\n", "c.csv": "b\n\nfalse\n"}
    made = whole(tmp_path, "read_delimited: {header: all_files_different_headers}", files)
    assert {name: values(made[name]) for name in made} == {"b": [True, None, False], "t": ["x", "y", None]}


def test_two_characters_as_a_delimiter(tmp_path: Path) -> None:
    made = whole(tmp_path, "read_delimited: {delimiter: '||'}", {"a.csv": 'x||y\n1||"a||b"\n2||\n'})
    assert {name: values(made[name]) for name in made} == {"x": [1, 2], "y": ["a||b", None]}


def test_latin1_is_what_windows_makes_of_it(tmp_path: Path) -> None:
    for encoding in ("latin1", "iso88591", "windows1252"):
        made = whole(tmp_path / encoding, f"read_delimited: {{encoding: {encoding}}}", {"a.csv": b"t\n\xe9\x80\x81\n"})
        assert made["t"].tolist() == ["é€\x81"]
