"""Who is whose child, read from /proc."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple


class Process(NamedTuple):
    """One line of the process table. `started` tells two processes with the same number apart."""

    pid: int
    parent: int
    state: str
    started: int

    @property
    def is_alive(self) -> bool:
        return self.state not in "ZX"


def process_table() -> dict[int, Process]:
    """Every process that can be seen now."""
    table = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                fields = (entry / "stat").read_text(errors="replace").rpartition(") ")[2].split()
                table[int(entry.name)] = Process(int(entry.name), int(fields[1]), fields[0], int(fields[19]))
    return table


def below(table: dict[int, Process], roots: Iterable[int]) -> list[Process]:
    """All descendants of the roots, children before grandchildren."""
    children: dict[int, list[Process]] = {}
    for process in table.values():
        children.setdefault(process.parent, []).append(process)
    found: list[Process] = []
    waiting = list(roots)
    while waiting:
        born = children.get(waiting.pop(0), [])
        found += born
        waiting += [process.pid for process in born]
    return found


def command_line(pid: int) -> str:
    """Its arguments joined by blanks; empty when it is gone."""
    with suppress(OSError):
        return Path("/proc", str(pid), "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return ""


def spawner_of(agent: int) -> int | None:
    """The helper process of an agent that starts its workers."""
    children = below(process_table(), [agent])
    return next((each.pid for each in children if each.parent == agent and "spawner" in command_line(each.pid)), None)


def workers_of(agent: int) -> list[int]:
    """Whatever an agent's spawner has started and is alive."""
    spawner = spawner_of(agent)
    return [each.pid for each in below(process_table(), [agent]) if each.parent == spawner and each.is_alive]


def send(pid: int, number: signal.Signals) -> bool:
    """Whether there was such a process."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


class Register:
    """Every process of a run that was ever seen, so that none can be left over unnoticed."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        self._seen: dict[int, int] = {}

    def look(self, roots: Iterable[int]) -> None:
        """Note the roots and everything below them and below what was noted before."""
        table = process_table()
        known = {pid for pid, started in self._seen.items() if pid in table and table[pid].started == started}
        roots = {pid for pid in roots if pid in table} | known
        for process in [*(table[pid] for pid in roots), *below(table, roots)]:
            self._seen[process.pid] = process.started

    def left(self) -> list[Process]:
        """What lives: noted processes, and any whose command line names the folder."""
        return [
            process
            for process in process_table().values()
            if process.is_alive
            and process.pid != os.getpid()
            and (self._seen.get(process.pid) == process.started or self._folder in command_line(process.pid))
        ]
