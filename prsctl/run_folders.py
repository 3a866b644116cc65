"""The data folders of `prsctl run`: which one a run uses, and who uses one now.

Runs live in `runs/default` of the user's data folder; runs at the same time in `runs/default-2` and so on, so that there are
as many folders as there ever were runs at a time. Whoever starts a daemon on a folder holds the lock of its file
`prsctl.lock`, which says what for, and where that daemon listens.
"""

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import IO

from prsctl.address import data_folder
from prsctl.exit_codes import ExitCode
from prsctl.failures import CommandFailed

RUN = "run"
QUERY = "query"
_LOCK_NAME = "prsctl.lock"
_STORE_NAME = "prsd.db"
_QUERY_PATIENCE_S = 10.0
_LOOK_EVERY_S = 0.05


@dataclass(frozen=True, slots=True)
class Use:
    """What a folder is in use for: RUN (until its job has ended) or QUERY (for a moment), and the daemon's address."""

    purpose: str
    server: str = ""


class FolderInUse(CommandFailed):
    """Another prsctl has a daemon on this folder."""

    def __init__(self, folder: Path, use: Use) -> None:
        super().__init__(f"the data folder {folder} is in use by another prsctl {use.purpose}", ExitCode.CONFLICT)
        self.use = use


class HeldFolder:
    """A data folder that is ours until the process ends or `release` is called."""

    def __init__(self, path: Path, lock: IO[str]) -> None:
        self.path = path
        self._lock = lock

    def tell(self, use: Use) -> None:
        """Says to others what we use the folder for."""
        self._lock.seek(0)
        self._lock.truncate()
        json.dump({"purpose": use.purpose, "server": use.server}, self._lock)
        self._lock.flush()

    def release(self) -> None:
        """Lets others have the folder, and leaves no word of a run that has ended."""
        self.tell(Use(QUERY))
        self._lock.close()


@contextmanager
def held(folder: Path, purpose: str) -> Iterator[HeldFolder]:
    """Holds a folder, made when it is not there; a mere query of somebody else is waited for. Raises FolderInUse."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    deadline = time.monotonic() + _QUERY_PATIENCE_S
    while (taken := _take(folder)) is None:
        use = use_of(folder)
        if use.purpose == RUN or time.monotonic() >= deadline:
            raise FolderInUse(folder, use)
        time.sleep(_LOOK_EVERY_S)
    try:
        taken.tell(Use(purpose))
        yield taken
    finally:
        taken.release()


@contextmanager
def held_for_run(folder: Path | None, notice: Callable[[str], None]) -> Iterator[HeldFolder]:
    """Holds the named folder, or the first of the user's run folders that no other run is using."""
    with ExitStack() as stack:
        if folder is not None:
            yield stack.enter_context(held(folder.absolute(), RUN))
            return
        taken = _first_free(stack)
        if taken.path.name != _run_folder_name(1):
            notice(f"another run is under way: this one keeps its jobs in {taken.path}")
        yield taken


def _first_free(stack: ExitStack) -> HeldFolder:
    for number in count(1):
        with suppress(FolderInUse):
            return stack.enter_context(held(_runs() / _run_folder_name(number), RUN))
    raise AssertionError("count() does not end")


def use_of(folder: Path) -> Use:
    """What the holder of the folder says, or last said."""
    try:
        said = json.loads((folder / _LOCK_NAME).read_text())
        return Use(said["purpose"], said["server"])
    except (OSError, ValueError, KeyError, TypeError):
        return Use(QUERY)


def past_run_folders() -> list[Path]:
    """The user's run folders that hold jobs, the last used first."""
    stores = [folder / _STORE_NAME for folder in _runs().glob("*") if (folder / _STORE_NAME).exists()]
    return [store.parent for store in sorted(stores, key=_last_use, reverse=True)]


def _last_use(store: Path) -> float:
    written = (path.stat().st_mtime for path in store.parent.glob(f"{store.name}*"))
    return max(written, default=0.0)


def _runs() -> Path:
    return data_folder() / "runs"


def _run_folder_name(number: int) -> str:
    return "default" if number == 1 else f"default-{number}"


def _take(folder: Path) -> HeldFolder | None:
    lock = os.fdopen(os.open(folder / _LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return HeldFolder(folder, lock)
