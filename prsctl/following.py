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
from prsctl.consoles import say
from prsctl.documents import is_final
from prsctl.exit_codes import ExitCode
from prsctl.failures import CommandFailed, TimedOut, Unreachable
from prsctl.progress import Progress
from prsd.v1 import jobs_pb2

_TICK_S = 0.2
_RECONNECT_FOR_S = 60.0
_RECONNECT_EVERY_S = 1.0
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

    Without a keeper the job is not ours to end: an interrupt ends the watch alone (exit code 130), and a daemon that stops
    answering is given a minute to come back. Raises TimedOut after `timeout_s`, and the daemon's refusal of the watch.
    """
    happenings: SimpleQueue[Happening] = SimpleQueue()
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    patience_s = _RECONNECT_FOR_S if keeper is None else 0.0
    threading.Thread(target=_watch, args=(client, name, happenings, patience_s), daemon=True).start()
    with _signals_in(happenings), progress:
        while True:
            happening = _next(happenings)
            if keeper is not None:
                keeper.check()
            match happening:
                case jobs_pb2.Job():
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


def _watch(client: Client, name: str, happenings: SimpleQueue[Happening], patience_s: float) -> None:
    """Puts every view of the job in the queue; a daemon that does not answer is waited for as long as `patience_s`."""
    give_up_at: float | None = None
    while True:
        try:
            for job in client.watch(name):
                happenings.put(job)
                give_up_at = None
                if is_final(job):
                    return
            raise Unreachable(f"the daemon at {client.address} ended the watch of job {name}")
        except Unreachable as failure:
            if give_up_at is None:
                give_up_at = time.monotonic() + patience_s
                if patience_s:
                    say(f"the daemon does not answer; trying again for {patience_s:g} s", "yellow")
            if time.monotonic() >= give_up_at:
                happenings.put(StreamEnded(failure))
                return
            time.sleep(_RECONNECT_EVERY_S)
        except CommandFailed as failure:
            happenings.put(StreamEnded(failure))
            return
