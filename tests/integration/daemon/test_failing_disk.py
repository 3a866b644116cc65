"""A sync that fails may have lost what it was to save: the daemon ends at once and the next one reads what is there."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path

import grpc
import pytest

from tests.integration.daemon.conftest import DaemonProcess, rank_pipeline, state_of, submitted
from tests.integration.daemon.starting import ended

SYNCS_BEFORE = 12


class FailingDaemon(DaemonProcess):
    """Every fdatasync of the log fails after the first few."""

    said = b""

    def start(self, *options: str) -> None:
        reading, writing = os.pipe()
        data = self.folder / "data"
        trace = ["strace", "-f", "-qq", "-o", "/dev/null", "-P", str(data / "prsd.db-wal"), "-e", "trace=fdatasync"]
        trace += ["-e", f"inject=fdatasync:error=EIO:when={SYNCS_BEFORE}+"]
        command = [sys.executable, "-m", "prsd.app", "--data", str(data), "--listen", self.address]
        command += ["--ready-fd", str(writing), *options]
        self.process = subprocess.Popen([*trace, *command], pass_fds=[writing], stderr=subprocess.PIPE)
        os.close(writing)
        with os.fdopen(reading) as ready:
            assert ready.readline() == f"ready {self.address}\n"


async def submit_until_refused(channel: grpc.aio.Channel, answered: list[str]) -> None:
    for number in range(100):
        answered.append((await submitted(channel, rank_pipeline(1), name=f"j{number}")).name)


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
async def test_a_failed_sync_ends_the_daemon_and_nothing_that_was_answered_is_lost(tmp_path: Path) -> None:
    failing = FailingDaemon(tmp_path)
    await asyncio.to_thread(failing.start)
    answered: list[str] = []
    async with grpc.aio.insecure_channel(failing.address) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as broken:
            await submit_until_refused(channel, answered)
        assert broken.value.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
    assert await ended(failing) == 1
    assert failing.process is not None
    assert failing.process.stderr is not None
    last = failing.process.stderr.read().decode().splitlines()[-1]
    assert last == "prsd: the log cannot be written: disk I/O error"
    assert answered
    healthy = DaemonProcess(tmp_path)
    await asyncio.to_thread(healthy.start)
    async with grpc.aio.insecure_channel(healthy.address) as channel:
        for name in answered:
            assert (await state_of(channel, name)).name == name
    assert healthy.stop() == 0
