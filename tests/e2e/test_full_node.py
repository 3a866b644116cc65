"""The disk of an agent's own folder is full when a step comes: it waits, says for what, and goes on when there is room."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import ParallelPipeline, Programs, wait_until

ECHO = """
import pathlib

def run(mini_batch):
    return [pathlib.Path(path).stem for path in mini_batch]
"""


@pytest.fixture
def agent_disk(tmp_path: Path) -> Iterator[Path]:
    """The folder of the agent that will be called "one", a file system of its own, full but for some pages."""
    folder = tmp_path / "one"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("a file system can be mounted by root alone")
    with (folder / "ballast").open("wb") as ballast:
        os.posix_fallocate(ballast.fileno(), 0, (8 << 20) - (256 << 10))
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def waiting(agent_disk: Path, programs: Programs, tmp_path: Path) -> Programs:
    """A job "j" whose code has no room on the only agent."""
    pipeline = ParallelPipeline(tmp_path / "p", ECHO, files=4, step={"compute": "cpu"}).write()
    (tmp_path / "p/code/model.bin").write_bytes(os.urandom(1 << 20))
    programs.start_daemon()
    programs.start_agent("one", "--slots", "2")
    assert programs.prsctl("submit", pipeline, "--name", "j").exit_code == 0

    def says_why() -> bool:
        reason = shown(programs)["steps"][0]["waiting_reason"]
        return "agent one cannot start it yet (No space left on device" in reason

    wait_until(says_why, timeout_s=60, what="the reason")
    return programs


def shown(programs: Programs) -> dict[str, Any]:
    return programs.prsctl("job", "show", "j", "-o", "json").job


def test_a_full_disk_under_a_snapshot_is_waited_for(waiting: Programs, agent_disk: Path) -> None:
    assert shown(waiting)["steps"][0]["errors"] == []
    (agent_disk / "ballast").unlink()
    ended = waiting.prsctl("job", "wait", "j", "-o", "json")
    assert ended.exit_code == 0, ended.stderr
    (step,) = ended.job["steps"]
    assert (step["waiting_reason"], step["errors"], step["mini_batches"]["succeeded"]) == ("", [], 4)


def test_a_job_that_waits_for_room_can_be_canceled(waiting: Programs) -> None:
    assert waiting.prsctl("job", "cancel", "j").exit_code == 0
    # Much less than the minute after which a step that does not close is killed.
    ended = waiting.prsctl("job", "wait", "j", "--timeout", "30s", "-o", "json")
    assert ended.exit_code == 11, ended.stderr
