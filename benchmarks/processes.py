"""CPU time and memory of whole process trees, read from /proc."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def become_reaper() -> None:
    """Orphans below this process become its children, so that daemons of the tools stay in its tree."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def tree_cpu_s() -> float:
    """CPU seconds of all descendants of this process, living and dead. Resolution: a tick, 10 ms."""
    table = _table()
    ticks = _cpu_ticks(os.getpid(), with_own=False)
    return (ticks + sum(_cpu_ticks(pid, with_own=True) for pid in descendants(os.getpid(), table))) / _TICKS_PER_S


def descendants(root: int, table: dict[int, int] | None = None) -> list[int]:
    """All below the root, parents first."""
    children: dict[int, list[int]] = {}
    for pid, parent in (table or _table()).items():
        children.setdefault(parent, []).append(pid)
    found, waiting = [], [root]
    while waiting:
        born = children.get(waiting.pop(), [])
        found += born
        waiting += born
    return found


def peak_memory_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1e3
    return 0.0


def end_all_below(timeout_s: float = 10) -> None:
    """Whatever a tool has left behind: SIGTERM, then SIGKILL; reaped, so that its CPU time stays out of the next round."""
    for number, patience_s in ((0, 0.5), (signal.SIGTERM, timeout_s), (signal.SIGKILL, timeout_s)):
        deadline = time.monotonic() + patience_s
        for pid in descendants(os.getpid()):
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        while _reap() and time.monotonic() < deadline:
            time.sleep(0.01)


def _reap() -> bool:
    """Whether there are children still."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
        return True
    return False


def _table() -> dict[int, int]:
    """Parent by process."""
    table = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with suppress(OSError):
                table[int(entry.name)] = int(_stat(int(entry.name))[1])
    return table


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on."""
    return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(") ")[2].split()


def _cpu_ticks(pid: int, *, with_own: bool) -> int:
    with suppress(OSError):
        user, system, dead_user, dead_system = (int(field) for field in _stat(pid)[11:15])
        return dead_user + dead_system + (user + system if with_own else 0)
    return 0
