"""The programs of one run: kept up as an init system would, and struck by faults."""

from __future__ import annotations

import heapq
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path

from tests.chaos.disk import SmallDisk
from tests.chaos.faults import Fault, Plan
from tests.chaos.processes import Register, send, spawner_of, workers_of
from tests.chaos.proxy import Mode, Network

BIN = Path(sys.executable).parent
RESTART_PAUSE_S = 0.2
TICK_S = 0.02
_LOOK_EVERY_S = 0.2
_STOP_TIMEOUT_S = 15.0
_LEFT_TIMEOUT_S = 5.0
_DISK_MB = 48
_MODES = {"partition_stall": Mode.STALL, "partition_drop": Mode.DROP, "partition_reset": Mode.RESET}


class Program:
    """One supervised program: it is started again when it ends. Its output is appended to one log."""

    def __init__(self, name: str, command: Sequence[str | Path], folder: Path, prefix: Sequence[str] = ()) -> None:
        """`prefix` goes before the command at the first start only."""
        self.name = name
        self.exits: list[int] = []
        self._command = [str(BIN / command[0]), *map(str, command[1:])]
        self._folder = folder
        self._restart_at: float | None = None
        self._process = self._start([*prefix, *self._command])

    def _start(self, command: list[str]) -> subprocess.Popen[bytes]:
        with (self._folder / f"{self.name}.log").open("ab") as log:
            env = environment(self._folder)
            return subprocess.Popen(command, env=env, cwd=self._folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_up(self) -> bool:
        return self._process.poll() is None

    def kill(self, restart_after_s: float) -> bool:
        """SIGKILL; whether it was up."""
        if not self.is_up:
            return False
        self._process.kill()
        self._process.wait()
        self._restart_at = time.monotonic() + restart_after_s
        return True

    def keep_up(self) -> None:
        """Start it again when that is due; one that ended by itself has a pause first."""
        now = time.monotonic()
        if self._restart_at is not None and now >= self._restart_at:
            self._restart_at = None
            self._process = self._start(self._command)
        elif self._restart_at is None and not self.is_up:
            self.exits.append(self._process.returncode)
            self._restart_at = now + RESTART_PAUSE_S

    def terminate(self) -> None:
        """Ask it to end."""
        self._restart_at = float("inf")
        if self.is_up:
            self._process.terminate()

    def end(self) -> int:
        """Wait for it; one that does not end is killed. The return code."""
        try:
            return self._process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return -signal.SIGALRM


def environment(folder: Path) -> dict[str, str]:
    """What the programs of a run see: nothing of the caller's own settings of ours."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PRS_")}
    own = {"PATH": f"{BIN}:{os.environ['PATH']}", "XDG_DATA_HOME": str(folder / "xdg"), "NO_COLOR": "1"}
    return kept | own | {"PRS_SERVER": f"unix:{folder}/d.sock"}


class Fleet:
    """A daemon, its agents with a disturbable network between them, and whoever else a run starts."""

    def __init__(self, folder: Path, plan: Plan, prefixes: dict[str, Sequence[str]] | None = None) -> None:
        """`prefixes`: what goes before the first command of a program (`daemon`, `agent0`)."""
        self.folder = folder
        self.register = Register(folder)
        self.struck: list[Fault] = []
        self._network = Network()
        self._disks: dict[str, SmallDisk] = {}
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        self._frozen: set[int] = set()
        self._look_at = 0.0
        self._prefixes = prefixes or {}
        self.agents: list[Program] = []
        for name, kind in (("daemon", "daemon_disk_full"), *((f"agent{n}", "agent_disk_full") for n in range(plan.agents))):
            if plan.has(kind):
                self._disks[name] = SmallDisk(folder / name, _DISK_MB)
        timing = ("--session-timeout", "2", "--heartbeat", "0.3", "--compute", "cpu")
        # A small disk could never hold the usual reserve.
        room = ("--disk-reserve", "4MiB")
        self.daemon = self._program("daemon", "prsd", "--listen", f"unix:{folder}/d.sock", *room, *timing)
        for number in range(plan.agents):
            self._add_agent(f"agent{number}")

    def _add_agent(self, name: str) -> None:
        server = self.folder / f"{name}.sock"
        self._network.add(name, server, self.folder / "d.sock")
        options = ("--server", f"unix:{server}", "--compute", "cpu", "--name", name, "--slots", "2")
        self.agents.append(self._program(name, "prs-agent", *options))

    def _program(self, name: str, *command: str) -> Program:
        command = (*command, "--data", str(self.folder / name))
        return Program(name, command, self.folder, self._prefixes.get(name, ()))

    @property
    def programs(self) -> list[Program]:
        return [self.daemon, *self.agents]

    def tick(self) -> None:
        """Do what is due, keep the programs up, note who lives, and sleep for a moment."""
        now = time.monotonic()
        while self._due and self._due[0][0] <= now:
            heapq.heappop(self._due)[2]()
        for program in self.programs:
            program.keep_up()
        if now >= self._look_at:
            self._look()
        time.sleep(TICK_S)

    def _look(self) -> None:
        self.register.look(program.pid for program in self.programs)
        self._look_at = time.monotonic() + _LOOK_EVERY_S

    def plan(self, faults: Sequence[Fault]) -> None:
        """Strike with each at its time from now."""
        for fault in faults:
            self._after(fault.at_s, lambda fault=fault: self._strike(fault))  # type: ignore[misc]

    def _after(self, delay_s: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._due, (time.monotonic() + delay_s, next(self._numbers), action))

    @property
    def is_calm(self) -> bool:
        """No fault is under way or to come."""
        return not self._due

    def _strike(self, fault: Fault) -> None:
        self._look()
        if self._struck_by(fault):
            self.struck.append(fault)

    def _struck_by(self, fault: Fault) -> bool:
        """Whether there was something to strike."""
        target, _, how = fault.kind.partition("_")
        agent = self.agents[fault.agent]
        if fault.kind in ("daemon_kill", "agent_kill"):
            return (self.daemon if target == "daemon" else agent).kill(restart_after_s=fault.lasts_s)
        if target == "partition":
            self._network.disturb(agent.name, _MODES[fault.kind], fault.directions)
            self._after(fault.lasts_s, lambda: self._network.disturb(agent.name, Mode.PASS))
            return True
        if how == "disk_full":
            disk = self._disks["daemon" if target == "daemon" else agent.name]
            disk.fill()
            self._after(fault.lasts_s, disk.free)
            return True
        pid = self._pid_of(target, fault)
        if pid is None:
            return False
        return send(pid, signal.SIGKILL) if how == "kill" else self._freeze(pid, fault.lasts_s)

    def _pid_of(self, target: str, fault: Fault) -> int | None:
        program = self.daemon if target == "daemon" else self.agents[fault.agent]
        if not program.is_up:
            return None
        if target == "spawner":
            return spawner_of(program.pid)
        if target == "worker":
            workers = workers_of(program.pid)
            return workers[int(fault.choice * len(workers))] if workers else None
        return program.pid

    def _freeze(self, pid: int, lasts_s: float) -> bool:
        if not send(pid, signal.SIGSTOP):
            return False
        self._frozen.add(pid)
        self._after(lasts_s, lambda: self._thaw(pid))
        return True

    def _thaw(self, pid: int) -> None:
        self._frozen.discard(pid)
        send(pid, signal.SIGCONT)

    def heal(self) -> None:
        """End every fault that lasts; what has not struck yet will not."""
        self._due.clear()
        for pid in list(self._frozen):
            self._thaw(pid)
        for disk in self._disks.values():
            disk.free()
        for agent in self.agents:
            self._network.disturb(agent.name, Mode.PASS)

    def stop(self) -> None:
        """Heal, then ask every program to end, agents first, and wait for all."""
        self.heal()
        self._look()
        for group in (self.agents, [self.daemon]):
            for program in group:
                program.terminate()
            for program in group:
                program.end()

    def left_over(self) -> list[str]:
        """Processes that should be gone and are not, even after some seconds; they are killed now."""
        deadline = time.monotonic() + _LEFT_TIMEOUT_S
        while (left := self.register.left()) and time.monotonic() < deadline:
            time.sleep(TICK_S)
        for process in left:
            send(process.pid, signal.SIGKILL)
        return [str(process) for process in left]

    def close(self, keep: bool) -> None:
        """Network and disks; `keep`: what lies on the disks stays in the folder."""
        self._network.close()
        for disk in self._disks.values():
            disk.unmount(keep)
