"""Lists of files: statements 28 and 42, and what a mini-batch of files holds."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from prs_agent.division.job import Limits
from prs_agent.division.problems import InputError, MLTableError
from tests.unit.division.writing import run_division, write_table


def fill(root: Path, count: int) -> Path:
    for number in range(count):
        path = root / ("sub" if number % 3 else ".") / f"{number:03d}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def test_28_23_files_by_5_give_mini_batches_of_5_5_5_5_3(tmp_path: Path) -> None:
    divided = run_division(fill(tmp_path / "in", 23), tmp_path / "step", unit="plain", size=5)

    records = divided.records()
    assert [len(record) for record in records] == [5, 5, 5, 5, 3]
    names = [name for record in records for name in record]
    assert names == sorted(names)
    assert any(name.startswith("sub/") for name in names)
    assert divided.announced[0].items == 23
    assert divided.kind == "files"


def test_without_a_size_ten_files_make_a_mini_batch(tmp_path: Path) -> None:
    divided = run_division(fill(tmp_path / "in", 23), tmp_path / "step")

    assert [len(record) for record in divided.records()] == [10, 10, 3]


def test_an_empty_folder_has_no_mini_batches(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()

    divided = run_division(tmp_path / "in", tmp_path / "step")

    assert divided.announced == []
    assert divided.kind == "files"


def test_one_file_is_one_item(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("a\n1\n")

    divided = run_division(tmp_path / "data.csv", tmp_path / "step", type="uri_file")

    assert divided.records() == [["data.csv"]]
    assert divided.parts[0].header["root"] == str(tmp_path)


def test_42_an_mltable_that_reads_nothing_is_a_list_of_files(tmp_path: Path) -> None:
    table = write_table(tmp_path / "in", {"b.txt": "", "a.txt": ""}, read="")

    divided = run_division(table, tmp_path / "step", type="mltable")

    assert divided.kind == "files"
    assert divided.records() == [["b.txt", "a.txt"]]


def test_the_mltable_file_is_no_item_and_a_file_entry_may_name_a_folder(tmp_path: Path) -> None:
    paths = "  - folder: ./\n  - file: ./images\n  - pattern: ./*\n"
    table = write_table(tmp_path / "in", {"images/2.png": "", "images/10.png": "", "x": ""}, read="", paths=paths)

    divided = run_division(table, tmp_path / "step", type="mltable")

    images = ["images/10.png", "images/2.png"]
    assert divided.records() == [[*images, "x", *images, "x"]]


def test_paths_outside_the_mltable_folder_are_possible(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "f").touch()
    paths = f"  - file: ../other/f\n  - folder: {tmp_path}/other\n  - file: file://{tmp_path}/other/f\n"
    table = write_table(tmp_path / "in", {}, read="", paths=paths)

    divided = run_division(table, tmp_path / "step", type="mltable")

    assert [os.path.realpath(table / path) for path in divided.records()[0]] == [str(tmp_path / "other" / "f")] * 3


def test_an_entry_without_files_is_a_notice(tmp_path: Path) -> None:
    table = write_table(tmp_path / "in", {"a": ""}, read="", paths="  - pattern: ./*.csv\n")

    assert "paths[0]" in run_division(table, tmp_path / "step", type="mltable").notices[0]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("file: ./nope", "nope, which does not exist"),
        ("folder: ./nope", "does not exist"),
        ("file: https://example.org/a.csv", "not a local path"),
        ("folder: azureml://datastores/x/paths/y", "not a local path"),
    ],
)
def test_missing_and_remote_entries_are_refused(tmp_path: Path, entry: str, message: str) -> None:
    table = write_table(tmp_path / "in", {}, read="", paths=f"  - {entry}\n")

    with pytest.raises((InputError, MLTableError), match=message) as raised:
        run_division(table, tmp_path / "step", type="mltable")
    assert raised.value.permanent


@pytest.mark.parametrize(("type_name", "message"), [("uri_file", "is a folder"), ("mltable", "MLTable does not exist")])
def test_an_input_that_is_not_what_its_type_says(tmp_path: Path, type_name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        run_division(tmp_path, tmp_path / "step", type=type_name)


def test_sizes_in_bytes_need_a_table(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="write a number of files"):
        run_division(fill(tmp_path / "in", 3), tmp_path / "step", unit="bytes", size=10240)


def test_parts_grow_from_a_small_first_one(tmp_path: Path) -> None:
    limits = Limits(first_part=2, growth=3, largest_part=10)

    divided = run_division(fill(tmp_path / "in", 40), tmp_path / "step", unit="plain", size=1, limits=limits)

    assert [part.mini_batches for part in divided.announced] == [2, 6, 10, 10, 10, 2]
    assert [part.first for part in divided.announced] == [0, 2, 8, 18, 28, 38]
    assert divided.announced[1].name == "part-0000000002-1.prsm"
