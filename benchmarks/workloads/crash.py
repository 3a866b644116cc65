"""W5: a worker is killed when half of the mini-batches have run."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.environments import Peer
from benchmarks.fleet import Step
from benchmarks.peer import RoundFailedError
from benchmarks.samples import OURS

CPU_MS = 5.0
_COUNT = 1000
_IDEAL_S = _COUNT * CPU_MS / 1000 / 2
_TIMEOUT_S = 30.0


class Crash:
    key = "W5"
    title = "kill -9 of a worker at half time"
    figure = "W5.time"
    peers = frozenset({"pool", "futures", "joblib", "ray", "dask", "spark"})
    most_rounds = 5

    def prepare(self, bench: Bench) -> None:
        self._folder = bench.work / "marks"

    def ours(self, bench: Bench, number: int) -> None:
        step = Step("marked", _COUNT, arguments=f"--cpu_ms {CPU_MS}")
        with bench.fleet() as fleet:
            times = fleet.submit(step, _TIMEOUT_S, meanwhile=lambda ready, _: kill_a_worker(ready))
            rows = times.output.read_text().split()
        self._note(bench, OURS, number, times.ready_s, rows)

    def theirs(self, bench: Bench, peer: Peer, number: int) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir()
        spec = {"workload": "marked", "count": _COUNT, "folder": str(self._folder), "cpu_ms": CPU_MS}
        done = bench.peer_round(peer, spec, _TIMEOUT_S, meanwhile=lambda: kill_a_worker(self._folder))
        self._note(bench, peer.name, number, done.wall_s, bench.rows_of_peer.read_text().split())

    @staticmethod
    def _note(bench: Bench, tool: str, number: int, wall_s: float, rows: Iterable[str]) -> None:
        found = [int(row) for row in rows]
        bench.note("W5.time", tool, number, wall_s / _IDEAL_S)
        bench.note("W5.lost", tool, number, _COUNT - len(set(found)))
        bench.note("W5.doubled", tool, number, len(found) - len(set(found)))


def kill_a_worker(folder: Path) -> None:
    """Waits until half of the mini-batches have left their mark, then kills a process that left one."""
    deadline = time.monotonic() + _TIMEOUT_S
    while sum(each.read_bytes().count(b"\n") for each in folder.glob("ran.*")) < _COUNT // 2:
        if time.monotonic() > deadline:
            raise RoundFailedError("half of the mini-batches have not run in time")
        time.sleep(0.02)
    with suppress(ProcessLookupError):
        os.kill(int(max(folder.glob("ran.*")).suffix[1:]), signal.SIGKILL)
