"""Sockets between agents and daemon that can stall, lose or reset what they carry."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from pathlib import Path

_CHUNK = 1 << 16


class Mode(Enum):
    """What a link does to the bytes of the directions that are disturbed."""

    PASS = "pass"
    STALL = "stall"  # nothing moves; all of it arrives later
    DROP = "drop"  # bytes are swallowed; the connections are reset when that ends
    RESET = "reset"  # connections are reset, and no new one is taken


class Link:
    """One listening socket of an agent. Its methods belong to the network's thread."""

    def __init__(self, listen: Path, upstream: Path) -> None:
        self._listen = listen
        self._upstream = upstream
        self._mode = Mode.PASS
        self._directions: frozenset[str] = frozenset()
        self._passes = asyncio.Event()
        self._passes.set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def open(self) -> None:
        await asyncio.start_unix_server(self._connected, str(self._listen))

    def disturb(self, mode: Mode, directions: frozenset[str]) -> None:
        """`directions`: "up" is from agent to daemon, "down" the other way."""
        if self._mode in (Mode.DROP, Mode.RESET) or mode is Mode.RESET:
            self._reset()
        self._mode, self._directions = mode, directions
        (self._passes.clear if mode is Mode.STALL else self._passes.set)()

    def _reset(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pair = {writer}
        try:
            if self._mode is Mode.RESET:
                return
            up_reader, up_writer = await asyncio.open_unix_connection(str(self._upstream))
            pair.add(up_writer)
            self._writers |= pair
            async with asyncio.TaskGroup() as group:
                group.create_task(self._carry("up", reader, up_writer))
                group.create_task(self._carry("down", up_reader, writer))
        except (OSError, ExceptionGroup):
            pass
        finally:
            self._writers -= pair
            for each in pair:
                each.transport.abort()

    async def _carry(self, direction: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_CHUNK):
            if direction in self._directions:
                await self._passes.wait()
                if self._mode is Mode.DROP:
                    continue
            writer.write(data)
            await writer.drain()
        raise ConnectionResetError("one side has ended")


class Network:
    """All links, in a thread with a loop of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._links: dict[str, Link] = {}
        self._thread = threading.Thread(target=self._loop.run_forever, name="chaos network", daemon=True)
        self._thread.start()

    def add(self, name: str, listen: Path, upstream: Path) -> None:
        """A link from the socket `listen`, which is made, to the socket `upstream`, which may come and go."""

        async def opened() -> None:
            self._links[name] = Link(listen, upstream)
            await self._links[name].open()

        asyncio.run_coroutine_threadsafe(opened(), self._loop).result(10)

    def disturb(self, name: str, mode: Mode, directions: frozenset[str] = frozenset({"up", "down"})) -> None:
        """From now on; `Mode.PASS` heals."""
        self._call(lambda: self._links[name].disturb(mode, directions))

    def _call(self, action: Callable[[], None]) -> None:
        async def called() -> None:
            action()

        asyncio.run_coroutine_threadsafe(called(), self._loop).result(10)

    def close(self) -> None:
        """End every connection and the thread."""

        async def ended() -> None:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.gather(*others, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(ended(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
