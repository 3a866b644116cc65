"""The disk of the job's storage is full when rows are to be stored: that is no mini-batch's fault."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from prsd.base import uris
from prsd.v1 import agents_pb2 as pb
from tests.integration.agent.conftest import Daemon, StartAgent, eventually

SIZE_BYTES = 1 << 20
ROWS = "def run(mini_batch, context):\n    return ['x' * 5000 + str(context.minibatch_index)]\n"


@pytest.fixture
def segments(daemon: Daemon) -> Iterator[Path]:
    """The folder of the step's segments, a file system of its own without a free byte."""
    folder = daemon.folder / "step" / "segments"
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_BYTES}", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("a file system can be mounted by root alone")
    with (folder / "ballast").open("wb") as ballast:
        os.posix_fallocate(ballast.fileno(), 0, SIZE_BYTES)
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


async def test_rows_wait_for_room_and_nothing_is_charged(daemon: Daemon, start_agent: StartAgent, segments: Path) -> None:
    await start_agent()
    output = pb.Output(name="rows", type="uri_file", uri=uris.uri_of(daemon.folder / "rows.txt"))
    daemon.open(daemon.definition(ROWS, outputs=[output], append_row=pb.AppendRow(output="rows")))
    daemon.grant(token=5, count=8)
    await eventually(lambda: "waits for room" in _said(daemon), timeout_s=30)
    assert daemon.results() == []
    (segments / "ballast").unlink()
    await daemon.until(lambda: len(daemon.results()) == 8, timeout_s=30)
    assert sorted(daemon.results()) == list(range(8))
    assert daemon.failures() == []


def _said(daemon: Daemon) -> str:
    log = daemon.folder / "step/logs/sys/node/0/_main.txt"
    return log.read_text() if log.exists() else ""
