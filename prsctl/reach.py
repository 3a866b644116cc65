"""Which daemon a verb talks to.

    1. the one that was named: --server, else PRS_SERVER
    2. with --data: the run that is under way on that folder, else a daemon of our own on it
    3. the daemon that listens on the socket in the user's data folder
    4. the run of this user that is under way, else a daemon of our own on the folder that has the job

A daemon of our own has no agents: it only tells what is recorded.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from prsctl.address import chosen_server, data_folder, local_server, somebody_listens, unix_address
from prsctl.exit_codes import ExitCode
from prsctl.failures import CommandFailed, Unreachable
from prsctl.options import Whereabouts
from prsctl.run_folders import QUERY, RUN, FolderInUse, Use, held, past_run_folders, use_of

if TYPE_CHECKING:
    from prsctl.client import Client

# A unix socket's path has at most 107 bytes, and the name of the socket is short.
_LONGEST_FOLDER = 90


@dataclass(frozen=True, slots=True)
class Reached:
    """A daemon that has answered. Only one that `is_live` can move a job on."""

    client: "Client"
    is_live: bool


@contextmanager
def live_daemon(where: Whereabouts) -> Iterator["Client"]:
    """A daemon that runs jobs; raises Unreachable when there is none."""
    from prsctl.client import Client, unreachable

    address = _live_address(where)
    if address is None:
        raise unreachable(unix_address(data_folder() / "prsd.sock"), "nothing listens there")
    with Client.connected(address) as client:
        yield client


@contextmanager
def daemon_with(job: str, where: Whereabouts) -> Iterator[Reached]:
    """The daemon that knows the job, by name or unique prefix or `@latest`."""
    with next(_ways_to(where, job)) as reached:
        yield reached


def each_daemon(where: Whereabouts) -> Iterator[Reached]:
    """All daemons that the user's jobs may be with, one after the other: each is stopped before the next is started."""
    for way in _ways_to(where, None):
        with way as reached:
            yield reached


def _ways_to(where: Whereabouts, job: str | None) -> Iterator[AbstractContextManager[Reached]]:
    """Ways to reach a daemon, the first being the one for `job`."""
    if where.data is not None and not where.server:
        yield _on_folder(where.data.absolute())
        return
    address = chosen_server(where.server) or local_server()
    if address is not None:
        yield _at(address)
        return
    folders = past_run_folders()
    if not folders:
        raise Unreachable(
            f"no daemon answers and there are no past runs in {data_folder()}: `prsctl run FILE` makes one, "
            "--server or PRS_SERVER names a daemon elsewhere"
        )
    for folder in sorted(folders, key=lambda folder: not _may_have(folder, job)):
        yield _on_folder(folder)


def folder_with(job: str) -> Path:
    """The folder of the user's past runs that has the job, else the one used last; CommandFailed when there is none."""
    folders = past_run_folders()
    if not folders:
        raise CommandFailed(f"there are no past runs in {data_folder()}: --data names the folder of one", ExitCode.NOT_FOUND)
    return min(folders, key=lambda folder: not _may_have(folder, job))


def _live_address(where: Whereabouts) -> str | None:
    if where.data is not None and not where.server:
        return _run_on(where.data.absolute())
    named = chosen_server(where.server) or local_server()
    return named or next((address for folder in past_run_folders() if (address := _run_on(folder))), None)


def _may_have(folder: Path, job: str | None) -> bool:
    return job is not None and not job.startswith("@") and any((folder / "jobs").glob(f"{job}*"))


def _run_on(folder: Path) -> str | None:
    use = use_of(folder)
    listening = use.purpose == RUN and somebody_listens(Path(use.server.removeprefix("unix:")))
    return use.server if listening else None


@contextmanager
def _at(address: str) -> Iterator[Reached]:
    from prsctl.client import Client

    with Client.connected(address) as client:
        yield Reached(client, is_live=True)


@contextmanager
def _on_folder(folder: Path) -> Iterator[Reached]:
    """The run that is under way on the folder, else a daemon of our own on it."""
    address = _run_on(folder)
    with ExitStack() as stack:
        if address is None:
            if not folder.is_dir():
                raise Unreachable(f"there is no data folder {folder}: --data names the one given to `prsctl run`")
            try:
                address = stack.enter_context(_own_daemon(folder))
            except FolderInUse as other:
                if not other.use.server:
                    raise
                address = other.use.server
        reached = stack.enter_context(_at(address))
        yield Reached(reached.client, is_live=_run_on(folder) is not None)


@contextmanager
def _own_daemon(folder: Path) -> Iterator[str]:
    from prsctl.programs import Daemon, stop

    with held(folder, QUERY) as taken, private_folder() as sockets:
        daemon = Daemon(folder, sockets / "prsd.sock", folder / "programs")
        try:
            daemon.wait_until_ready()
            taken.tell(Use(QUERY, daemon.address))
            yield daemon.address
        finally:
            stop([], daemon.program)


@contextmanager
def private_folder() -> Iterator[Path]:
    """A folder for sockets: readable by its owner alone, and its path short enough for one."""
    folder = Path(tempfile.mkdtemp(prefix="prs-"))
    if len(os.fsencode(folder)) > _LONGEST_FOLDER:
        folder.rmdir()
        folder = Path(tempfile.mkdtemp(prefix="prs-", dir="/tmp"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
