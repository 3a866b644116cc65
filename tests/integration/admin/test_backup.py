"""`prsctl admin backup` and `restore` with a real daemon, as processes."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest

from prsctl.exit_codes import ExitCode
from prsd.restoring import BackupDamaged, restore
from prsd.store.errors import RestoreUnfinished, StoreDamaged
from prsd.store.sqlite import RESTORING, SqliteStore
from prsd.v1 import agents_pb2 as pb
from prsd.v1 import jobs_pb2
from tests.integration.daemon.conftest import (
    SNAPSHOT_DIGEST,
    AgentPeer,
    DaemonProcess,
    rank_pipeline,
    results,
    state_of,
    submitted,
    until_final,
)
from tests.integration.daemon.test_daemon import finish, take_part


@dataclass(frozen=True, slots=True)
class Ended:
    code: int
    out: str
    err: str


async def prsctl(*words: object) -> Ended:
    command = [sys.executable, "-m", "prsctl.cli", *map(str, words)]
    ended = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60, check=False)
    return Ended(ended.returncode, ended.stdout, ended.stderr)


async def backed_up(daemon: DaemonProcess, to: Path) -> None:
    ended = await prsctl("admin", "backup", to, "--server", daemon.address)
    assert ended.code == ExitCode.OK, ended.err


async def test_a_backup_is_whole_and_says_what_it_holds(daemon: DaemonProcess) -> None:
    to = daemon.folder / "backup"
    async with grpc.aio.insecure_channel(daemon.address) as channel:
        await submitted(channel, rank_pipeline(4))
        await backed_up(daemon, to)
        condition = await prsctl("admin", "condition", "-o", "json", "--server", daemon.address)
    shown = json.loads(condition.out)
    assert shown["condition"] == "serving"
    manifest = json.loads((to / "manifest.json").read_text())
    assert manifest["lineage"] == shown["lineage"]
    assert int(manifest["last_fact"]) == shown["last_fact"]
    assert [file["path"] for file in manifest["files"]] == ["prsd.db", f"snapshots/{SNAPSHOT_DIGEST}.tar"]
    assert {path.name for path in to.rglob("*") if path.is_file()} == {
        "manifest.json",
        "prsd.db",
        f"{SNAPSHOT_DIGEST}.tar",
    }
    again = await prsctl("admin", "backup", to, "--server", daemon.address)
    assert again.code == ExitCode.CONFLICT
    assert not list((daemon.folder / "data").glob(".backup-*"))


async def test_a_restored_job_goes_on_and_what_was_lost_runs_again(daemon: DaemonProcess) -> None:
    to = daemon.folder / "backup"
    async with grpc.aio.insecure_channel(daemon.address) as channel:
        await submitted(channel, rank_pipeline(4))
        peer = AgentPeer(channel)
        await peer.hello()
        grant = await take_part(peer, 2)
        await peer.report(results=[results(grant, count=1)])
        await backed_up(daemon, to)
        await peer.report(results=[results(grant)])
        refused = await prsctl("admin", "restore", to, "--data", daemon.folder / "data")
        assert refused.code == ExitCode.CONFLICT
        assert "is in use by the daemon with process id" in refused.err
    assert daemon.stop() == 0
    restored = await prsctl("admin", "restore", to, "--data", daemon.folder / "data")
    assert restored.code == ExitCode.OK, restored.err
    assert list((daemon.folder / "data").glob("replaced-*/prsd.db"))
    daemon.start("--session-timeout", "5")
    async with grpc.aio.insecure_channel(daemon.address) as channel:
        assert (await state_of(channel)).steps[0].mini_batches.succeeded == 1
        back = AgentPeer(channel, peer.boot)
        held = pb.HeldLease(token=grant.token, step=grant.step, phase=pb.PHASE_RUN, ranges=[pb.Range(first=1, count=1)])
        assert not (await back.hello(held=[held], open_steps=[pb.OpenStep(step=grant.step, workers=2)])).kept
        done = 1
        while done < 4:
            await back.sync([], [pb.Want(step=grant.step, count=10, ready_workers=2)])
            more = (await back.expect("grant")).grant
            await back.report(results=[results(more)])
            done += more.count
        await finish(back, grant.step)
        assert (await until_final(channel)).state == jobs_pb2.STATE_COMPLETED


async def test_a_backup_restores_into_a_folder_of_its_own(daemon: DaemonProcess) -> None:
    to, elsewhere = daemon.folder / "backup", daemon.folder / "elsewhere"
    async with grpc.aio.insecure_channel(daemon.address) as channel:
        await submitted(channel, rank_pipeline(4))
        await backed_up(daemon, to)
    restored = await asyncio.to_thread(restore, to, elsewhere)
    assert restored.aside is None
    assert (elsewhere / "snapshots" / f"{SNAPSHOT_DIGEST}.tar").read_bytes() == b"packed code"
    store = SqliteStore(elsewhere)
    store.open()
    assert store.lineage == restored.lineage
    assert [job.name for job in store.jobs()] == ["j"]
    await store.close()


async def test_a_backup_made_while_the_daemon_records_is_consistent(daemon: DaemonProcess) -> None:
    async with grpc.aio.insecure_channel(daemon.address) as channel:
        await submitted(channel, rank_pipeline(100_000))
        peer = AgentPeer(channel)
        await peer.hello()
        grant = await take_part(peer, 100_000)
        over = threading.Event()

        async def record() -> None:
            for first in range(grant.first, grant.first + grant.count):
                if over.is_set():
                    return
                await peer.report(results=[results(grant, first=first, count=1)])
                await peer.sync([grant.token])

        recording = asyncio.create_task(record())
        for number in range(3):
            to = daemon.folder / f"backup{number}"
            await backed_up(daemon, to)
            restored = await asyncio.to_thread(restore, to, daemon.folder / f"restored{number}")
            assert restored.manifest.last_fact > 0
        over.set()
        await recording


@pytest.fixture
async def backup(daemon: DaemonProcess) -> Path:
    """A backup; its daemon is stopped."""
    async with grpc.aio.insecure_channel(daemon.address) as channel:
        await submitted(channel, rank_pipeline(4))
        await backed_up(daemon, daemon.folder / "backup")
    daemon.stop()
    return daemon.folder / "backup"


async def test_a_damaged_backup_is_refused_and_the_folder_stays_as_it_was(daemon: DaemonProcess, backup: Path) -> None:
    file = backup / "prsd.db"
    content = bytearray(file.read_bytes())
    content[-100] ^= 1
    file.write_bytes(bytes(content))
    before = (daemon.folder / "data" / "prsd.db").read_bytes()
    with pytest.raises(BackupDamaged, match=r"prsd\.db is not what was backed up"):
        await asyncio.to_thread(restore, backup, daemon.folder / "data")
    assert (daemon.folder / "data" / "prsd.db").read_bytes() == before
    (backup / "prsd.db").unlink()
    with pytest.raises(BackupDamaged, match=r"prsd\.db is missing"):
        await asyncio.to_thread(restore, backup, daemon.folder / "data")
    shutil.rmtree(backup / "snapshots")
    (backup / "manifest.json").unlink()
    ended = await prsctl("admin", "restore", backup, "--data", daemon.folder / "data")
    assert ended.code == ExitCode.CONFLICT
    assert "is no backup" in ended.err
    daemon.start()


async def test_an_interrupted_restoration_is_refused_by_the_daemon_and_can_be_repeated(
    daemon: DaemonProcess, backup: Path
) -> None:
    data = daemon.folder / "data"
    (data / RESTORING).mkdir()
    (data / "prsd.db").unlink()
    with pytest.raises(RestoreUnfinished):
        SqliteStore(data).open()
    await asyncio.to_thread(restore, backup, data)
    daemon.start()
    async with grpc.aio.insecure_channel(daemon.address) as channel:
        assert (await state_of(channel)).name == "j"


async def test_a_damaged_log_cannot_be_passed_on_by_an_intact_backup_of_it(daemon: DaemonProcess, backup: Path) -> None:
    with closing(sqlite3.connect(backup / "prsd.db")) as connection, connection:
        connection.execute("UPDATE facts SET first = 7 WHERE number = 2")
    manifest = json.loads((backup / "manifest.json").read_text())
    manifest["files"][0]["sha256"] = hashlib.sha256((backup / "prsd.db").read_bytes()).hexdigest()
    (backup / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(StoreDamaged, match="fact 2"):
        await asyncio.to_thread(restore, backup, daemon.folder / "data")
    daemon.start()
