"""A file that appears at its place whole and durable, or not at all.

It is written under a temporary name beside its target, made durable, and renamed over the target. A temporary file that an
earlier, killed attempt left is removed by the next one that succeeds.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from prs_agent.outputs.problems import PublishError
from prs_agent.outputs.segments import sync_folder

_CHUNK_BYTES = 1024 * 1024


class Published(NamedTuple):
    """What was published: its size and the sha256 of its bytes, in hexadecimal digits."""

    size_bytes: int
    digest: str


class AtomicFile(io.RawIOBase):
    """The file on its way. Used with `with`: left without `publish`, nothing stays behind and the target is untouched."""

    def __init__(self, target: Path, token: int) -> None:
        """Create the temporary file and the target's folders. PublishError when the target is a folder or it is refused."""
        super().__init__()
        self._target = target
        self._mark = f".prs-{hashlib.sha256(os.fsencode(target.name)).hexdigest()[:16]}-"
        self._temporary = target.with_name(f"{self._mark}{token}.tmp")
        try:
            if target.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            _make_folders(target.parent)
            self._file = self._temporary.open("wb", buffering=0)
        except OSError as error:
            raise PublishError.of(error, str(target)) from error
        self._digest = hashlib.sha256()
        self._size_bytes = self._lines = 0
        self._pending: list[bytes | memoryview] = []
        self._pending_bytes = 0
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._writing: Future[int] | None = None

    def write(self, data: bytes | memoryview) -> int:  # type: ignore[override]  # narrower than the base: bytes only
        """Append all of `data`, which must not change afterwards. PublishError when the disk refuses."""
        self._pending.append(data)
        self._pending_bytes += len(data)
        if self._pending_bytes >= _CHUNK_BYTES:
            self._write_pending()
        return len(data)

    def write_all(self, pieces: list[memoryview]) -> None:
        """Append all of these, as `write` does."""
        self._pending += pieces
        self._pending_bytes += sum(map(len, pieces))
        if self._pending_bytes >= _CHUNK_BYTES:
            self._write_pending()

    def count_lines(self) -> int:
        """The number of line feeds in what was written."""
        self._write_pending()
        self._wait()
        return self._lines

    def is_empty(self) -> bool:
        """Whether nothing was written yet."""
        return not self._size_bytes and not self._pending_bytes

    def _write_pending(self) -> None:
        """Hand what is pending to the other thread, which writes while the next rows are being read."""
        self._wait()
        pieces, self._pending, self._pending_bytes = self._pending, [], 0
        self._size_bytes += sum(len(piece) for piece in pieces)
        self._writing = self._thread.submit(_write_all, self._file, pieces, self._digest)

    def _wait(self) -> None:
        """Everything handed over is written. PublishError when the disk refused."""
        writing, self._writing = self._writing, None
        try:
            if writing:
                self._lines += writing.result()
        except OSError as error:
            raise PublishError.of(error, str(self._target)) from error

    def prepend(self, data: bytes) -> None:
        """Put `data` in front of what was written: everything is copied once."""
        self._write_pending()
        self._wait()
        other = self._temporary.with_suffix(".copy.tmp")
        written = self._file
        try:
            self._file = other.open("wb", buffering=0)
            self._digest, self._size_bytes, self._lines = hashlib.sha256(), 0, 0
            self.write(data)
            with self._temporary.open("rb") as copied:
                while chunk := copied.read(_CHUNK_BYTES):
                    self.write(chunk)
            self._write_pending()
            self._wait()
            other.rename(self._temporary)
        except OSError as error:
            raise PublishError.of(error, str(self._target)) from error
        finally:
            written.close()

    def publish(self) -> Published:
        """Make the bytes durable and put them in the target's place. PublishError when that fails at any point."""
        self._write_pending()
        self._wait()
        try:
            os.fsync(self._file.fileno())
            self._file.close()
            self._temporary.rename(self._target)
            sync_folder(self._target.parent)
            self._remove_left_overs()
        except OSError as error:
            raise PublishError.of(error, str(self._target)) from error
        return Published(self._size_bytes, self._digest.hexdigest())

    def writable(self) -> bool:
        """True: the file can be written."""
        return True

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Remove what was not published."""
        self._thread.shutdown()
        self._file.close()
        with suppress(OSError):
            self._temporary.unlink(missing_ok=True)
            self._temporary.with_suffix(".copy.tmp").unlink(missing_ok=True)

    def _remove_left_overs(self) -> None:
        for path in self._target.parent.glob(f"{self._mark}*.tmp"):
            path.unlink(missing_ok=True)


def _write_all(file: io.FileIO, pieces: list[bytes | memoryview], digest: hashlib._Hash) -> int:
    """Write and digest the pieces; the answer is the number of their line feeds."""
    data = b"".join(pieces)
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) or 0 :]
    digest.update(data)
    return data.count(b"\n")


def _make_folders(folder: Path) -> None:
    """Create the folder and those above it, durably."""
    if folder.is_dir():
        return
    _make_folders(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)
