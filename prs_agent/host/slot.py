"""The slot: 64 bytes of shared memory that say what a worker is doing now.

The host writes it before each phase of a mini-batch, the agent looks every 100 ms: that makes time-outs per `run()` call
without a message per call. A slot is a file that both map: u64 generation, u64 index, u64 phase, f64 started, u64 token, in
the byte order of the machine. The generation is odd while the rest is being written. `started` is time.monotonic(), which on
one machine is the same clock in every process.
"""

from __future__ import annotations

import mmap
import os
import struct
import time
from typing import NamedTuple

SIZE_BYTES = 64
IDLE, LOADING, RUNNING, INIT, SHUTDOWN = range(5)

_LAYOUT = struct.Struct("=QQQdQ")
_GENERATION, _INDEX, _PHASE, _STARTED, _TOKEN = range(5)
_READ_TRIES = 1000


class SlotView(NamedTuple):
    """What a slot said: `index` and `token` mean something in phases LOADING and RUNNING."""

    index: int  # type: ignore[assignment]  # the name of a tuple's method, not needed here
    phase: int
    started: float  # time.monotonic() at which the phase was entered
    token: int


def create(path: str) -> None:
    """Writes an idle slot; the agent calls it before it starts a worker."""
    with open(path, "wb") as file:
        file.write(bytes(SIZE_BYTES))


def _map(path: str, access: int) -> mmap.mmap:
    fd = os.open(path, os.O_RDWR if access == mmap.ACCESS_WRITE else os.O_RDONLY)
    try:
        if os.fstat(fd).st_size < SIZE_BYTES:
            raise ValueError("%s is no slot: it has %d bytes, not %d" % (path, os.fstat(fd).st_size, SIZE_BYTES))
        return mmap.mmap(fd, SIZE_BYTES, access=access)
    finally:
        os.close(fd)


class SlotWriter:
    """The host's end. An empty path gives a slot that nobody reads."""

    def __init__(self, path: str) -> None:
        memory = memoryview(_map(path, mmap.ACCESS_WRITE) if path else bytearray(SIZE_BYTES))
        # Items of a cast view are single aligned stores, and cost a fifth of struct.pack_into.
        self._integers = memory.cast("Q")
        self._floats = memory.cast("d")
        self._generation = 0

    def enter(self, index: int, phase: int, started: float) -> None:
        """From `started` on, the worker is in `phase` of mini-batch `index`."""
        generation = self._generation
        integers = self._integers
        integers[_GENERATION] = generation + 1
        integers[_INDEX] = index
        integers[_PHASE] = phase
        self._floats[_STARTED] = started
        self._generation = generation = generation + 2
        integers[_GENERATION] = generation

    def enter_phase(self, phase: int) -> None:
        """A phase that belongs to no mini-batch, or the end of one; the index stays."""
        self.enter(self._integers[_INDEX], phase, time.monotonic())

    def set_token(self, token: int) -> None:
        """The lease of the mini-batches that follow."""
        self._integers[_GENERATION] = self._generation + 1
        self._integers[_TOKEN] = token
        self._integers[_GENERATION] = self._generation = self._generation + 2


class SlotReader:
    """The agent's end."""

    def __init__(self, path: str) -> None:
        self._memory = _map(path, mmap.ACCESS_READ)

    def read(self) -> SlotView:
        """A consistent view; of a worker that died while it wrote, the last bytes there were."""
        for _ in range(_READ_TRIES):
            generation, index, phase, started, token = _LAYOUT.unpack_from(self._memory)
            if generation % 2 == 0 and _LAYOUT.unpack_from(self._memory)[_GENERATION] == generation:
                break
        return SlotView(index, phase, started, token)

    def close(self) -> None:
        """Unmaps the slot; `read` raises ValueError from then on."""
        self._memory.close()
