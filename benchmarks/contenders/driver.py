"""One tool's process: warms up, says so, works when told to, tells what came out, and ends when told to.

    python -m contenders.driver TOOL '{"workload": …, …}'

Lines of JSON on standard output; an empty line on standard input says go on. With {"cold": true} it does one no-op and ends.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from contenders import work

Calls = tuple[Callable[[Any], list[str]], Iterable[Any]]


def calls_of(spec: dict[str, Any]) -> Calls:
    """The function of a workload and its arguments; a listing happens as the arguments are taken, within the timed part."""
    match spec["workload"]:
        case "no_op":
            return work.no_op, range(spec["count"])
        case "no_ops":
            chunk = spec["chunk"]
            return work.no_ops, [(first, min(chunk, spec["count"] - first)) for first in range(0, spec["count"], chunk)]
        case "spin":
            return work.spin, [spec["cpu_ms"]] * spec["count"]
        case "csv":
            step, size = spec["range_bytes"], spec["size_bytes"]
            return work.rows_of_csv_range, [(spec["path"], at, min(at + step, size)) for at in range(0, size, step)]
        case "parquet":
            return work.rows_of_row_group, [(spec["path"], group) for group in range(spec["groups"])]
        case "stat":
            return work.stat_files, _tens(spec["folder"])
        case "marked":
            return work.marked, [(index, spec["folder"], spec["cpu_ms"]) for index in range(spec["count"])]
        case other:
            raise ValueError(f"no workload {other}")


def _tens(folder: str) -> Iterator[list[str]]:
    with os.scandir(folder) as entries:
        paths = [entry.path for entry in entries]
    for at in range(0, len(paths), 10):
        yield paths[at : at + 10]


def work_through(tool: Any, spec: dict[str, Any]) -> dict[str, Any]:
    """Every row is appended to the output, as a user of the tool would do it."""
    began = time.monotonic()
    rows = 0
    function, arguments = calls_of(spec)
    with Path(spec["output"]).open("w") as output:
        for result in tool.results(function, arguments):
            rows += len(result)
            output.write("\n".join(result) + "\n" if result else "")
    return {"wall_s": time.monotonic() - began, "rows": rows}


def latencies(tool: Any, count: int) -> dict[str, Any]:
    """One call, waited for, again and again."""
    seconds = []
    for index in range(count):
        began = time.monotonic()
        list(tool.results(work.no_op, [index]))
        seconds.append(time.monotonic() - began)
    return {"latencies_s": seconds}


def main() -> None:
    protocol = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # tools print what they like
    name, spec = sys.argv[1], json.loads(sys.argv[2])
    tool = importlib.import_module(f"contenders.{name}").Tool(2)
    try:
        if spec.get("cold"):
            list(tool.results(work.no_op, [0]))
            return
        list(tool.results(work.imported if spec["workload"] in ("csv", "parquet") else work.no_op, range(8)))
        print(json.dumps({"ready": True}), file=protocol)
        sys.stdin.readline()
        try:
            done = latencies(tool, spec["count"]) if spec["workload"] == "one" else work_through(tool, spec)
        except Exception as error:
            done = {"raised": f"{type(error).__name__}: {error}"[:300]}
        print(json.dumps(done), file=protocol)
        sys.stdin.readline()
    finally:
        tool.close()


if __name__ == "__main__":
    main()
