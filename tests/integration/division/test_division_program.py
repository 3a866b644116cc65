"""`python -m prs_agent.division`, spoken to as the agent does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from prs_agent.host.manifest import ManifestPart
from tests.integration.division.program import Outcome, run_program


def run_division(storage: Path, path: Path, **changes: Any) -> Outcome:
    job: dict[str, Any] = {
        "storage": str(storage),
        "token": 3,
        "input": {"type": "uri_folder", "mode": "ro_mount", "path": str(path)},
        "division": {
            "unit": "plain",
            "size": 1,
            "partition_keys": [],
            "infer_schema": "sample",
            "strict_types": False,
        },
        "recorded_parts": [],
        "limits": {"first_part": 2, "growth": 2, "largest_part": 100},
    }
    return run_program("prs_agent.division", [(b"J", {**job, **changes})])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(7):
        (folder / f"{number}.txt").touch()
    (folder / os.fsdecode(b"\xff.txt")).touch()
    return folder


def test_parts_are_announced_when_they_can_be_read(root: Path, tmp_path: Path) -> None:
    outcome = run_division(tmp_path / "step", root)

    assert [kind for kind, _ in outcome.frames] == [b"p", b"p", b"p", b"e"]
    parts = [body for kind, body in outcome.frames if kind == b"p"]
    assert [sorted(part) for part in parts] == [["count", "digest", "first", "items", "name"]] * 3
    assert [(part["first"], part["count"], part["items"]) for part in parts] == [(0, 2, 2), (2, 4, 4), (6, 2, 2)]
    assert outcome.last() == (b"e", {"notices": [], "kind": "files"})
    assert outcome.exit_code == 0
    last = ManifestPart(str(tmp_path / "step" / "manifest" / parts[2]["name"]))
    assert os.fsencode(last.record(7)[0]) == b"\xff.txt"


def test_a_retried_division_announces_only_what_is_new(root: Path, tmp_path: Path) -> None:
    parts = [body for kind, body in run_division(tmp_path / "step", root).frames if kind == b"p"]

    again = run_division(tmp_path / "step", root, token=9, recorded_parts=parts[:2])

    assert again.frames == [(b"p", {**parts[2], "name": "part-0000000006-9.prsm"}), (b"e", {"notices": [], "kind": "files"})]


def test_an_input_that_changed_is_a_lasting_failure(root: Path, tmp_path: Path) -> None:
    parts = [body for kind, body in run_division(tmp_path / "step", root).frames if kind == b"p"]
    (root / "1.txt").unlink()

    kind, body = run_division(tmp_path / "step", root, token=9, recorded_parts=parts).last()

    assert kind == b"x"
    assert (body["kind"], body["permanent"]) == ("changed", True)
    assert "the input changed while it was divided" in body["message"]


def test_a_missing_input_is_said_in_words(tmp_path: Path) -> None:
    outcome = run_division(tmp_path / "step", tmp_path / "nowhere")

    message = f"the input {tmp_path}/nowhere does not exist"
    assert outcome.frames == [(b"x", {"kind": "input", "message": message, "traceback": "", "permanent": True})]
    assert outcome.exit_code == 1


def test_an_empty_input_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    outcome = run_division(tmp_path / "step", tmp_path / "empty")

    assert outcome.frames == [(b"e", {"notices": [], "kind": "files"})]


def test_a_table_is_divided(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "MLTable").write_text("paths:\n  - pattern: ./*.csv\ntransformations:\n  - read_delimited\n")
    (tmp_path / "in" / "a.csv").write_text("n,t\n" + "1,x\n" * 100)

    outcome = run_division(
        tmp_path / "step",
        tmp_path / "in",
        input={"type": "mltable", "mode": "direct", "path": str(tmp_path / "in")},
        division={"unit": "bytes", "size": 40},
    )

    assert outcome.last() == (b"e", {"notices": [], "kind": "table"})
    assert outcome.frames[0][1]["count"] == 11


def test_a_storage_that_cannot_be_written_may_be_tried_again(root: Path, tmp_path: Path) -> None:
    (tmp_path / "step").write_text("in the way")

    kind, body = run_division(tmp_path / "step", root).last()

    assert kind == b"x"
    assert (body["kind"], body["permanent"]) == ("storage", False)


def test_without_an_agent_it_ends_with_a_sentence() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PRS_HOST_FDS"}
    found = subprocess.run(
        [sys.executable, "-m", "prs_agent.division"], env=environment, capture_output=True, text=True, check=False
    )

    assert found.returncode == 2
    assert "the agent starts this program" in found.stderr
    assert run_program("prs_agent.division", []).exit_code == 2


def test_a_file_list_needs_none_of_the_heavy_libraries() -> None:
    heavy = "{'pyarrow', 'pydantic', 'grpc', 'yaml', 'csv'}"
    code = f"import sys, prs_agent.division.__main__; print(sorted({heavy} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert found.stdout == "[]\n"
