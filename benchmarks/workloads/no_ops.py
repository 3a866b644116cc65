"""W1: mini-batches that do nothing but return a row."""

from __future__ import annotations

from pathlib import Path

from benchmarks.bench import Bench, require
from benchmarks.environments import Peer
from benchmarks.fleet import Step
from benchmarks.samples import OURS

CHUNK = 100
# Enough for seconds of each tool; the slow ones would need minutes for what the fast ones do in one.
_ONE_AT_A_TIME = {"pool": 20, "futures": 5, "joblib": 5}


class NoOps:
    key = "W1"
    title = "no-op mini-batches"
    figure = "W1.rate"
    peers = frozenset({"pool", "futures", "joblib", "ray", "dask", "spark"})
    most_rounds = 99

    def prepare(self, bench: Bench) -> None:
        pass

    def ours(self, bench: Bench, number: int) -> None:
        count = bench.size(200_000, 1_000_000)
        with bench.fleet() as fleet:
            times = fleet.submit(Step("no_op", count), timeout_s=600)
            require(_all_ok(times.output, count), "not every row is in the output exactly once")
        bench.note("W1.rate", OURS, number, count / times.ready_s)
        bench.note("W1.rate_submitted", OURS, number, count / times.submitted_s)
        bench.note("W1.cpu", OURS, number, times.ready_cpu_s / count * 1e6)
        # The same round stands beside the peers' chunked one: for us there is nothing to chunk.
        bench.note("W1.rate_chunked", OURS, number, count / times.ready_s)
        bench.note("W1.cpu_chunked", OURS, number, times.ready_cpu_s / count * 1e6)

    def theirs(self, bench: Bench, peer: Peer, number: int) -> None:
        if peer.name != "spark":  # it has no way to hand over one at a time
            count = bench.size(1000, 4000) * _ONE_AT_A_TIME.get(peer.name, 1)
            done = bench.peer_round(peer, {"workload": "no_op", "count": count})
            require(_all_ok(bench.rows_of_peer, count), "rows are missing")
            bench.note("W1.rate", peer.name, number, count / done.wall_s)
            bench.note("W1.cpu", peer.name, number, done.cpu_s / count * 1e6)
        count = bench.size(200_000, 1_000_000)
        done = bench.peer_round(peer, {"workload": "no_ops", "count": count, "chunk": CHUNK})
        require(_all_ok(bench.rows_of_peer, count), "rows are missing")
        bench.note("W1.rate_chunked", peer.name, number, count / done.wall_s)
        bench.note("W1.cpu_chunked", peer.name, number, done.cpu_s / count * 1e6)


def _all_ok(output: Path, count: int) -> bool:
    return output.read_bytes() == b"ok\n" * count
