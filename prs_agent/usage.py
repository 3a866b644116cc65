"""Resource usage of the node and of the workers, as CSV rows at an interval (spec section 6, `logs/sys/perf/<node>/`).

Counters (disk, network, CPU time) count from the start of the machine or process; percentages from the row before. MB are
2**20 bytes. A cell is empty when the kernel does not tell us.
"""

from __future__ import annotations

import asyncio
import csv
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import psutil

_log = logging.getLogger(__name__)

_IO_COLUMNS = ("Disk Io Read Count", "Disk Io Write Count", "Disk Io Read (MB)", "Disk Io Write (MB)")

NODE_COLUMNS = (
    "Utc Time",
    "Cpu Percent",
    "Memory Total (MB)",
    "Memory Available (MB)",
    "Memory Used (MB)",
    "Memory Used Percent",
    *_IO_COLUMNS,
    "Network Sent (MB)",
    "Network Recv (MB)",
    "# of TCP Connections",
    "# of UDP Connections",
)
DISK_COLUMNS = ("Utc Time", "Disk (/) Total (MB)", "Disk (/) Used (MB)", "Disk (/) Free (MB)", "Disk (/) Used Percent")
PROCESS_COLUMNS = (
    "Utc Time",
    "Name",
    "Cpu Percent",
    "Cpu Time User",
    "Cpu Time System",
    "Memory Used Percent",
    *_IO_COLUMNS,
    "Thread Num",
)

Cell = str | int | float
Row = Sequence[Cell]


class UsageMonitor:
    """Writes rows until it is cancelled."""

    def __init__(self, folder: Path, interval_s: float, processes: Callable[[], Mapping[str, int]]) -> None:
        """`processes` says which processes run now: name (`manager`, `process000`) to pid. It is called in the event loop.
        An interval of 0: nothing is written and no folder made."""
        self._folder = folder
        self._interval_s = interval_s
        self._processes = processes
        self._known: dict[tuple[str, int], psutil.Process] = {}

    async def run(self) -> None:
        """One row at once and one after every interval. A row that cannot be written is left out, with a warning."""
        if self._interval_s <= 0:
            return
        due = time.monotonic()
        while True:
            try:
                await asyncio.to_thread(self._write, self._processes())
            except OSError as error:
                _log.warning("no resource usage could be written to %s: %s", self._folder, error)
            due = max(due + self._interval_s, time.monotonic())
            await asyncio.sleep(due - time.monotonic())

    def _write(self, processes: Mapping[str, int]) -> None:
        now = datetime.now(UTC).replace(tzinfo=None).isoformat()
        self._folder.mkdir(parents=True, exist_ok=True)
        _append(self._folder / "node_resource_usage.csv", NODE_COLUMNS, [(now, *_node_cells())])
        _append(self._folder / "node_disk_usage.csv", DISK_COLUMNS, [(now, *_disk_cells())])
        rows = [(now, name, *cells) for name, cells in self._process_cells(processes).items()]
        _append(self._folder / "processes_resource_usage.csv", PROCESS_COLUMNS, rows)

    def _process_cells(self, processes: Mapping[str, int]) -> dict[str, Row]:
        """The cells of every process that still runs, by name."""
        self._known = {key: process for key, process in self._known.items() if processes.get(key[0]) == key[1]}
        cells = {}
        for name, pid in processes.items():
            with suppress(psutil.NoSuchProcess):
                if (name, pid) not in self._known:
                    self._known[name, pid] = psutil.Process(pid)
                cells[name] = _cells_of(self._known[name, pid])
        return cells


def _append(path: Path, columns: Sequence[str], rows: Sequence[Row]) -> None:
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        if file.tell() == 0:
            writer.writerow(columns)
        writer.writerows(rows)


def _node_cells() -> Row:
    memory = psutil.virtual_memory()
    network = psutil.net_io_counters()
    return (
        psutil.cpu_percent(),
        _megabytes(memory.total),
        _megabytes(memory.available),
        _megabytes(memory.used),
        memory.percent,
        *_io_cells(psutil.disk_io_counters()),
        _megabytes(network.bytes_sent) if network else "",
        _megabytes(network.bytes_recv) if network else "",
        _connections("tcp"),
        _connections("udp"),
    )


def _disk_cells() -> Row:
    disk = psutil.disk_usage("/")
    return _megabytes(disk.total), _megabytes(disk.used), _megabytes(disk.free), disk.percent


def _cells_of(process: psutil.Process) -> Row:
    with process.oneshot():
        times = process.cpu_times()
        counters = None
        with suppress(psutil.AccessDenied):
            counters = process.io_counters()
        return (
            process.cpu_percent(),
            times.user,
            times.system,
            round(process.memory_percent(), 3),
            *_io_cells(counters),
            process.num_threads(),
        )


def _io_cells(counters: object) -> Row:
    """Of psutil's disk counters of a machine or of a process, which have these four in common."""
    if counters is None:
        return ("",) * len(_IO_COLUMNS)
    reads, writes, read_bytes, write_bytes = (
        getattr(counters, name) for name in ("read_count", "write_count", "read_bytes", "write_bytes")
    )
    return reads, writes, _megabytes(read_bytes), _megabytes(write_bytes)


def _megabytes(size_bytes: int) -> float:
    return round(size_bytes / (1 << 20), 2)


def _connections(protocol: str) -> Cell:
    """How many sockets of `tcp` or `udp` there are, by the kernel's own tables: psutil would open every process's folder."""
    lines = 0
    for table in (Path("/proc/net") / protocol, Path("/proc/net") / f"{protocol}6"):
        try:
            with table.open("rb") as file:
                lines += sum(1 for _ in file) - 1
        except OSError:
            return ""
    return lines
