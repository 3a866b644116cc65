"""The plan of a commit: which rows lie where, in mini-batch order, as the agent passes it on in frames."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from prs_agent.outputs.problems import PlanError
from prs_agent.outputs.segments import Block, BlockRef, SegmentReader
from prsd.base.columns import Column

_KEPT_BYTES = 64 * 1024 * 1024
_KEPT_BLOCKS = 64
_KEPT_SEGMENTS = 64


class CommitRange(NamedTuple):
    """`size` succeeded mini-batches from `first`; `ref` is None when they returned no rows.

    The block may hold more mini-batches than these: its own first index is `block_first`, and `lengths` is the packed column
    of the bytes of each of its payloads.
    """

    first: int
    size: int
    ref: BlockRef | None = None
    lengths: bytes = b""
    block_first: int = 0


class Payloads(NamedTuple):
    """The payloads of consecutive mini-batches from `first`: one after the other in `data`, `lengths` bytes each."""

    first: int
    lengths: Column
    data: memoryview

    def each(self) -> Iterator[tuple[int, memoryview]]:
        """Index and payload of every mini-batch that returned rows."""
        start = 0
        for index, length in enumerate(self.lengths, self.first):
            if length:
                yield index, self.data[start : start + length]
            start += length


def parse_range(body: dict[str, Any]) -> CommitRange:
    """A range as a frame has it; KeyError or ValueError when it is none."""
    block = body.get("block")
    if not block:
        return CommitRange(int(body["first"]), int(body["count"]))
    ref = BlockRef(block["segment"], int(block["offset"]), int(block["crc32"]))
    lengths = base64.b64decode(block["lengths_b64"])
    return CommitRange(int(body["first"]), int(body["count"]), ref, lengths, int(body["block_first"]))


def in_order(ranges: Iterator[CommitRange]) -> Iterator[CommitRange]:
    """The same ranges; PlanError at the first that is empty or does not lie wholly behind the one before it."""
    end = 0
    for found in ranges:
        if found.size < 1 or found.first < end:
            raise PlanError(f"the plan has {found.size} mini-batches from {found.first} after mini-batch {end - 1}")
        end = found.first + found.size
        yield found


class BlockReader:
    """Reads the payloads of ranges. Keeps the last blocks, so that each is read and verified once however it is split."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._segments: dict[str, SegmentReader] = {}
        self._blocks: dict[BlockRef, Block] = {}
        self._kept_bytes = 0

    def payloads(self, found: CommitRange, ref: BlockRef) -> Payloads:
        """The payloads of a range whose block is `ref`. SegmentError when they are damaged, PlanError on contradictions."""
        block = self._block(ref)
        lengths = _lengths(found, ref, block)
        skipped = found.first - block.first
        before = lengths.slice(0, skipped).total()
        mine = lengths.slice(skipped, found.size)
        return Payloads(found.first, mine, memoryview(block.payload)[before : before + mine.total()])

    def _block(self, ref: BlockRef) -> Block:
        block = self._blocks.get(ref)
        if block is None:
            block = self._blocks[ref] = self._segment(ref.segment).read(ref.offset, ref.crc32)
            self._kept_bytes += len(block.payload)
            while len(self._blocks) > _KEPT_BLOCKS or (self._kept_bytes > _KEPT_BYTES and len(self._blocks) > 1):
                oldest = self._blocks.pop(next(iter(self._blocks)))
                self._kept_bytes -= len(oldest.payload)
        return block

    def _segment(self, name: str) -> SegmentReader:
        reader = self._segments.pop(name, None) or SegmentReader(self._folder / name)
        self._segments[name] = reader
        if len(self._segments) > _KEPT_SEGMENTS:
            self._segments.pop(next(iter(self._segments))).close()
        return reader


def _lengths(found: CommitRange, ref: BlockRef, block: Block) -> Column:
    where = f"the block at {ref.offset} of {ref.segment}"
    if block.first != found.block_first or not block.first <= found.first <= block.first + block.size - found.size:
        raise PlanError(f"{where} holds {block.size} mini-batches from {block.first}, not {found.size} from {found.first}")
    try:
        lengths = Column.from_bytes(found.lengths, block.size)
    except ValueError as error:
        raise PlanError(f"the lengths of {where}: {error}") from error
    if lengths.total() != len(block.payload):
        raise PlanError(f"the lengths of {where} add up to {lengths.total()}, but it has {len(block.payload)} bytes")
    return lengths
