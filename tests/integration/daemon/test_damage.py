"""A log that is not what was written: the real daemon refuses it in one sentence that names the fact."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import grpc.aio
import pytest

from tests.integration.daemon.conftest import AgentPeer, DaemonProcess, rank_pipeline, submitted
from tests.integration.daemon.starting import refused_start


@pytest.fixture
async def stopped(daemon: DaemonProcess) -> DaemonProcess:
    """A daemon that has recorded some facts and was stopped."""
    async with grpc.aio.insecure_channel(daemon.address) as channel:
        await submitted(channel, rank_pipeline(4))
        peer = AgentPeer(channel)
        await peer.hello()
        await peer.expect("open")
    assert daemon.stop() == 0
    return daemon


async def test_a_flipped_byte_in_a_fact_is_refused_by_its_number(stopped: DaemonProcess) -> None:
    file = stopped.folder / "data" / "prsd.db"
    with closing(sqlite3.connect(file)) as connection:
        number, body = connection.execute("SELECT number, body FROM facts WHERE kind = 6").fetchone()  # SESSION_OPENED
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = file.read_bytes()
    assert content.count(body) == 1
    position = content.index(body) + len(body) // 2
    file.write_bytes(content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :])
    said = await refused_start(stopped.folder)
    assert said.startswith(f"prsd: {file} is damaged: fact {number}: its checksum is not that of what is stored; restore")


async def test_a_log_cut_in_the_middle_is_refused_by_the_first_missing_fact(stopped: DaemonProcess) -> None:
    file = stopped.folder / "data" / "prsd.db"
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("DELETE FROM facts WHERE number IN (2, 3)")
    assert "fact 2: it is missing, the log goes on at 4" in await refused_start(stopped.folder)


async def test_a_log_cut_at_its_end_is_refused(stopped: DaemonProcess) -> None:
    file = stopped.folder / "data" / "prsd.db"
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("DELETE FROM facts WHERE number >= 4")
    assert "fact 4: it is missing" in await refused_start(stopped.folder)


async def test_a_file_cut_in_the_middle_is_refused(stopped: DaemonProcess) -> None:
    file = stopped.folder / "data" / "prsd.db"
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    assert f"{file} is damaged" in await refused_start(stopped.folder)
