"""The real daemon and agents as our child processes: start, watch over, stop, and leave nothing behind.

Each child leads a session of its own, so that the terminal's Ctrl-C reaches only prsctl, and dies with us when we are
killed (`--exit-with-parent`).
"""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

from prsctl.failures import ProgramDied

READY_TIMEOUT_S = 30.0
_STOP_TIMEOUT_S = 15.0
_TAIL_LINES = 20
_TAIL_BYTES = 16 * 1024


@dataclass(slots=True)
class Program:
    """A running child: `name` for messages, `log` holds its stdout and stderr."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    def check(self) -> None:
        """Raises ProgramDied when the program has ended."""
        if not self.is_running:
            raise self.death()

    def death(self) -> ProgramDied:
        """The words for a program that ended by itself: how, and what its log said last."""
        code = self.process.returncode
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return ProgramDied(f"{self.name} {how}; its log {self.log} ends with:\n{tail(self.log)}")

    def terminate(self) -> None:
        """Asks the program to stop."""
        self.process.terminate()

    def kill(self) -> None:
        """Kills the program and every process of its group; one that has ended is left alone, its pid may be another's."""
        if self.is_running:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)


class Daemon:
    """A `prsd` of our own on a private unix socket."""

    def __init__(self, data: Path, socket: Path, logs: Path, options: Sequence[str] = ()) -> None:
        self.address = f"unix:{socket}"
        reader, writer = os.pipe()
        self._ready: IO[bytes] = os.fdopen(reader, "rb")
        arguments = ["--data", str(data), "--listen", self.address, "--ready-fd", str(writer), *options]
        try:
            self.program = start("the daemon", "prsd.app", arguments, logs / "prsd.log", inherited=[writer])
        finally:
            os.close(writer)

    def wait_until_ready(self) -> None:
        """Returns when the daemon serves; raises ProgramDied when it ends instead, or takes longer than 30 s."""
        with self._ready:
            readable, _, _ = select.select([self._ready], [], [], READY_TIMEOUT_S)
            line = self._ready.readline() if readable else b""
        if line.startswith(b"ready "):
            return
        with suppress(subprocess.TimeoutExpired):
            self.program.process.wait(timeout=1.0 if readable else 0.0)
        if not self.program.is_running:
            raise self.program.death()
        raise ProgramDied(f"the daemon was not ready after {READY_TIMEOUT_S:g} s; its log: {self.program.log}")


def start_agent(number: int, daemon: Daemon, data: Path, logs: Path, slots: int) -> Program:
    """Starts an agent that works for the daemon with at most `slots` workers."""
    name = f"local-{number}"
    arguments = ["--server", daemon.address, "--compute", "local", "--name", name, "--slots", str(slots)]
    # Nothing is worth draining: an agent is stopped when its job has ended, or with us.
    arguments += ["--data", str(data), "--drain-timeout-s", "1"]
    return start(f"agent {name}", "prs_agent.app", arguments, logs / f"{name}.log")


def start(name: str, module: str, arguments: Sequence[str], log: Path, inherited: Sequence[int] = ()) -> Program:
    """Starts one of our programs in our own interpreter, its output going to `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments, "--exit-with-parent"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=tuple(inherited),
        )
    return Program(name, process, log)


def stop(agents: Sequence[Program], daemon: Program) -> None:
    """Stops the agents, then the daemon, politely; then kills whatever is left of them or their children."""
    family = _descendants([*agents, daemon])
    _end(agents)
    _end([daemon])
    _kill_processes(family)


def kill(programs: Sequence[Program]) -> None:
    """Kills the programs and all their children at once."""
    family = _descendants(programs)
    for program in programs:
        program.kill()
    for program in programs:
        program.process.wait()
    _kill_processes(family)


def tail(log: Path) -> str:
    """The last lines of a log."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - _TAIL_BYTES))
            lines = stream.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    return "\n".join(lines[-_TAIL_LINES:])


def _end(programs: Sequence[Program]) -> None:
    for program in programs:
        program.terminate()
    deadline = time.monotonic() + _STOP_TIMEOUT_S
    for program in programs:
        try:
            program.process.wait(timeout=max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            program.kill()
            program.process.wait()


def _descendants(programs: Iterable[Program]) -> list[psutil.Process]:
    found: list[psutil.Process] = []
    for program in programs:
        with suppress(psutil.NoSuchProcess):
            found += psutil.Process(program.process.pid).children(recursive=True)
    return found


def _kill_processes(processes: Sequence[psutil.Process]) -> None:
    """psutil compares start times, so a reused pid is never hit."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, timeout=_STOP_TIMEOUT_S)
