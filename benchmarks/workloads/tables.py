"""W3: a table read in mini-batches of 1 MB, from CSV and from Parquet."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable
from pathlib import Path

from benchmarks.bench import Bench, require
from benchmarks.contenders.work import CHOSEN_ABOVE, CSV_COLUMNS
from benchmarks.environments import Peer
from benchmarks.fleet import Fleet, Step
from benchmarks.samples import OURS

_ROWS_OF_A_GROUP = 20_000
_RANGE_BYTES = 1_000_000


class Tables:
    key = "W3"
    title = "a table in mini-batches of 1 MB to DataFrames"
    figure = "W3.csv"
    peers = frozenset({"bare", "pool", "futures", "joblib", "ray", "dask", "spark"})
    most_rounds = 99

    def prepare(self, bench: Bench) -> None:
        self._folder = bench.work / f"table-{bench.size(40, 200)}"
        self._csv, self._parquet = self._folder / "csv" / "table.csv", self._folder / "parquet" / "table.parquet"
        complete = self._folder / "rows"
        if not complete.exists():
            groups = _write(self._csv, self._parquet, bench.size(40, 200) * 1_000_000)
            complete.write_text(f"{groups} {_digest(_expected(self._csv))}")
        number_of_groups, self._rows = complete.read_text().split()
        self._groups = int(number_of_groups)
        self._size_mb = self._csv.stat().st_size / 1e6

    def ours(self, bench: Bench, number: int) -> None:
        with bench.fleet() as fleet:
            self._one(bench, fleet, number, "csv", "1000000")
            self._one(bench, fleet, number, "parquet", "1MB")

    def _one(self, bench: Bench, fleet: Fleet, number: int, form: str, size: str) -> None:
        folder = str((self._csv if form == "csv" else self._parquet).parent)
        times = fleet.submit(Step("table", 0, "mltable", folder, size), timeout_s=300)
        require(_digest(times.output.read_text().splitlines()) == self._rows, f"{form}: the rows are not those of the table")
        bench.note(f"W3.{form}", OURS, number, self._size_mb / times.ready_s)
        bench.note(f"W3.{form}_submitted", OURS, number, self._size_mb / times.submitted_s)
        bench.note(f"W3.{form}_cpu", OURS, number, times.ready_cpu_s / self._size_mb * 1e3)

    def theirs(self, bench: Bench, peer: Peer, number: int) -> None:
        size = self._csv.stat().st_size
        specs = {
            "csv": {"workload": "csv", "path": str(self._csv), "range_bytes": _RANGE_BYTES, "size_bytes": size},
            "parquet": {"workload": "parquet", "path": str(self._parquet), "groups": self._groups},
        }
        for form, spec in specs.items():
            done = bench.peer_round(peer, spec)
            rows = bench.rows_of_peer.read_text().splitlines()
            require(_digest(rows) == self._rows, f"{form}: the rows are not those of the table")
            bench.note(f"W3.{form}", peer.name, number, self._size_mb / done.wall_s)
            bench.note(f"W3.{form}_cpu", peer.name, number, done.cpu_s / self._size_mb * 1e3)


def _digest(rows: Iterable[str]) -> str:
    """Of the rows in the order of their number: peers give them in any order."""
    ordered = sorted(rows, key=lambda row: int(row.partition(",")[0]))
    return hashlib.sha256("\n".join(ordered).encode()).hexdigest()


def _write(csv: Path, parquet: Path, size_bytes: int) -> int:
    """The same rows in both forms, each with its MLTable; returns the number of row groups."""
    import pyarrow as pa
    from pyarrow import parquet as pq

    for path, reading in ((csv, "read_delimited: {delimiter: ','}"), (parquet, "read_parquet")):
        path.parent.mkdir(parents=True, exist_ok=True)
        (path.parent / "MLTable").write_text(f"paths:\n- file: ./{path.name}\ntransformations:\n- {reading}\n")
    schema = pa.schema([("number", pa.int64()), ("a", pa.float64()), ("b", pa.float64()), ("name", pa.string())])
    chance = random.Random(1)
    groups = first = 0
    with csv.open("w") as text, pq.ParquetWriter(parquet, schema) as table:
        text.write(",".join(CSV_COLUMNS) + "\n")
        while text.tell() < size_bytes:
            numbers = range(first, first + _ROWS_OF_A_GROUP)
            a, b = ([round(chance.random(), 9) for _ in numbers] for _ in "ab")
            names = [f"name-{chance.randrange(10_000_000):07}" for _ in numbers]
            text.write("".join(f"{n},{x!r},{y!r},{z}\n" for n, x, y, z in zip(numbers, a, b, names, strict=True)))
            table.write_table(pa.table([list(numbers), a, b, names], schema=schema))
            groups, first = groups + 1, first + _ROWS_OF_A_GROUP
    return groups


def _expected(csv: Path) -> Iterable[str]:
    """By plain Python, one line after another."""
    with csv.open() as lines:
        next(lines)
        for line in lines:
            number, a, b, _ = line.split(",")
            if float(a) * 2 + float(b) > CHOSEN_ABOVE:
                yield f"{number},{float(a):.6f}"
