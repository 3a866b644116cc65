"""W8: ten million mini-batches, and the daemon is killed when half of them are recorded."""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks import processes
from benchmarks.bench import Bench, require
from benchmarks.environments import Peer
from benchmarks.fleet import Fleet, Step
from benchmarks.peer import RoundFailedError
from benchmarks.samples import OURS
from prsd.v1 import jobs_pb2

_TIMEOUT_S = 1800.0


class Many:
    key = "W8"
    title = "ten million mini-batches (one million in the quick mode)"
    figure = "W8.rate"
    peers: frozenset[str] = frozenset()
    most_rounds = 1

    def prepare(self, bench: Bench) -> None:
        pass

    def ours(self, bench: Bench, number: int) -> None:
        self._count = bench.size(1_000_000, 10_000_000)
        with bench.fleet() as fleet:
            times = fleet.submit(Step("first_run", self._count), _TIMEOUT_S, lambda ready, name: self._restart(fleet, name))
            peak_mb = max(self._peak_mb, processes.peak_memory_mb(fleet.daemon.pid))
            database = sum(each.stat().st_size for each in (fleet.folder / "d").glob("prsd.db*"))
            require(_lines(times.output) == self._count, "not every row is in the output exactly once")
            first = min(float(each.read_text()) for each in (fleet.folder / "ready").glob("ready.*"))
        bench.note("W8.first", OURS, number, first - self._created_at)
        bench.note("W8.rate", OURS, number, self._count / times.submitted_s)
        bench.note("W8.memory", OURS, number, peak_mb)
        bench.note("W8.database", OURS, number, database / 1e6)
        bench.note("W8.restart", OURS, number, self._restart_s)

    def _restart(self, fleet: Fleet, name: str) -> None:
        before = _wait_until_recorded(fleet, name, self._count // 2)
        self._peak_mb = processes.peak_memory_mb(fleet.daemon.pid)
        self._created_at = _job(fleet, name).create_time.ToNanoseconds() / 1e9
        fleet.kill_daemon()
        began = time.monotonic()
        fleet.start_daemon()
        _wait_until_recorded(fleet, name, before + 1)
        self._restart_s = time.monotonic() - began

    def theirs(self, bench: Bench, peer: Peer, number: int) -> None:
        raise NotImplementedError("no peer takes part")


def _job(fleet: Fleet, name: str) -> jobs_pb2.Job:
    return fleet.jobs.GetJob(jobs_pb2.GetJobRequest(name=name)).job


def _wait_until_recorded(fleet: Fleet, name: str, count: int) -> int:
    deadline = time.monotonic() + _TIMEOUT_S
    while (recorded := _job(fleet, name).steps[0].mini_batches.succeeded) < count:
        if time.monotonic() > deadline:
            raise RoundFailedError(f"{recorded} mini-batches are recorded, not {count}")
        time.sleep(0.05)
    return recorded


def _lines(output: Path) -> int:
    with output.open("rb") as file:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))
