"""W4: many small files, ten to a mini-batch."""

from __future__ import annotations

from benchmarks.bench import Bench, require
from benchmarks.environments import Peer
from benchmarks.fleet import Step
from benchmarks.samples import OURS

_TEN = 10


class Files:
    key = "W4"
    title = "files, ten each, stat"
    figure = "W4.rate"
    peers = frozenset({"pool", "futures", "joblib", "ray", "dask", "spark"})
    most_rounds = 99

    def prepare(self, bench: Bench) -> None:
        self._files = bench.size(20_000, 100_000)
        self._folder = bench.work / f"files-{self._files}"
        if not (bench.work / f"files-{self._files}.complete").exists():
            self._folder.mkdir(exist_ok=True)
            for number in range(self._files):
                (self._folder / f"{number:07}.txt").write_text("x" * (number % 7))
            (bench.work / f"files-{self._files}.complete").touch()
        self._bytes = sum(number % 7 for number in range(self._files))

    def ours(self, bench: Bench, number: int) -> None:
        with bench.fleet() as fleet:
            times = fleet.submit(Step("stat_files", 0, "uri_folder", str(self._folder), str(_TEN)), timeout_s=300)
            self._check(times.output.read_text())
        # The listing is within the peers' time, so it is within ours.
        self._note(bench, OURS, number, times.submitted_s, times.submitted_cpu_s)

    def theirs(self, bench: Bench, peer: Peer, number: int) -> None:
        done = bench.peer_round(peer, {"workload": "stat", "folder": str(self._folder)})
        self._check(bench.rows_of_peer.read_text())
        self._note(bench, peer.name, number, done.wall_s, done.cpu_s)

    def _check(self, output: str) -> None:
        rows = output.split()
        require((len(rows), sum(map(int, rows))) == (self._files // _TEN, self._bytes), "not every file was seen once")

    def _note(self, bench: Bench, tool: str, number: int, wall_s: float, cpu_s: float) -> None:
        count = self._files // _TEN
        bench.note("W4.rate", tool, number, count / wall_s)
        bench.note("W4.cpu", tool, number, cpu_s / count * 1e6)
