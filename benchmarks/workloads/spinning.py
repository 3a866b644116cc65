"""W2: mini-batches of 10 ms of CPU time."""

from __future__ import annotations

from benchmarks.bench import Bench, require
from benchmarks.environments import Peer
from benchmarks.fleet import Step
from benchmarks.samples import OURS

CPU_MS = 10.0
_WORKERS = 2


class Spinning:
    key = "W2"
    title = "10 ms of CPU each"
    figure = "W2.share"
    peers = frozenset({"bare", "pool", "futures", "joblib", "ray", "dask", "spark"})
    most_rounds = 99

    def prepare(self, bench: Bench) -> None:
        pass

    def ours(self, bench: Bench, number: int) -> None:
        count = bench.size(600, 2000)
        with bench.fleet() as fleet:
            times = fleet.submit(Step("spin", count, arguments=f"--cpu_ms {CPU_MS}"), timeout_s=120)
            require(times.output.read_bytes() == b"ok\n" * count, "not every row is in the output exactly once")
        alone_s = count * CPU_MS / 1000
        bench.note("W2.share", OURS, number, alone_s / _WORKERS / times.ready_s)
        bench.note("W2.share_submitted", OURS, number, alone_s / _WORKERS / times.submitted_s)
        bench.note("W2.cpu", OURS, number, times.ready_cpu_s / alone_s)

    def theirs(self, bench: Bench, peer: Peer, number: int) -> None:
        count = bench.size(600, 2000)
        done = bench.peer_round(peer, {"workload": "spin", "count": count, "cpu_ms": CPU_MS})
        require(done.rows == count, "rows are missing")
        alone_s = count * CPU_MS / 1000
        bench.note("W2.share", peer.name, number, alone_s / _WORKERS / done.wall_s)
        bench.note("W2.cpu", peer.name, number, done.cpu_s / alone_s)
