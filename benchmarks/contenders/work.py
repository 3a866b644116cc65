"""The run() of every workload, the same for all tools. A result is the list of rows of the mini-batches of one call."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

CSV_COLUMNS = ("number", "a", "b", "name")


def no_op(index: int) -> list[str]:
    return ["ok"]


def no_ops(first_and_count: tuple[int, int]) -> list[str]:
    """What a user writes who cuts chunks by hand."""
    first, count = first_and_count
    return [row for index in range(first, first + count) for row in no_op(index)]


def spin(cpu_ms: float) -> list[str]:
    """Exactly so much CPU time of this thread, so that what a tool adds to it can be told from the work."""
    end = time.thread_time() + cpu_ms / 1000
    while time.thread_time() < end:
        pass
    return ["ok"]


def stat_files(paths: list[str]) -> list[str]:
    return [str(sum(os.stat(path).st_size for path in paths))]  # noqa: PTH116 - the fastest for every tool alike


def rows_of_table(frame: Any) -> list[str]:
    """One row in a hundred, from a computation over all of them."""
    chosen = frame[frame["a"] * 2 + frame["b"] > CHOSEN_ABOVE]
    return [f"{number},{a:.6f}" for number, a in zip(chosen["number"], chosen["a"], strict=True)]


CHOSEN_ABOVE = 2.8


def rows_of_csv_range(path_and_range: tuple[str, int, int]) -> list[str]:
    """The lines that begin in [start, end) of a file with a header, read as a DataFrame."""
    import pyarrow
    from pyarrow import csv

    path, start, end = path_and_range
    with Path(path).open("rb") as file:
        first, after_last = _line_start(file, max(start, 1)), _line_start(file, end)
        file.seek(first)
        data = file.read(after_last - first)
    if not data:
        return []
    options = csv.ReadOptions(column_names=CSV_COLUMNS, use_threads=False)
    return rows_of_table(csv.read_csv(pyarrow.BufferReader(data), read_options=options).to_pandas())


def _line_start(file: Any, offset: int) -> int:
    """Where the first line begins at or after an offset."""
    file.seek(offset - 1)
    file.readline()
    position: int = file.tell()
    return position


def rows_of_row_group(path_and_group: tuple[str, int]) -> list[str]:
    from pyarrow import parquet

    path, group = path_and_group
    with parquet.ParquetFile(path) as file:
        return rows_of_table(file.read_row_group(group, use_threads=False).to_pandas())


def marked(index_folder_ms: tuple[int, str, float]) -> list[str]:
    """Leaves the index in a file of this process before it works, so that the bench sees where and whether it ran."""
    index, folder, cpu_ms = index_folder_ms
    with Path(folder, f"ran.{os.getpid()}").open("a") as file:
        file.write(f"{index}\n")
    spin(cpu_ms)
    return [str(index)]


def imported(_: int) -> list[str]:
    """Warms a worker up: what run() will import."""
    import pyarrow.csv
    import pyarrow.parquet

    pyarrow.table({"a": [1]}).to_pandas()
    time.sleep(0.05)  # long enough that the other worker takes the next one
    return []
