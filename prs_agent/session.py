"""The agent's end of the stream: connect, say Hello, read, write, break, connect again.

One reader and one writer per stream; nobody cancels a pending read to time out. The writer takes the newest Sync first (it
must not wait behind a report whose bytes are being made durable) and everything else in order.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import grpc.aio

from prsd.v1 import agents_pb2 as pb
from prsd.v1 import agents_pb2_grpc as rpc

log = logging.getLogger("prs_agent.session")

FIRST_BACK_OFF_S = 0.1
LONGEST_BACK_OFF_S = 5.0
_WELCOME_TIMEOUT_S = 15.0
_SOCKET_TIMEOUT_S = 10.0
_LOOK_FOR_SOCKET_EVERY_S = 0.01

# A frozen peer is noticed after about ten seconds only with all of these together (measured; the third one is what matters).
KEEPALIVE = (
    ("grpc.keepalive_time_ms", 5_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.ping_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
)
# Bulk bytes must not share a connection with heartbeats: these waited 633 ms instead of 15 behind them.
# This channel lives as long as the agent: by default it would wait up to two minutes for a daemon that is back long since.
BULK = (
    *KEEPALIVE,
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
)

Call = grpc.aio.StreamStreamCall[pb.AgentMessage, pb.DaemonMessage]


class RefusedError(Exception):
    """The daemon refuses this agent, and would do so again: wrong credentials, or a protocol that it does not speak."""


_LASTING_REFUSALS = {
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.INVALID_ARGUMENT,
}

Sendable = pb.AgentMessage
Prepared = Callable[[], Awaitable[Sendable]]


class Stream:
    """The stream of one session. What is not sent when it breaks is dropped: the ledger offers it again."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._ordered: deque[Prepared] = deque()
        self._sync: Sendable | None = None
        self._preparing: asyncio.Future[Sendable] | None = None
        self._news = asyncio.Event()
        self._said_goodbye = asyncio.Event()

    def send_sync(self, message: Sendable) -> None:
        """Replaces a Sync that has not left yet."""
        self._sync = message
        self._news.set()

    def send(self, prepared: Prepared) -> None:
        """Queues a message; `prepared` is awaited before it leaves (to make bytes durable) and gives the message."""
        self._ordered.append(prepared)
        self._news.set()

    async def write_all(self) -> None:
        """Writes what is queued, for ever. While one message waits for its preparation, Syncs go by."""
        news: asyncio.Task[bool] | None = None
        try:
            while True:
                if self._sync is not None:
                    message, self._sync = self._sync, None
                    await self._call.write(message)
                elif self._preparing is not None and self._preparing.done():
                    message = self._preparing.result()
                    await self._call.write(message)
                    self._preparing = None
                    if message.HasField("goodbye"):
                        await self._call.done_writing()
                        self._said_goodbye.set()
                elif self._preparing is None and self._ordered:
                    self._preparing = asyncio.ensure_future(self._ordered.popleft()())
                else:
                    self._news.clear()
                    news = asyncio.create_task(self._news.wait())
                    waited: set[asyncio.Future[Any]] = {news} if self._preparing is None else {news, self._preparing}
                    await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
                    news.cancel()
        finally:
            for pending in (self._preparing, news):
                if pending is not None:
                    pending.cancel()

    async def read_all(self) -> AsyncIterator[pb.DaemonMessage]:
        """Everything that the daemon says, until the stream ends."""
        while (message := await self._call.read()) is not grpc.aio.EOF:
            yield message  # type: ignore[misc]  # the stubs do not narrow EOF away

    async def say_goodbye(self, reason: str) -> None:
        """Ends the session for good, after everything that is queued; returns when it is written."""

        async def prepared() -> Sendable:
            return pb.AgentMessage(goodbye=pb.Goodbye(reason=reason))

        self.send(prepared)
        await self._said_goodbye.wait()

    def abort(self) -> None:
        """Breaks the stream; reader and writer end."""
        self._call.cancel()


class Connector:
    """Opens streams to one daemon, with growing, jittered pauses between tries."""

    def __init__(self, server: str) -> None:
        """`server`: `host:port`, or `unix:/path`."""
        self._server = server
        self._channel: grpc.aio.Channel | None = None
        self._back_off_s = FIRST_BACK_OFF_S

    def bulk_channel(self) -> grpc.aio.Channel:
        """A channel of its own for bulk bytes."""
        return grpc.aio.insecure_channel(self._server, options=BULK)

    async def open(self, hello: Callable[[], pb.Hello]) -> tuple[Stream, pb.Welcome]:
        """A stream whose Hello was welcomed; tries until it succeeds. RefusedError when trying again is of no use."""
        while True:
            try:
                return await self._try(hello())
            except grpc.aio.AioRpcError as error:
                if error.code() in _LASTING_REFUSALS:
                    raise RefusedError(f"{self._server}: {error.code().name}: {error.details()}") from error
                log.info("cannot connect to %s (%s: %s)", self._server, error.code().name, error.details())
            except (TimeoutError, ConnectionError) as error:
                log.info("cannot connect to %s (%s)", self._server, error or type(error).__name__)
            await self.pause()

    async def pause(self) -> None:
        """Waits before the next try: 0.1 s at first, 5 s at most, with jitter so that a fleet does not come at once."""
        pause_s = self._back_off_s * random.uniform(0.5, 1.0)
        self._back_off_s = min(2 * self._back_off_s, LONGEST_BACK_OFF_S)
        await asyncio.sleep(pause_s)

    async def _try(self, hello: pb.Hello) -> tuple[Stream, pb.Welcome]:
        await self.close()
        await self._await_socket()
        self._channel = grpc.aio.insecure_channel(self._server, options=KEEPALIVE)
        call: Call = rpc.AgentServiceStub(self._channel).Connect()
        async with asyncio.timeout(_WELCOME_TIMEOUT_S):
            await call.write(pb.AgentMessage(hello=hello))
            first = await call.read()
        if first is grpc.aio.EOF or not isinstance(first, pb.DaemonMessage):
            raise ConnectionError("the daemon ended the stream before Welcome")
        if first.WhichOneof("message") != "welcome":
            call.cancel()
            raise ConnectionError(f"the daemon answered Hello with {first.WhichOneof('message')}")
        self._back_off_s = FIRST_BACK_OFF_S
        return Stream(call), first.welcome

    async def _await_socket(self) -> None:
        """A daemon that starts beside its agents has no socket yet: look for it much oftener than gRPC would try."""
        path = self._server.removeprefix("unix:")
        if path == self._server or not path.startswith("/"):
            return
        deadline = asyncio.get_running_loop().time() + _SOCKET_TIMEOUT_S
        while not os.path.exists(path):  # noqa: ASYNC240, PTH110 - one stat, a hundred times a second
            if asyncio.get_running_loop().time() > deadline:
                raise ConnectionError("there is no such socket")
            await asyncio.sleep(_LOOK_FOR_SOCKET_EVERY_S)

    async def close(self) -> None:
        if self._channel is not None:
            channel, self._channel = self._channel, None
            await channel.close()
