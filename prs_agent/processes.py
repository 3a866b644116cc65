"""The agent's side of the spawner: start workers, kill them, learn how they ended.

`Spawner.start` comes before anything of grpc is used in the process. From then on the agent forks nothing itself.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from prs_agent import children

_log = logging.getLogger(__name__)

_STOP_TIMEOUT_S = 15.0
_SWEEP_TIMEOUT_S = 5.0
_SWEEP_PAUSE_S = 0.02


class SpawnError(Exception):
    """The program was not executed; the message says why (no such file, no more processes, the spawner is gone)."""


@dataclass(frozen=True, slots=True)
class SpawnRequest:
    """What to start. The environment is complete but for `PRS_WORKER` and, when there are descriptors, `PRS_HOST_FDS`,
    which holds their numbers in the worker ("5,7"). Output files are opened for appending and their folders made; both
    paths are absolute. Standard input is /dev/null."""

    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: Path
    stdout_path: Path
    stderr_path: Path
    descriptors: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Exit:
    """How a worker ended, told when all that it had started was gone too."""

    returncode: int
    """The exit code; negative: the signal that killed it."""
    user_s: float
    system_s: float
    max_rss_bytes: int
    orphans: int
    """Processes that the worker left running when it ended by itself; they were killed."""
    survivors: int = 0
    """Processes that could not be killed."""


class Child:
    """A started worker."""

    def __init__(self, spawner: Spawner, child_id: str, pid: int) -> None:
        """Not for callers: `Spawner.spawn` makes these."""
        self.id = child_id
        self.pid = pid
        self._spawner = spawner
        self._exit: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()

    def kill(self, grace_s: float = 0.0) -> None:
        """End the worker with everything that it started: SIGKILL at once, or SIGTERM now and SIGKILL after the grace."""
        if not self._exit.done():
            self._spawner.request_kill(self.id, grace_s)

    async def exited(self) -> Exit:
        """Wait until the worker and everything that it started is gone. Any number may wait."""
        return await asyncio.shield(self._exit)

    def end(self, how: Exit) -> None:
        """For `Spawner`: the worker is gone."""
        if not self._exit.done():
            self._exit.set_result(how)


class Spawner:
    """The spawner process and the children that it has. One per agent process; not to be used after `stop` or `died`."""

    died: asyncio.Future[None]
    """From `start` on: done when the spawner process has ended unasked, and its children with it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._outgoing: deque[tuple[bytes, list[int]]] = deque()
        self._received = bytearray()
        self._starting: dict[str, asyncio.Future[Child]] = {}
        self._children: dict[str, Child] = {}
        # Unique among all agents of a machine, because what a dead spawner left is found by it.
        self._prefix = secrets.token_hex(6)
        self._numbers = count(1)
        self._is_stopping = False
        self._is_lost = False
        self._is_writing = False

    async def start(self) -> None:
        """Start the process; it answers to its first request some 30 ms later. OSError when it cannot be started."""
        self._loop = asyncio.get_running_loop()
        self.died = self._loop.create_future()
        self._gone: asyncio.Future[None] = self._loop.create_future()
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs:
            self._process = subprocess.Popen(  # noqa: ASYNC220  (before grpc is used, and asyncio's own forks beside it)
                [sys.executable, "-I", "-S", str(Path(__file__).with_name("spawner.py")), str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env={name: value for name, value in os.environ.items() if name != children.WORKER_VARIABLE},
                start_new_session=True,
            )
        self._socket.setblocking(False)
        self._loop.add_reader(self._socket.fileno(), self._receive)

    @property
    def pid(self) -> int | None:
        """The spawner process; None before `start`."""
        return self._process.pid if self._process else None

    async def spawn(self, request: SpawnRequest) -> Child:
        """Start a worker. Returns once its program is being executed; SpawnError when it cannot be. The caller keeps its
        own copies of the descriptors, and may close them. When this is cancelled, the worker is killed."""
        child_id = f"{self._prefix}.{next(self._numbers)}"
        started: asyncio.Future[Child] = self._loop.create_future()
        self._starting[child_id] = started
        self._send(
            {
                "do": "spawn",
                "id": child_id,
                "argv": list(request.argv),
                "env": dict(request.env),
                "cwd": str(request.cwd),
                "stdout": str(request.stdout_path),
                "stderr": str(request.stderr_path),
                "descriptors": len(request.descriptors),
            },
            request.descriptors,
        )
        try:
            return await started
        except asyncio.CancelledError:
            self.request_kill(child_id, 0.0)
            raise
        finally:
            self._starting.pop(child_id, None)

    def request_kill(self, child_id: str, grace_s: float) -> None:
        """For `Child.kill`."""
        self._send({"do": "kill", "id": child_id, "grace_s": grace_s}, ())

    async def stop(self) -> None:
        """Kill every child and end the process. Every `Child.exited` is answered. May be called twice, or never started."""
        if self._process is None:
            return
        if not self._is_stopping:
            self._is_stopping = True
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_WR)
        try:
            await asyncio.wait_for(asyncio.shield(self._gone), _STOP_TIMEOUT_S)
        except TimeoutError:
            _log.error("the spawner (pid %d) did not end in %g s; it is killed", self._process.pid, _STOP_TIMEOUT_S)
            self._process.kill()
            await asyncio.shield(self._gone)

    # The socket

    def _send(self, message: Mapping[str, object], descriptors: Sequence[int]) -> None:
        if self._is_lost or self._is_stopping:
            self._refuse(message)
            return
        body = json.dumps(message).encode()
        # Copies, because the caller may close its own before the socket takes them.
        self._outgoing.append((len(body).to_bytes(4, "little") + body, [os.dup(number) for number in descriptors]))
        if not self._is_writing:
            self._flush()

    def _refuse(self, message: Mapping[str, object]) -> None:
        if message["do"] == "spawn":
            self._starting[str(message["id"])].set_exception(SpawnError("the spawner has ended"))

    def _flush(self) -> None:
        while self._outgoing:
            data, descriptors = self._outgoing.popleft()
            try:
                sent = socket.send_fds(self._socket, [data], descriptors)
            except BlockingIOError:
                self._outgoing.appendleft((data, descriptors))
                break
            except OSError:
                sent = len(data)  # The reader sees the end of the spawner, and answers everything that waits.
            for number in descriptors:
                os.close(number)
            if sent < len(data):
                self._outgoing.appendleft((data[sent:], []))
        self._watch_writing(bool(self._outgoing))

    def _watch_writing(self, is_wanted: bool) -> None:
        if is_wanted and not self._is_writing:
            self._loop.add_writer(self._socket.fileno(), self._flush)
        elif self._is_writing and not is_wanted:
            self._loop.remove_writer(self._socket.fileno())
        self._is_writing = is_wanted

    def _receive(self) -> None:
        try:
            data = self._socket.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._lose()
            return
        self._received += data
        while len(self._received) >= 4:
            end = 4 + int.from_bytes(self._received[:4], "little")
            if len(self._received) < end:
                return
            reply = json.loads(self._received[4:end])
            del self._received[:end]
            self._take(reply)

    def _take(self, reply: dict[str, object]) -> None:
        child_id = str(reply.pop("id"))
        kind = reply.pop("is")
        started = self._starting.get(child_id)
        if kind == "exited":
            reply.pop("pid")
            self._children.pop(child_id).end(Exit(**reply))  # type: ignore[arg-type]
        elif kind == "spawned":
            child = self._children[child_id] = Child(self, child_id, int(str(reply["pid"])))
            if started is not None and not started.done():
                started.set_result(child)
        elif started is not None and not started.done():
            started.set_exception(SpawnError(str(reply["error"])))

    # The end

    def _lose(self) -> None:
        """The spawner has ended or is ending: by `stop`, or killed. Then its workers die with it; see to the rest."""
        self._is_lost = True
        self._loop.remove_reader(self._socket.fileno())
        self._watch_writing(False)
        for _, descriptors in self._outgoing:
            for number in descriptors:
                os.close(number)
        self._outgoing.clear()
        self._socket.close()
        workers = {child.pid: child.id for child in self._children.values()}
        burial = self._loop.run_in_executor(None, self._bury, workers)
        burial.add_done_callback(self._announce_end)

    def _bury(self, workers: Mapping[int, str]) -> int:
        """In a thread: wait for the process, and kill what it left running. Returns how many of that could not be killed."""
        assert self._process is not None
        self._process.wait()
        deadline = time.monotonic() + _SWEEP_TIMEOUT_S
        while workers and (left := children.left_of(workers)):
            if time.monotonic() > deadline:
                return len(left)
            children.send(signal.SIGKILL, left)
            time.sleep(_SWEEP_PAUSE_S)
        return 0

    def _announce_end(self, burial: asyncio.Future[int]) -> None:
        survivors = burial.result()
        for started in self._starting.values():
            if not started.done():
                started.set_exception(SpawnError("the spawner has ended"))
        for child in self._children.values():
            child.end(Exit(-signal.SIGKILL, 0.0, 0.0, 0, 0, survivors))
        self._children.clear()
        self._gone.set_result(None)
        if not self._is_stopping:
            assert self._process is not None
            how = describe_exit(self._process.returncode)
            _log.error("the spawner (pid %d) ended unasked: %s", self._process.pid, how)
            self.died.set_result(None)


def describe_exit(returncode: int) -> str:
    """In words: "exit code 3", "killed by signal 9 (SIGKILL)"."""
    if returncode >= 0:
        return f"exit code {returncode}"
    try:
        name = f" ({signal.Signals(-returncode).name})"
    except ValueError:
        name = ""
    return f"killed by signal {-returncode}{name}"
