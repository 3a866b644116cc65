"""Manifest parts: durable when announced, and derived again exactly when a division is retried."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from prs_agent.division.job import Limits
from prs_agent.division.manifest import MAGIC
from prs_agent.division.problems import InputChangedError, StorageError
from tests.unit.division.writing import run_division

LIMITS = Limits(first_part=2, growth=2, largest_part=4)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    for number in range(9):
        (tmp_path / "in" / f"{number}.txt").touch()
    return tmp_path / "in"


def test_a_part_is_magic_header_offsets_and_records(root: Path, tmp_path: Path) -> None:
    divided = run_division(root, tmp_path / "step", unit="plain", size=4)

    data = (tmp_path / "step" / "manifest" / divided.announced[0].name).read_bytes()
    assert data[:8] == MAGIC
    header_end = 12 + int.from_bytes(data[8:12], "little")
    header = json.loads(data[12:header_end])
    expected = {"kind": "files", "root": str(root), "plan": {}, "first": 0, "count": 3, "records": True, "previous": ""}
    assert header == expected
    offsets = [int.from_bytes(data[at : at + 8], "little") for at in range(header_end, header_end + 32, 8)]
    area = data[header_end + 32 :]
    assert offsets[0] == 0
    assert offsets[-1] == len(area)
    assert json.loads(area[offsets[2] :]) == ["8.txt"]


def test_nothing_temporary_stays(root: Path, tmp_path: Path) -> None:
    divided = run_division(root, tmp_path / "step")

    assert [path.name for path in (tmp_path / "step" / "manifest").iterdir()] == [divided.announced[0].name]


def test_a_retried_division_goes_on_behind_the_recorded_parts(root: Path, tmp_path: Path) -> None:
    whole = run_division(root, tmp_path / "whole", unit="plain", size=1, limits=LIMITS)
    recorded = whole.announced[:2]

    rest = run_division(root, tmp_path / "again", unit="plain", size=1, limits=LIMITS, recorded=recorded, token=2)

    assert [part.name for part in rest.announced] == ["part-0000000006-2.prsm"]
    assert recorded + [part._replace(name=whole.announced[2].name) for part in rest.announced] == whole.announced


def test_recorded_parts_are_cut_as_they_were_recorded_whatever_the_limits_are_now(root: Path, tmp_path: Path) -> None:
    recorded = run_division(root, tmp_path / "one", unit="plain", size=1, limits=LIMITS).announced[:1]

    rest = run_division(root, tmp_path / "two", unit="plain", size=1, recorded=recorded, token=2)

    assert [(part.first, part.mini_batches) for part in rest.announced] == [(2, 7)]


def test_a_copy_of_the_input_elsewhere_has_the_same_digests(root: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(root, copy)

    digests = [run_division(path, tmp_path / path.name / "step").announced[0].digest for path in (root,)]
    assert digests == [run_division(copy, tmp_path / "copied-step").announced[0].digest]


@pytest.mark.parametrize("change", ["added", "removed"])
def test_a_listing_that_disagrees_with_what_was_recorded_ends_the_division(root: Path, tmp_path: Path, change: str) -> None:
    recorded = run_division(root, tmp_path / "one", unit="plain", size=2).announced
    if change == "added":
        (root / "00.txt").touch()
    else:
        (root / "4.txt").unlink()

    with pytest.raises(InputChangedError, match="the input changed while it was divided") as raised:
        run_division(root, tmp_path / "two", unit="plain", size=2, recorded=recorded, token=2)
    assert raised.value.permanent


def test_an_input_that_is_empty_now_ends_the_division(root: Path, tmp_path: Path) -> None:
    recorded = run_division(root, tmp_path / "one").announced
    for path in root.iterdir():
        path.unlink()

    with pytest.raises(InputChangedError, match="1 mini-batches that had been recorded are missing"):
        run_division(root, tmp_path / "two", recorded=recorded, token=2)


def test_a_storage_that_refuses_is_no_fault_of_the_input(root: Path, tmp_path: Path) -> None:
    (tmp_path / "step").write_text("a file in the way")

    with pytest.raises(StorageError, match="cannot create") as raised:
        run_division(root, tmp_path / "step")
    assert not raised.value.permanent
