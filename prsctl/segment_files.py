"""Reads blocks of segments, and says what of them is not as recorded.

Written from the format's description, not with the agent's code: a verifier that shared the writer's mistakes would not see
them. A segment starts with a magic; before each block's payload lie, little-endian: a magic u32, first index u64, token
u64, count u32, payload bytes u32, crc32 u32.
"""

import os
import struct
from collections import OrderedDict
from collections.abc import Iterator
from zlib import crc32

from prsctl.discrepancies import Discrepancies, Discrepancy, mini_batches
from prsctl.stored_files import FileGone, StoredFiles
from prsd.base.columns import Column
from prsd.base.uris import join
from prsd.v1 import jobs_pb2

_FILE_MAGIC = b"PRSSEG1\n"
_BLOCK_MAGIC = b"PBLK"
_HEADER = struct.Struct("<4sQQIII")
_KEPT_BLOCKS = 16
_KEPT_FILES = 64


class SegmentFiles:
    """The segments of one step. What is wrong with a block is told once, however many ranges refer to it."""

    def __init__(self, files: StoredFiles, folder_uri: str, found: Discrepancies) -> None:
        self._files = files
        self._folder_uri = folder_uri
        self._found = found
        self._open: OrderedDict[str, int | None] = OrderedDict()
        self._blocks: OrderedDict[tuple[str, int], tuple[bytes | None, bool]] = OrderedDict()
        self._told: set[tuple[str, int]] = set()

    def payload(self, block: jobs_pb2.RowBlock) -> tuple[bytes | None, bool]:
        """The bytes of a block, as many as are recorded (None when they are not there), and whether they are as recorded."""
        key = (block.segment, block.offset)
        if key not in self._blocks:
            self._blocks[key] = self._read(block)
            if len(self._blocks) > _KEPT_BLOCKS:
                self._blocks.popitem(last=False)
        return self._blocks[key]

    def close(self) -> None:
        """Close what is open."""
        for descriptor in self._open.values():
            if descriptor is not None:
                os.close(descriptor)
        self._open.clear()

    def _read(self, block: jobs_pb2.RowBlock) -> tuple[bytes | None, bool]:
        descriptor = self._descriptor(block.segment)
        if descriptor is None:
            self._tell(block, block.offset, f"segment {block.segment} is gone")
            return None, False
        size_bytes = Column.from_bytes(block.lengths, block.count).total()
        payload = _pread(descriptor, block.offset, size_bytes)
        if len(payload) < size_bytes:
            self._tell(
                block, block.offset, f"it ends {size_bytes - len(payload):,} bytes before the block at {block.offset} does"
            )
            return None, False
        faults = list(_faults(descriptor, block, payload))
        for offset, fault in faults:
            self._tell(block, offset, fault)
        return payload, not faults

    def _tell(self, block: jobs_pb2.RowBlock, offset: int, fault: str) -> None:
        if (block.segment, offset) in self._told:
            return
        self._told.add((block.segment, offset))
        rows_of = mini_batches(block.first, block.first + block.count)
        message = f"segment {block.segment}, byte {offset}: {fault}; it holds the rows of {rows_of}"
        self._found.add(Discrepancy("segment", message, block.first, segment=block.segment, segment_offset=offset))

    def _descriptor(self, name: str) -> int | None:
        if name in self._open:
            self._open.move_to_end(name)
            return self._open[name]
        try:
            path = self._files.path(join(self._folder_uri, name))
            self._open[name] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except (FileGone, OSError):
            self._open[name] = None
        if len(self._open) > _KEPT_FILES:
            _, oldest = self._open.popitem(last=False)
            if oldest is not None:
                os.close(oldest)
        return self._open[name]


def _faults(descriptor: int, block: jobs_pb2.RowBlock, payload: bytes) -> Iterator[tuple[int, str]]:
    """Where in the file something is not as recorded, and what."""
    if _pread(descriptor, 0, len(_FILE_MAGIC)) != _FILE_MAGIC:
        yield 0, "it does not start as a segment does"
    start = block.offset - _HEADER.size
    header = _pread(descriptor, max(0, start), _HEADER.size)
    if start < len(_FILE_MAGIC) or len(header) < _HEADER.size:
        yield block.offset, "no block can start there"
        return
    magic, first, _, count, size_bytes, checksum = _HEADER.unpack(header)
    expected = (_BLOCK_MAGIC, block.first, block.count, len(payload), block.crc32)
    if (magic, first, count, size_bytes, checksum) != expected:
        yield start, "the header of the block there does not say what is recorded"
    actual = crc32(payload)
    if actual != block.crc32:
        yield block.offset, f"the block there is damaged: its checksum is {actual:08x}, recorded is {block.crc32:08x}"


def _pread(descriptor: int, offset: int, size_bytes: int) -> bytes:
    pieces = []
    while size_bytes and (piece := os.pread(descriptor, size_bytes, offset)):
        pieces.append(piece)
        offset += len(piece)
        size_bytes -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
