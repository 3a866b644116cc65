"""A daemon that is not expected to go on: what it says, and how it exits."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

from tests.integration.daemon.conftest import DaemonProcess


async def refused_start(folder: Path, *options: str) -> str:
    """Starts a daemon over the data of a test and returns the last line of stderr; it must exit with 1."""
    address = f"unix:{folder}/d.sock"
    command = [sys.executable, "-m", "prsd.app", "--data", str(folder / "data"), "--listen", address, *options]
    ended = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 1, ended.stderr
    return ended.stderr.splitlines()[-1]


async def ended(daemon: DaemonProcess) -> int:
    """The exit code of a daemon that ends by itself."""
    assert daemon.process is not None
    return await asyncio.to_thread(daemon.process.wait, 20)
