"""What passes on a node is tried again; what does not comes out."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator

import pytest

from prs_agent import patience
from prs_agent.patience import passing_reason, patiently
from prsd.base.snapshots import SnapshotError


def os_error(number: int, filename: str | None = None) -> OSError:
    return OSError(number, os.strerror(number), filename)


def wrapped(cause: OSError) -> SnapshotError:
    error = SnapshotError("snapshot 1234 cannot be unpacked")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (os_error(errno.ENOSPC), "No space left on device"),
        (os_error(errno.ENOSPC, "/srv/agent/.fetching-a1"), "No space left on device: /srv/agent"),
        (wrapped(os_error(errno.EMFILE)), "Too many open files"),
        (wrapped(os_error(errno.EACCES)), ""),
        (os_error(errno.EIO), ""),
        (SnapshotError("it has another digest"), ""),
        (ValueError("no"), ""),
    ],
)
def test_which_errors_pass(error: Exception, reason: str) -> None:
    assert passing_reason(error) == reason


async def test_it_is_tried_until_it_goes_well_and_each_reason_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "FIRST_PAUSE_S", 0.001)
    ends: Iterator[OSError | str] = iter(
        [os_error(errno.ENOSPC, "/a/x1"), os_error(errno.ENOSPC, "/a/x2"), os_error(errno.ENOMEM), "done"]
    )
    notes: list[str] = []

    async def attempt() -> str:
        end = next(ends)
        if isinstance(end, OSError):
            raise end
        return end

    assert await patiently(attempt, notes.append) == "done"
    assert notes == ["No space left on device: /a", "Cannot allocate memory", ""]


async def test_what_goes_well_at_once_or_cannot_go_well_is_not_told() -> None:
    notes: list[str] = []

    async def well() -> int:
        return 1

    async def badly() -> int:
        raise os_error(errno.EACCES)

    assert await patiently(well, notes.append) == 1
    with pytest.raises(PermissionError):
        await patiently(badly, notes.append)
    assert notes == []
