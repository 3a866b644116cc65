"""Streams over the bulk channel that outlive the daemon: what it sends in pieces is read on when it is back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, TypeVar

import grpc
import grpc.aio

log = logging.getLogger("prs_agent.bulk")

_PAUSE_S = 0.2
_PASSING = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)

Piece = TypeVar("Piece", bound=Sequence[Any])


async def resumed(open_stream: Callable[[], AsyncIterator[Piece]]) -> AsyncIterator[Piece]:
    """All that the stream carries, once, however often the daemon goes away meanwhile.

    The daemon restarts while its agents work: that is no failure of an attempt. `open_stream` opens the stream from its
    beginning, and has to carry the same elements each time, in pieces of any length. It waits for ever while there is no
    daemon; who gives up cancels. Other errors of the call come out as they are.
    """
    had = 0
    while True:
        position = 0
        try:
            async for piece in open_stream():
                fresh = piece[max(0, had - position) :]
                position += len(piece)
                if fresh:
                    had = position
                    yield fresh  # type: ignore[misc]  # a slice of a sequence is one of its kind
            return
        except grpc.aio.AioRpcError as error:
            if error.code() not in _PASSING:
                raise
            log.info("a stream of the daemon broke (%s: %s): it is read on", error.code().name, error.details())
        await asyncio.sleep(_PAUSE_S)
