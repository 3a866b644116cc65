"""A daemon that is patient: peers say nothing while a program runs beside them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.daemon.conftest import DaemonProcess


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[DaemonProcess]:
    made = DaemonProcess(tmp_path)
    made.start("--session-timeout", "60")
    yield made
    made.stop()
