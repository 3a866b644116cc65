"""The spawner: a small process that starts workers, kills them with everything they started, and reaps them.

    python -I -S spawner.py FD

It is a process of its own because forking is not safe in a process that uses grpc, and because workers must not outlive
their agent: FD, a connected unix stream socket, is its lifeline. When that ends, every worker is killed and the spawner
ends; when the spawner is killed, the kernel kills the workers (parent-death signal). It has one thread, imports only the
standard library and its neighbour `children.py`, and ignores SIGINT, SIGTERM and SIGHUP: the agent decides.

Both directions carry frames: u32 little-endian length, then a JSON object.

    agent → spawner  {"do": "spawn", "id", "argv", "env", "cwd", "stdout", "stderr", "descriptors": n}
                     The n descriptors travel with the first byte of the frame (SCM_RIGHTS).
                     {"do": "kill", "id", "grace_s"}   SIGTERM now and SIGKILL after the grace; 0: SIGKILL now
    spawner → agent  {"is": "spawned", "id", "pid"}, sent once the program is being executed
                     {"is": "failed", "id", "error"}, instead, when it cannot be; nothing follows for this id
                     {"is": "exited", "id", "pid", "returncode", "user_s", "system_s", "max_rss_bytes", "orphans",
                     "survivors"}, sent when the worker and all that it started are gone
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import sys
import time
from resource import struct_rusage
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prs_agent import children
else:
    # Appended, so that no neighbour of this file can take the place of a module of the standard library.
    sys.path.append(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
    import children

LEFTOVER_GRACE_S = 0.2
"""How long processes may outlive a worker that ended by itself, to end by themselves too."""

GIVE_UP_S = 10.0
"""How long SIGKILL is repeated before what is left is reported as surviving (stuck in the kernel, or another user's)."""

_SHORTEST_PAUSE_S = 0.002
_LONGEST_PAUSE_S = 0.05
_REAPED_AT_ONCE = 4096
_MOST_DESCRIPTORS = 253


class Worker:
    """One started worker, until its end has been reported."""

    def __init__(self, worker_id: str, pid: int, report: int) -> None:
        self.id = worker_id
        self.pid = pid
        # Where the child says why it could not execute; None once that is settled.
        self.report: int | None = report
        self.could_not_execute = False
        # When SIGKILL is due for all that is left; None while the worker may run.
        self.kill_at: float | None = None
        self.kill_requested = False
        self.ending: dict[str, Any] | None = None
        self.seen: dict[int, int] = {}
        self.orphans: set[int] = set()

    def tree(self) -> children.Tree:
        return children.Tree(self.id, self.pid, self.ending is not None, self.seen)

    def ended(self, returncode: int, usage: struct_rusage, now: float) -> None:
        self.ending = {
            "returncode": returncode,
            "user_s": usage.ru_utime,
            "system_s": usage.ru_stime,
            "max_rss_bytes": usage.ru_maxrss * 1024,
        }
        if self.kill_at is None:
            self.kill_at = now + LEFTOVER_GRACE_S


class Spawner:
    """The loop: requests in, children watched, replies out."""

    def __init__(self, lifeline: socket.socket) -> None:
        self._lifeline = lifeline
        self._is_open = True
        self._received = bytearray()
        self._descriptors: list[int] = []
        self._workers: dict[str, Worker] = {}
        self._reports: dict[int, Worker] = {}
        self._look_at: float | None = None
        self._pause_s = _SHORTEST_PAUSE_S
        self._poll = select.poll()
        self._poll.register(lifeline, select.POLLIN)
        self._woken = _wake_on_child()
        self._poll.register(self._woken, select.POLLIN)

    def run(self) -> None:
        """Serve until the lifeline ends; then nothing that was started here is left."""
        try:
            while self._is_open:
                self._turn()
        finally:
            self._end_everything()

    def _turn(self) -> None:
        for descriptor, _ in self._poll.poll(self._poll_ms()):
            if descriptor == self._lifeline.fileno():
                self._receive()
            elif descriptor == self._woken:
                self._drain()
            else:
                self._settle(self._reports[descriptor])
        self._reap()
        if self._look_at is not None and time.monotonic() >= self._look_at:
            self._look()

    def _poll_ms(self) -> float | None:
        return None if self._look_at is None else max(0.0, (self._look_at - time.monotonic()) * 1000)

    def _look_soon(self) -> None:
        self._look_at = time.monotonic()
        self._pause_s = _SHORTEST_PAUSE_S

    # Requests

    def _receive(self) -> None:
        try:
            data, descriptors, flags, _ = socket.recv_fds(
                self._lifeline, 1 << 16, _MOST_DESCRIPTORS, socket.MSG_CMSG_CLOEXEC
            )
        except ConnectionResetError:
            data, descriptors, flags = b"", [], 0
        self._descriptors += descriptors
        self._received += data
        if not data or flags & socket.MSG_CTRUNC:
            self._is_open = False
        while len(self._received) >= 4:
            end = 4 + int.from_bytes(self._received[:4], "little")
            if len(self._received) < end:
                return
            request = json.loads(self._received[4:end])
            del self._received[:end]
            self._carry_out(request)

    def _carry_out(self, request: dict[str, Any]) -> None:
        if request["do"] == "spawn":
            self._spawn(request)
        elif (worker := self._workers.get(request["id"])) is not None:
            self._kill(worker, float(request["grace_s"]))

    def _spawn(self, request: dict[str, Any]) -> None:
        count = int(request["descriptors"])
        descriptors, self._descriptors = self._descriptors[:count], self._descriptors[count:]
        id_, argv, env, cwd, stdout, stderr = (request[key] for key in ("id", "argv", "env", "cwd", "stdout", "stderr"))
        try:
            pid, report = children.launch(children.Launch(id_, argv, env, cwd, stdout, stderr, descriptors))
        except OSError as error:
            self._send({"is": "failed", "id": request["id"], "error": f"no process could be started: {error}"})
            return
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        worker = Worker(request["id"], pid, report)
        self._workers[worker.id] = self._reports[report] = worker
        self._poll.register(report, select.POLLIN)

    def _kill(self, worker: Worker, grace_s: float) -> None:
        worker.kill_requested = True
        if grace_s > 0:
            members = self._members()[worker.id]
            worker.seen.update({process.pid: process.started for process in members})
            children.send(signal.SIGTERM, members)
        due = time.monotonic() + grace_s
        worker.kill_at = due if worker.kill_at is None else min(worker.kill_at, due)
        self._look_soon()

    # Children

    def _settle(self, worker: Worker) -> None:
        """Read how the execution went, and say so."""
        if worker.report is None:
            return
        error = os.read(worker.report, 4096)
        self._poll.unregister(worker.report)
        del self._reports[worker.report]
        os.close(worker.report)
        worker.report = None
        worker.could_not_execute = bool(error)
        if error:
            self._send({"is": "failed", "id": worker.id, "error": error.decode("utf-8", "replace")})
        else:
            self._send({"is": "spawned", "id": worker.id, "pid": worker.pid})

    def _reap(self) -> None:
        by_pid = {worker.pid: worker for worker in self._workers.values() if worker.ending is None}
        for pid, returncode, usage in children.reap(_REAPED_AT_ONCE):
            if (worker := by_pid.get(pid)) is not None:
                self._settle(worker)
                worker.ended(returncode, usage, time.monotonic())
                self._look_soon()

    def _members(self) -> dict[str, list[children.Process]]:
        trees = [worker.tree() for worker in self._workers.values()]
        return children.divide_by_owner(children.process_table(), os.getpid(), trees)

    def _look(self) -> None:
        """See what is left of the workers that end, kill what is due, report who is gone, and say when to look again."""
        members = self._members()
        now = time.monotonic()
        for worker in [worker for worker in self._workers.values() if worker.kill_at is not None]:
            self._end(worker, members[worker.id], now)
        ending = [worker for worker in self._workers.values() if worker.kill_at is not None]
        if not ending:
            self._look_at = None
            return
        self._pause_s = min(self._pause_s * 2, _LONGEST_PAUSE_S)
        due = [worker.kill_at for worker in ending if worker.kill_at is not None and worker.kill_at > now]
        waits_only = len(due) == len(ending) and all(worker.ending is None for worker in ending)
        self._look_at = min(due) if waits_only else min([now + self._pause_s, *due])

    def _end(self, worker: Worker, members: list[children.Process], now: float) -> None:
        assert worker.kill_at is not None
        worker.seen.update({process.pid: process.started for process in members})
        running = {process.pid for process in members if not process.is_zombie}
        is_hopeless = now > worker.kill_at + GIVE_UP_S
        if worker.ending is not None and (not members or is_hopeless):
            self._report_exit(worker, len(running))
        elif now >= worker.kill_at:
            if worker.ending is not None and not worker.kill_requested:
                worker.orphans |= running
            children.send(signal.SIGKILL, members)

    def _report_exit(self, worker: Worker, survivors: int) -> None:
        del self._workers[worker.id]
        if worker.could_not_execute or worker.ending is None:
            return
        counts = {"orphans": len(worker.orphans), "survivors": survivors}
        self._send({"is": "exited", "id": worker.id, "pid": worker.pid, **worker.ending, **counts})

    def _end_everything(self) -> None:
        """Kill every process below this one, whoever it belongs to, until none is left."""
        deadline = time.monotonic() + GIVE_UP_S
        while (below := self._still_below()) and time.monotonic() < deadline:
            children.send(signal.SIGKILL, below)
            select.select([self._woken], [], [], _LONGEST_PAUSE_S)
            self._drain()
        for worker in list(self._workers.values()):
            self._report_exit(worker, survivors=0)

    def _still_below(self) -> list[children.Process]:
        self._reap()
        table = children.process_table()
        return [table[pid] for pid in children.below(table, os.getpid())]

    def _drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._woken, 4096)

    def _send(self, reply: dict[str, Any]) -> None:
        body = json.dumps(reply).encode()
        try:
            self._lifeline.sendall(len(body).to_bytes(4, "little") + body)
        except (BrokenPipeError, ConnectionResetError):
            self._is_open = False


def _wake_on_child() -> int:
    """A descriptor that becomes readable when a child has ended."""
    woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    return woken


def main() -> None:
    """Serve on the descriptor that the command line names."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    children.become_subreaper()
    lifeline = socket.socket(fileno=int(sys.argv[1]))
    lifeline.set_inheritable(False)
    Spawner(lifeline).run()


if __name__ == "__main__":
    main()
