"""One daemon for each data folder: an advisory lock that ends with the process, however it ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from prsd.store.errors import StoreInUse

NAME = "prsd.lock"


class FolderLock:
    """`prsd.lock` in a folder; it holds the process id of its owner, for people and for the message of StoreInUse."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptor: int | None = None

    def take(self) -> None:
        """Creates the folder if need be; StoreInUse when another process (or store of this one) has it."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._folder / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
            os.close(descriptor)
            raise StoreInUse(str(self._folder), owner) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Lets go; idempotent. The file stays: to unlink it would let two processes lock two files of that name."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
