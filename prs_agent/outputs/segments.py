"""Segments: append-only files in which the rows of finished mini-batches wait for the commit.

A segment belongs to one worker and one boot of its agent; its name is never used again. It starts with a magic, then come
blocks: a header (`_HEADER`: magic, first index, token, count, payload bytes, crc32 of the payload; little-endian) and the
payload, which is the rows of `count` mini-batches from `first` in index order. Bytes after the last block that was recorded
mean nothing: they are what an agent had not reported when it died.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from prs_agent.outputs.problems import FatalStorageError, SegmentError

MAGIC = b"PRSSEG1\n"
_BLOCK_MAGIC = 0x4B4C4250
_HEADER = struct.Struct("<IQQIII")


class BlockRef(NamedTuple):
    """Where a block's payload lies: the segment's file name, the offset of its first byte, and its checksum."""

    segment: str
    offset: int
    crc32: int


class Block(NamedTuple):
    """A block as read back: the payload of `size` mini-batches from `first`, written under `token`."""

    first: int
    token: int
    size: int
    payload: bytes


class SegmentWriter:
    """Appends blocks to a new segment. Not for several threads, but `sync` may run while another one appends."""

    def __init__(self, path: Path) -> None:
        """Create the file; FileExistsError when the name was used before, other OSErrors as they come.

        SegmentError when there is no room for its first bytes; then there is no file either, and the name can be used.
        """
        self._path = path
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self._end = 0
        self._folder_is_synced = False
        try:
            self._write(MAGIC)
        except SegmentError:
            os.close(self._fd)
            path.unlink()
            raise

    @property
    def name(self) -> str:
        """The file name, as block references have it."""
        return self._path.name

    @property
    def size_bytes(self) -> int:
        """Bytes written, durable or not."""
        return self._end

    def append(self, first: int, token: int, count: int, payload: bytes | memoryview) -> BlockRef:
        """Append the rows of `count` mini-batches; they are durable after the next `sync`.

        SegmentError when the disk is full or refuses; the segment is then as it was before.
        """
        checksum = crc32(payload)
        self._write(_HEADER.pack(_BLOCK_MAGIC, first, token, count, len(payload), checksum), payload)
        return BlockRef(self._path.name, self._end - len(payload), checksum)

    def sync(self) -> None:
        """Make everything appended so far durable. FatalStorageError: see there."""
        try:
            os.fdatasync(self._fd)
            if not self._folder_is_synced:
                sync_folder(self._path.parent)
                self._folder_is_synced = True
        except OSError as error:
            raise FatalStorageError(f"cannot make {self._path} durable: {error.strerror}") from error

    def close(self) -> None:
        """Close the file without a `sync`."""
        os.close(self._fd)

    def _write(self, *pieces: bytes | memoryview) -> None:
        size_bytes = sum(len(piece) for piece in pieces)
        try:
            written = os.writev(self._fd, pieces)
            if written < size_bytes:
                rest = memoryview(b"".join(pieces))[written:]
                while rest:
                    rest = rest[os.write(self._fd, rest) :]
        except OSError as error:
            self._take_back()
            raise SegmentError(f"cannot append to {self._path} at {self._end}: {error.strerror}") from error
        self._end += size_bytes

    def _take_back(self) -> None:
        try:
            os.ftruncate(self._fd, self._end)
        except OSError as error:
            raise FatalStorageError(f"cannot cut {self._path} back to {self._end} bytes: {error.strerror}") from error


class SegmentReader:
    """Reads blocks of a segment and verifies them."""

    def __init__(self, path: Path) -> None:
        """Open the file; SegmentError when it is not there or is no segment."""
        self._path = path
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise SegmentError(f"cannot open {path}: {error.strerror}") from error
        if self._read(0, len(MAGIC)) != MAGIC:
            self.close()
            raise SegmentError(f"{path} is no segment: it does not start with {MAGIC!r}")

    def read(self, offset: int, checksum: int) -> Block:
        """The block whose payload starts at `offset`; SegmentError unless header, length and checksum agree."""
        start = offset - _HEADER.size
        if start < len(MAGIC):
            raise SegmentError(f"{self._path} cannot have a block at {offset}")
        magic, first, token, count, size_bytes, stored = _HEADER.unpack(self._read(start, _HEADER.size))
        if magic != _BLOCK_MAGIC:
            raise SegmentError(f"{self._path} has no block at {offset}")
        payload = self._read(offset, size_bytes)
        actual = crc32(payload)
        if not stored == checksum == actual:
            found = f"crc32 {actual:08x}, stored {stored:08x}, recorded {checksum:08x}"
            raise SegmentError(f"{self._path}: the block at {offset} is damaged: {found}")
        return Block(first, token, count, payload)

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def _read(self, offset: int, size_bytes: int) -> bytes:
        pieces: list[bytes] = []
        end = offset + size_bytes
        while offset < end:
            try:
                piece = os.pread(self._fd, end - offset, offset)
            except OSError as error:
                raise SegmentError(f"cannot read {self._path} at {offset}: {error.strerror}") from error
            if not piece:
                raise SegmentError(f"{self._path} ends at {offset}, within a block that ends at {end}")
            pieces.append(piece)
            offset += len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable; OSError when that fails."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
