"""The job's storage in the small: segments that lose what was not synced, and what a commit attempt makes of them."""

from __future__ import annotations

import random
from collections.abc import Iterable
from zlib import crc32

from prsd.core.facts import Fact, ResultsRecorded
from prsd.core.vocabulary import Block, Results, StepId


class Segment:
    """An append-only file. Up to `synced` it survives everything."""

    def __init__(self, step: StepId, name: str, owner: str) -> None:
        self.step = step
        self.name = name
        self.owner = owner  # the boot that writes it
        self.data = bytearray(b"SEGMENT\n")
        self.synced = 0

    def append(self, payload: bytes) -> int:
        """Returns where the payload starts."""
        self.data += payload
        return len(self.data) - len(payload)


class Storage:
    """Shared by all nodes; it outlives them."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.segments: dict[tuple[StepId, str], Segment] = {}

    def create(self, step: StepId, name: str, owner: str) -> Segment:
        """A new segment; its name was never used before."""
        assert (step, name) not in self.segments, f"{step}: the segment {name} was made twice"
        segment = self.segments[step, name] = Segment(step, name, owner)
        return segment

    def lose_unsynced(self, owner: str) -> None:
        """The power fails on a node: of what was not synced any prefix is left, and the last bytes of it may be torn."""
        for segment in self.segments.values():
            if segment.owner == owner and segment.synced < len(segment.data):
                del segment.data[self._rng.randint(segment.synced, len(segment.data)) :]
                if len(segment.data) > segment.synced and self._rng.random() < 0.5:
                    segment.data[-1] ^= 0xFF
                segment.synced = len(segment.data)

    def verify(self, results: Results) -> None:
        """The bytes that recorded results refer to are durable, whole, and those of these mini-batches and this lease."""
        block = results.block
        if block is None:
            return
        segment = self.segments.get((results.step, block.segment))
        assert segment is not None, f"{results.step}: {results.first}+{results.count} lies in no segment"
        stop = block.offset + block.lengths.total()
        assert stop <= segment.synced, f"{results.step}: {results.first} was recorded before its bytes were durable"
        found = crc32(bytes(segment.data[block.offset : stop]))
        assert found == block.crc32, f"{results.step}: the bytes of {results.first}+{results.count} are damaged"
        for index in range(results.first, results.first + results.count):
            expected = payload_of(results.step, index, results.token)
            assert self.read(results.step, block, index) == expected, f"{results.step}: wrong rows for {index}"

    def read(self, step: StepId, block: Block, index: int) -> bytes:
        """The payload of one mini-batch of a block."""
        position = index - block.first
        assert 0 <= position < len(block.lengths), f"{step}: {index} is not in its block"
        start = block.offset + block.lengths.slice(0, position).total()
        return bytes(self.segments[step, block.segment].data[start : start + block.lengths[position]])


def payload_of(step: StepId, index: int, token: int) -> bytes:
    """The rows of a mini-batch: they say whose they are, and how many there are differs."""
    return f"{step.job}/{step.step} {index} {token}\n".encode() * (1 + index % 3)


def plan_of(facts: Iterable[Fact], step: StepId) -> list[Results]:
    """What the daemon's store answers to ReadCommitPlan."""
    found = [fact.results for fact in facts if isinstance(fact, ResultsRecorded) and fact.results.step == step]
    return sorted((results for results in found if not results.empty), key=lambda results: results.first)


def merge(storage: Storage, plan: list[Results]) -> bytes:
    """What a commit attempt publishes: the rows of the recorded mini-batches in index order."""
    merged = bytearray()
    for results in plan:
        if results.block is not None:
            for index in range(results.first, results.first + results.count):
                merged += storage.read(results.step, results.block, index)
    return bytes(merged)
