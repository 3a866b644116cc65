"""The agent's unpacked code snapshots: one folder per digest, fetched and unpacked once."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from prsd.base.snapshots import LIMIT_BYTES, SnapshotError, is_digest, unpack

# A tar is larger than its content: two blocks per file, padding, long names.
_LIMIT_TAR_BYTES = 2 * LIMIT_BYTES


class SnapshotCache:
    """Folders below `folder`, named by digest. What is in them is for reading only. Several agents may share it."""

    def __init__(self, folder: Path, fetch: Callable[[str], AsyncIterator[bytes]]) -> None:
        """`fetch` yields the bytes of the tar with that digest; what it raises comes out of `folder_of`."""
        self._folder = folder
        self._fetch = fetch
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def folder_of(self, digest: str) -> Path:
        """The unpacked snapshot, fetched when it is not here. SnapshotError when the digest is none or the bytes are
        refused; a later call tries again."""
        if not is_digest(digest):
            raise SnapshotError(f"{digest!r} is no digest of a snapshot (64 lower-case hexadecimal digits)")
        folder = self._folder / digest
        # Who waits here finds the folder, or, when the first has failed or was cancelled, tries itself.
        async with self._locks[digest]:
            if not await asyncio.to_thread(folder.is_dir):
                await self._fetch_into(folder, digest)
        return folder

    async def _fetch_into(self, folder: Path, digest: str) -> None:
        await asyncio.to_thread(self._folder.mkdir, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=self._folder, prefix=".fetching-")
        try:
            with os.fdopen(descriptor, "wb") as tar:
                async for data in self._fetch(digest):
                    await asyncio.to_thread(tar.write, data)
                    if tar.tell() > _LIMIT_TAR_BYTES:
                        raise SnapshotError(f"the snapshot {digest} is longer than {_LIMIT_TAR_BYTES} bytes")
            await asyncio.to_thread(unpack, Path(name), digest, folder)
        finally:
            Path(name).unlink()  # noqa: ASYNC240  (also when this is cancelled, so nothing is awaited)
