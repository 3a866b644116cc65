"""AdminService: how the daemon is, and a copy of its state."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import sqlite3
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import grpc

from prsd.disk import DiskSpace
from prsd.storage import DataFolder
from prsd.store.sqlite import NAME, SqliteStore
from prsd.v1 import admin_pb2 as pb
from prsd.v1 import admin_pb2_grpc as rpc

FORMAT = 1
_CHUNK_BYTES = 256 * 1024
_COPY_PREFIX = ".backup-"


class AdminService(rpc.AdminServiceServicer):
    def __init__(self, store: SqliteStore, folder: DataFolder, disk: DiskSpace, version: str) -> None:
        self._store = store
        self._folder = folder
        self._disk = disk
        self._version = version
        for left in folder.root.glob(f"{_COPY_PREFIX}*"):  # by a daemon that was killed during a backup
            shutil.rmtree(left, ignore_errors=True)

    async def GetCondition(
        self,
        request: pb.GetConditionRequest,
        context: grpc.aio.ServicerContext[pb.GetConditionRequest, pb.GetConditionResponse],
    ) -> pb.GetConditionResponse:
        words = pb.GetConditionResponse
        return pb.GetConditionResponse(
            condition=words.CONDITION_DISK_FULL if self._disk.is_full else words.CONDITION_SERVING,
            reason=self._disk.reason,
            disk_free_bytes=self._disk.free_bytes,
            disk_reserve_bytes=self._disk.reserve_bytes,
            lineage=self._store.lineage.name,
            last_fact=self._store.last_fact,
            version=self._version,
        )

    async def Backup(
        self, request: pb.BackupRequest, context: grpc.aio.ServicerContext[pb.BackupRequest, pb.BackupResponse]
    ) -> AsyncIterator[pb.BackupResponse]:
        size_bytes = _size_of_database(self._folder.database)
        if not self._disk.has_room_for(size_bytes):
            await context.abort(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"a backup needs {size_bytes} bytes in {self._folder.root} beside the reserve while it is sent: make room",
            )
        with _temporary(self._folder.root) as folder:
            await self._copy_database(folder / NAME)
            manifest = pb.BackupManifest(format=FORMAT, version=self._version, lineage=self._store.lineage.name)
            manifest.create_time.GetCurrentTime()
            manifest.last_fact = await asyncio.to_thread(_last_fact, folder / NAME)
            # Snapshots after the log: whatever a job in the copy refers to was here before the job was recorded.
            snapshots = sorted(self._folder.snapshots.glob("[!.]*"))
            for path, name in [(folder / NAME, NAME), *((each, f"snapshots/{each.name}") for each in snapshots)]:
                async for part in _sent(path, name, manifest):
                    yield part
            yield pb.BackupResponse(manifest=manifest)

    async def _copy_database(self, target: Path) -> None:
        """In a thread that ends soon after the call does: it must not hold up the daemon's end."""
        is_over = threading.Event()
        try:
            await asyncio.to_thread(self._store.copy_to, target, lambda: not is_over.is_set())
        finally:
            is_over.set()


@contextmanager
def _temporary(folder: Path) -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix=_COPY_PREFIX, dir=folder))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


async def _sent(path: Path, name: str, manifest: pb.BackupManifest) -> AsyncIterator[pb.BackupResponse]:
    """One file as messages; enters it in the manifest with the digest of what was sent."""
    checksum = hashlib.sha256()
    with await asyncio.to_thread(path.open, "rb") as stream:
        size_bytes = os.fstat(stream.fileno()).st_size
        yield pb.BackupResponse(file=pb.BackupFile(path=name, size_bytes=size_bytes))
        while data := await asyncio.to_thread(stream.read, _CHUNK_BYTES):
            checksum.update(data)
            yield pb.BackupResponse(data=data)
    manifest.files.add(path=name, size_bytes=size_bytes, sha256=checksum.hexdigest())


def _size_of_database(file: Path) -> int:
    """What a copy takes at most: the log that is not in the file yet may make it as much longer."""
    waiting = file.with_name(f"{file.name}-wal")
    return file.stat().st_size + (waiting.stat().st_size if waiting.exists() else 0)


def _last_fact(copy: Path) -> int:
    with closing(sqlite3.connect(f"{copy.as_uri()}?immutable=1", uri=True)) as connection:
        return int(connection.execute("SELECT number FROM head").fetchone()[0])
