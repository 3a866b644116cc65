"""FileService: snapshots in and out, and the bytes of outputs and logs in the daemon's own storage."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import BinaryIO

import grpc

from prsd.base.uris import UnsupportedUri, path_of
from prsd.storage import DataFolder
from prsd.v1 import files_pb2 as pb
from prsd.v1 import files_pb2_grpc as rpc

_CHUNK_BYTES = 256 * 1024
_MAX_SNAPSHOT_BYTES = 1 << 30
_MAX_FILES_LISTED = 100_000
_DIGEST = re.compile(r"[0-9a-f]{64}")


class FileService(rpc.FileServiceServicer):
    def __init__(self, folder: DataFolder) -> None:
        self._folder = folder

    async def FindSnapshots(
        self,
        request: pb.FindSnapshotsRequest,
        context: grpc.aio.ServicerContext[pb.FindSnapshotsRequest, pb.FindSnapshotsResponse],
    ) -> pb.FindSnapshotsResponse:
        held = [digest for digest in request.digests if _DIGEST.fullmatch(digest) and self._folder.snapshot(digest).exists()]
        return pb.FindSnapshotsResponse(digests=held)

    async def UploadSnapshot(
        self,
        request_iterator: AsyncIterator[pb.UploadSnapshotRequest],
        context: grpc.aio.ServicerContext[pb.UploadSnapshotRequest, pb.UploadSnapshotResponse],
    ) -> pb.UploadSnapshotResponse:
        digest = ""
        checksum = hashlib.sha256()
        size_bytes = 0
        with tempfile.NamedTemporaryFile(dir=self._folder.snapshots, prefix=".upload-", delete=False) as upload:
            try:
                async for message in request_iterator:
                    digest = digest or message.digest
                    size_bytes += len(message.data)
                    if size_bytes > _MAX_SNAPSHOT_BYTES:
                        await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "a snapshot may have 1 GiB at most")
                    checksum.update(message.data)
                    upload.write(message.data)
                if not _DIGEST.fullmatch(digest) or checksum.hexdigest() != digest:
                    await context.abort(grpc.StatusCode.DATA_LOSS, f"the bytes received do not have the digest {digest!r}")
                await asyncio.to_thread(_publish, upload, self._folder.snapshot(digest))
            finally:
                await asyncio.to_thread(Path(upload.name).unlink, missing_ok=True)
        return pb.UploadSnapshotResponse(size_bytes=size_bytes)

    async def DownloadSnapshot(
        self,
        request: pb.DownloadSnapshotRequest,
        context: grpc.aio.ServicerContext[pb.DownloadSnapshotRequest, pb.DownloadSnapshotResponse],
    ) -> AsyncIterator[pb.DownloadSnapshotResponse]:
        path = self._folder.snapshot(request.digest)
        if not _DIGEST.fullmatch(request.digest) or not path.exists():
            await context.abort(grpc.StatusCode.NOT_FOUND, f"no snapshot has the digest {request.digest!r}")
        async for data in _read(path, 0):
            yield pb.DownloadSnapshotResponse(data=data)

    async def ListFiles(
        self,
        request: pb.ListFilesRequest,
        context: grpc.aio.ServicerContext[pb.ListFilesRequest, pb.ListFilesResponse],
    ) -> pb.ListFilesResponse:
        path = await self._own(request.uri, context)
        return pb.ListFilesResponse(files=await asyncio.to_thread(lambda: list(_files_below(path))))

    async def ReadFile(
        self,
        request: pb.ReadFileRequest,
        context: grpc.aio.ServicerContext[pb.ReadFileRequest, pb.ReadFileResponse],
    ) -> AsyncIterator[pb.ReadFileResponse]:
        path = await self._own(request.uri, context)
        if not path.is_file():
            await context.abort(grpc.StatusCode.NOT_FOUND, f"there is no file {request.uri}")
        async for data in _read(path, request.offset):
            yield pb.ReadFileResponse(data=data)

    async def _own(self, uri: str, context: grpc.aio.ServicerContext) -> Path:  # type: ignore[type-arg]
        """The path of a URI in this daemon's outputs and logs; anything else is refused, also links that lead outside."""
        try:
            path = path_of(uri).resolve()
        except UnsupportedUri as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
            raise
        if not any(path.is_relative_to(root) for root in (self._folder.jobs, self._folder.datastore)):
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, f"{uri} is not in the storage of this daemon")
        return path


def _publish(upload: tempfile._TemporaryFileWrapper[bytes], target: Path) -> None:
    upload.flush()
    os.fsync(upload.fileno())
    Path(upload.name).replace(target)


def _files_below(path: Path) -> Iterator[pb.File]:
    if path.is_file():
        yield pb.File(path="", size_bytes=path.stat().st_size)
        return
    found = (each for each in sorted(path.rglob("*")) if each.is_file())
    for _, each in zip(range(_MAX_FILES_LISTED), found, strict=False):
        name = str(each.relative_to(path)).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        yield pb.File(path=name, size_bytes=each.stat().st_size)


async def _read(path: Path, offset: int) -> AsyncIterator[bytes]:
    def open_at() -> BinaryIO:
        stream = path.open("rb")
        stream.seek(offset)
        return stream

    stream = await asyncio.to_thread(open_at)
    try:
        while data := await asyncio.to_thread(stream.read, _CHUNK_BYTES):
            yield data
    finally:
        stream.close()
