"""Everything that is measured, in the order of the table. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    key: str
    title: str
    unit: str
    higher_is_better: bool = False

    @property
    def workload(self) -> str:
        return self.key.partition(".")[0]


_CPU = "CPU of the whole process tree"

FIGURES = (
    Figure("W1.rate", "no-op mini-batches one at a time", "/s", True),
    Figure("W1.rate_submitted", "the same from submission, with divide and worker start", "/s", True),
    Figure("W1.rate_chunked", "no-op mini-batches, peers with chunks of 100 made by hand", "/s", True),
    Figure("W1.cpu", f"{_CPU} per mini-batch", "µs"),
    Figure("W1.cpu_chunked", f"{_CPU} per mini-batch, peers with chunks of 100", "µs"),
    Figure("W2.share", "10 ms of CPU each: share of the ideal of two workers", "", True),
    Figure("W2.share_submitted", "the same from submission, with divide, worker start and commit", "", True),
    Figure("W2.cpu", f"{_CPU} over that of run() alone", "×"),
    Figure("W3.csv", "CSV in 1 MB mini-batches to DataFrames, rows appended", "MB/s", True),
    Figure("W3.csv_submitted", "the same from submission, with divide and the workers' import of pandas", "MB/s", True),
    Figure("W3.csv_cpu", f"{_CPU}, CSV", "ms/MB"),
    Figure("W3.parquet", "the same rows from Parquet (MB as CSV)", "MB/s", True),
    Figure("W3.parquet_submitted", "the same from submission", "MB/s", True),
    Figure("W3.parquet_cpu", f"{_CPU}, Parquet", "ms/MB"),
    Figure("W4.rate", "ten files each, stat; listing included", "mini-batches/s", True),
    Figure("W4.cpu", f"{_CPU} per mini-batch", "µs"),
    Figure("W5.time", "kill -9 of a worker at half time: time over the ideal", "×"),
    Figure("W5.lost", "mini-batches without a result", ""),
    Figure("W5.doubled", "mini-batches with two results", ""),
    Figure("W6.warm", "one mini-batch, warm, submit to Completed", "ms"),
    Figure("W6.client", "the same as a new client process", "ms"),
    Figure("W6.import", "`import grpc` alone, in the same rounds", "ms"),
    Figure("W7.cold", "nothing running to a finished one-mini-batch job", "s"),
    Figure("W8.first", "submit to the first run()", "s"),
    Figure("W8.rate", "mini-batches, with a restart in the middle", "/s", True),
    Figure("W8.memory", "peak memory of the daemon", "MB"),
    Figure("W8.database", "its database", "MB"),
    Figure("W8.restart", "kill -9 of the daemon to the next recorded result", "s"),
)
BY_KEY = {figure.key: figure for figure in FIGURES}
