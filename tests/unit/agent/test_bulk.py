"""Streams that are read on when the daemon is back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence

import grpc
import grpc.aio
import pytest

from prs_agent.bulk import resumed

WHOLE = b"all of a snapshot"


def broken(code: grpc.StatusCode) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), "the daemon is gone")


def streams(*lives: Sequence[bytes | grpc.StatusCode]) -> Callable[[], AsyncIterator[bytes]]:
    """Opens one life of the daemon after the other: what it sends, and perhaps how it breaks."""
    left = iter(lives)

    async def opened() -> AsyncIterator[bytes]:
        for each in next(left):
            if isinstance(each, grpc.StatusCode):
                raise broken(each)
            yield each

    return opened


@pytest.mark.parametrize(
    "lives",
    [
        [[WHOLE]],
        [[grpc.StatusCode.UNAVAILABLE], [WHOLE]],
        [[WHOLE[:5], grpc.StatusCode.UNAVAILABLE], [WHOLE[:3], WHOLE[3:9], WHOLE[9:]]],
        [[WHOLE[:5], grpc.StatusCode.CANCELLED], [WHOLE[:3], grpc.StatusCode.UNAVAILABLE], [WHOLE[:5], WHOLE[5:]]],
        [[WHOLE, grpc.StatusCode.UNAVAILABLE], [WHOLE]],
    ],
    ids=["undisturbed", "not_there_at_first", "broken", "broken_twice", "broken_at_the_end"],
)
async def test_a_stream_is_had_once_however_often_it_breaks(lives: list[list[bytes | grpc.StatusCode]]) -> None:
    assert b"".join([piece async for piece in resumed(streams(*lives))]) == WHOLE


async def test_what_the_daemon_refuses_is_not_asked_again() -> None:
    with pytest.raises(grpc.aio.AioRpcError, match="the daemon is gone"):
        assert not [piece async for piece in resumed(streams([grpc.StatusCode.NOT_FOUND], [WHOLE]))]
