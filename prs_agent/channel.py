"""The agent's end of the two pipes to a process of ours: a worker's host, a division, a commit."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

OnBytes = Callable[[bytes], None]


class _Reader(asyncio.Protocol):
    def __init__(self, on_bytes: OnBytes) -> None:
        self.on_bytes = on_bytes
        self.ended = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        self.on_bytes(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set()


class Channel:
    """Bytes out without waiting, bytes in by a callback."""

    def __init__(self, reading: asyncio.ReadTransport, writing: asyncio.WriteTransport, reader: _Reader) -> None:
        """Not for callers: use `open`."""
        self._reading = reading
        self._writing = writing
        self._reader = reader

    @classmethod
    async def open(cls, on_bytes: OnBytes) -> tuple[Channel, tuple[int, int]]:
        """A channel, and the two descriptors (read, write) of the process; the caller closes its copies of these."""
        loop = asyncio.get_running_loop()
        theirs_read, ours_write = os.pipe()
        ours_read, theirs_write = os.pipe()
        reading, reader = await loop.connect_read_pipe(lambda: _Reader(on_bytes), os.fdopen(ours_read, "rb", 0))
        writing, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, os.fdopen(ours_write, "wb", 0))
        return cls(reading, writing, reader), (
            theirs_read,
            theirs_write,
        )

    def send(self, data: bytes) -> None:
        """Queues bytes; after the process has ended they go nowhere."""
        if not self._writing.is_closing():
            self._writing.write(data)

    def listen(self, is_wanted: bool) -> None:
        """Stops and resumes reading: the process then waits when its pipe is full."""
        if self._reading.is_closing() or self._reading.is_reading() == is_wanted:
            return
        if is_wanted:
            self._reading.resume_reading()
        else:
            self._reading.pause_reading()

    async def ended(self, timeout_s: float) -> None:
        """Everything that the process has said has been delivered; after `timeout_s` it is not waited for any more."""
        self.listen(True)
        try:
            async with asyncio.timeout(timeout_s):
                await self._reader.ended.wait()
        except TimeoutError:
            pass

    async def closed(self) -> None:
        """The other end is closed: nothing more can be said by the process."""
        await self._reader.ended.wait()

    def close(self) -> None:
        self._reading.close()
        self._writing.abort()
