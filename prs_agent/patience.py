"""Trying again what has failed for a reason that passes: a full disk, too many processes, a connection that broke.

On a node such things are over some time or other, and cost a step nothing but time; giving the step up costs it the node.
"""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import grpc
import grpc.aio

log = logging.getLogger("prs_agent.patience")

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 15.0

_PASSING_NUMBERS = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.ENOMEM,
    errno.EMFILE,
    errno.ENFILE,
    errno.EAGAIN,
    errno.EINTR,
    errno.EBUSY,
    errno.ESTALE,
    errno.ETIMEDOUT,
    errno.ENETDOWN,
    errno.ENETUNREACH,
    errno.EHOSTDOWN,
    errno.EHOSTUNREACH,
    errno.ECONNREFUSED,
    errno.ECONNRESET,
    errno.ECONNABORTED,
}
_PASSING_CODES = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.INTERNAL,
}

Result = TypeVar("Result")


def passing_reason(error: BaseException) -> str:
    """Why it failed, in words that stay the same while it goes on failing so; "" for an error that is there to stay."""
    for each in _with_causes(error):
        if isinstance(each, OSError) and each.errno in _PASSING_NUMBERS:
            where = f": {Path(each.filename).parent}" if isinstance(each.filename, str) else ""
            return f"{each.strerror}{where}"
        if isinstance(each, grpc.aio.AioRpcError) and each.code() in _PASSING_CODES:
            return f"the daemon's files cannot be read: {each.code().name}"
    return ""


async def patiently(attempt: Callable[[], Awaitable[Result]], note: Callable[[str], None]) -> Result:
    """What `attempt` returns, tried again for as long as its errors pass; others come out as they are.

    `note` is told why it is waited, and "" when that is over. Who gives up cancels.
    """
    pause_s, reason = FIRST_PAUSE_S, ""
    while True:
        try:
            result = await attempt()
        except Exception as error:
            if not (found := passing_reason(error)):
                raise
            if found != reason:
                log.warning("%s: it is tried again", error)
                reason = found
                note(reason)
        else:
            if reason:
                note("")
            return result
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


def _with_causes(error: BaseException) -> Iterator[BaseException]:
    at: BaseException | None = error
    while at is not None:
        yield at
        at = at.__cause__
