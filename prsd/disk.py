"""Room on the disk of the data folder: seen in time, so that the log need not find out by a write that fails.

Below the reserve the daemon takes no new work, but still records what comes in: the reserve is there for that. Where even
the log finds no room (`Store.is_full`), nothing is recorded or acknowledged until it does.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from prsd.store.protocol import Store

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.5
# What the store needs at its start: the index of its log, and some pages.
START_BYTES = 1 << 20
# Work begins again only with this much more than the reserve, so that the state does not flicker.
_ENOUGH = 1.125
_MIB = 1 << 20


class DiskSpace:
    """Whether there is room for new work. `watch` looks; the rest says what was seen."""

    def __init__(self, folder: Path, reserve_bytes: int, store: Store) -> None:
        self._folder = folder
        self._store = store
        self._is_low = False
        self._said_full = False
        self.reserve_bytes = reserve_bytes
        self.free_bytes = 0
        self.look()

    @property
    def is_full(self) -> bool:
        """No new work: no job is accepted, no mini-batch granted."""
        return self._is_low or self._store.is_full

    @property
    def can_record(self) -> bool:
        """False while not even the log finds room."""
        return not self._store.is_full

    @property
    def reason(self) -> str:
        """What is the matter and what to do; empty when nothing is."""
        if not self.is_full:
            return ""
        return (
            f"the disk of {self._folder} is full ({self.free_bytes / _MIB:.1f} MiB free, the reserve is "
            f"{self.reserve_bytes / _MIB:.1f} MiB): make room there, the daemon goes on by itself"
        )

    def has_room_for(self, size_bytes: int) -> bool:
        """Whether something of that size can be put there beside the reserve."""
        return self.free_bytes - size_bytes >= self.reserve_bytes

    def look(self) -> None:
        """Ask the file system, and say so when the state has changed."""
        found = os.statvfs(self._folder)
        self.free_bytes = found.f_bavail * found.f_frsize
        enough = self.reserve_bytes * (_ENOUGH if self._is_low else 1)
        self._is_low = self.free_bytes < enough
        if self.is_full and not self._said_full:
            log.error("disk full: %s. Until then no job is accepted and nothing is granted", self.reason)
        elif self._said_full and not self.is_full:
            log.warning("there is room on the disk of %s again: work goes on", self._folder)
        self._said_full = self.is_full

    async def watch(self, note: Callable[[bool], Awaitable[None]]) -> None:
        """Until cancelled; `note` is told whether there is room, at first only when there is none."""
        has_room = True
        while True:
            self.look()
            if has_room == self.is_full:
                has_room = not self.is_full
                await note(has_room)
            await asyncio.sleep(LOOK_EVERY_S)


def why_no_start(folder: Path) -> str:
    """What is missing to start a daemon on this folder, in words; empty when its disk has room enough."""
    there = next(each for each in (folder.absolute(), *folder.absolute().parents) if each.exists())
    found = os.statvfs(there)
    free_bytes = found.f_bavail * found.f_frsize
    if free_bytes >= START_BYTES:
        return ""
    return (
        f"the disk of {folder} is full: {free_bytes:,} bytes are free, and to start takes {START_BYTES:,}: "
        f"make room for {START_BYTES - free_bytes:,} bytes, then start it again"
    )
