"""W6 and W7: a job of one mini-batch, warm and cold."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import time

from benchmarks import peer as peers
from benchmarks.bench import Bench, require
from benchmarks.environments import Peer
from benchmarks.fleet import BIN, Fleet, Step, write_step
from benchmarks.samples import OURS

_TOOLS = frozenset({"pool", "futures", "joblib", "ray", "dask", "spark"})


class Warm:
    key = "W6"
    title = "one mini-batch, warm"
    figure = "W6.warm"
    peers = _TOOLS
    most_rounds = 99

    def prepare(self, bench: Bench) -> None:
        pass

    def ours(self, bench: Bench, number: int) -> None:
        """By the daemon's clock, and by the clock of somebody who starts `prsctl submit --wait`."""
        repeats = bench.size(7, 15)
        with bench.fleet() as fleet:
            fleet.submit(Step("no_op", 1), timeout_s=60)
            jobs, clients, imports = zip(*(self._one(fleet) for _ in range(repeats)), strict=True)
        bench.note("W6.warm", OURS, number, statistics.median(jobs) * 1e3)
        bench.note("W6.client", OURS, number, statistics.median(clients) * 1e3)
        bench.note("W6.import", OURS, number, statistics.median(imports) * 1e3)

    @staticmethod
    def _one(fleet: Fleet) -> tuple[float, float, float]:
        pipeline, _ = write_step(Step("no_op", 1), fleet.folder)
        began = time.monotonic()
        command = [str(BIN / "prsctl"), "submit", str(pipeline), "--server", fleet.address, "-o", "name", "--wait"]
        name = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[0]
        client_s = time.monotonic() - began
        began = time.monotonic()
        subprocess.run([sys.executable, "-c", "import grpc"], check=True)
        import_s = time.monotonic() - began
        job = fleet.wait(name, timeout_s=10)
        return (job.end_time.ToNanoseconds() - job.create_time.ToNanoseconds()) / 1e9, client_s, import_s

    def theirs(self, bench: Bench, peer: Peer, number: int) -> None:
        done = bench.peer_round(peer, {"workload": "one", "count": bench.size(20, 50)})
        bench.note("W6.warm", peer.name, number, statistics.median(done.latencies_s) * 1e3)


class Cold:
    key = "W7"
    title = "one mini-batch, cold"
    figure = "W7.cold"
    peers = _TOOLS
    most_rounds = 99

    def prepare(self, bench: Bench) -> None:
        pass

    def ours(self, bench: Bench, number: int) -> None:
        folder = bench.work / "cold"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        pipeline, _ = write_step(Step("no_op", 1), folder)
        began = time.monotonic()
        command = [str(BIN / "prsctl"), "run", str(pipeline), "--data", str(folder / "data")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        took_s = time.monotonic() - began
        require(done.returncode == 0, f"exit code {done.returncode}: {done.stderr[-300:]}")
        outputs = list((folder / "data").rglob("datastore/**/rows"))
        require([each.read_bytes() for each in outputs] == [b"ok\n"], "the row is not in the output exactly once")
        bench.note("W7.cold", OURS, number, took_s)

    def theirs(self, bench: Bench, peer: Peer, number: int) -> None:
        bench.note(
            "W7.cold", peer.name, number, peers.cold_s(bench.pythons[peer.name], peer.adapter, bench.work / "peers.log")
        )
