"""Waiting for a job to end: the stream of its views, Ctrl-C and time limits, in one queue."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from types import FrameType
from typing import Protocol

from prsctl.client import Client
from prsctl.documents import is_final
from prsctl.exit_codes import ExitCode
from prsctl.failures import CommandFailed, TimedOut, Unreachable
from prsctl.patience import Patience
from prsctl.progress import Progress
from prsd.v1 import jobs_pb2

_TICK_S = 0.2
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Interrupted:
    """Ctrl-C, or another signal to stop."""


@dataclass(frozen=True, slots=True)
class StreamEnded:
    """There will be no further view of the job."""

    failure: CommandFailed


class Keeper(Protocol):
    """Whoever answers for a job and for the programs that carry it out."""

    def check(self) -> None:
        """Called about every 0.2 s; raises when the job cannot go on."""

    def interrupt(self) -> None:
        """Called for each Ctrl-C, SIGTERM and SIGHUP."""


Happening = jobs_pb2.Job | Interrupted | StreamEnded


def follow(
    client: Client,
    name: str,
    progress: Progress,
    *,
    timeout_s: float | None = None,
    keeper: Keeper | None = None,
) -> jobs_pb2.Job:
    """Shows the job until it has ended, and returns how it ended.

    `name` may be a unique prefix or `@latest`. Without a keeper the job is not ours to end: an interrupt ends the watch
    alone (exit code 130). A daemon that stops answering is waited for (see `patience`), unless its keeper says that it has
    ended. Raises TimedOut after `timeout_s`, and the daemon's refusal of the watch.
    """
    happenings: SimpleQueue[Happening] = SimpleQueue()
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    with _signals_in(happenings), progress, _watching(client, name, happenings):
        while True:
            happening = _next(happenings)
            if keeper is not None:
                keeper.check()
            match happening:
                case jobs_pb2.Job():
                    name = happening.name
                    progress.show(happening)
                    if is_final(happening):
                        return happening
                case Interrupted():
                    _interrupt(name, keeper)
                case StreamEnded():
                    raise happening.failure
            if deadline is not None and time.monotonic() >= deadline:
                raise TimedOut(f"job {name} has not ended within {timeout_s:g} s; it goes on: prsctl job watch {name}")


def _interrupt(name: str, keeper: Keeper | None) -> None:
    if keeper is None:
        raise CommandFailed(f"no longer watching; the job goes on: prsctl job watch {name}", ExitCode.INTERRUPTED)
    keeper.interrupt()


def _next(happenings: SimpleQueue[Happening]) -> Happening | None:
    try:
        return happenings.get(timeout=_TICK_S)
    except Empty:
        return None


@contextmanager
def _signals_in(happenings: SimpleQueue[Happening]) -> Iterator[None]:
    def received(_number: int, _frame: FrameType | None) -> None:
        happenings.put(Interrupted())

    # What is ignored stays ignored: that is how nohup works.
    heard = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, received) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _watching(client: Client, name: str, happenings: SimpleQueue[Happening]) -> Iterator[None]:
    is_over = threading.Event()
    threading.Thread(target=_watch, args=(client, name, happenings, is_over), daemon=True).start()
    try:
        yield
    finally:
        is_over.set()


def _watch(client: Client, name: str, happenings: SimpleQueue[Happening], is_over: threading.Event) -> None:
    """Puts every view of the job in the queue, over as many restarts of the daemon as there is patience for."""
    patience = Patience(client.address)
    try:
        while not is_over.is_set():
            try:
                for job in client.watch(name):
                    patience.answered()
                    name = job.name  # @latest may be another one by and by
                    happenings.put(job)
                    if is_final(job):
                        return
                raise Unreachable(f"the daemon at {client.address} ended the watch of job {name}")
            except Unreachable as failure:
                if not is_over.is_set():
                    patience.lost(failure)
    except CommandFailed as failure:
        happenings.put(StreamEnded(failure))
