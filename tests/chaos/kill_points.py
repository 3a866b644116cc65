"""python -m tests.chaos.kill_points: kill daemon and agent at their K-th write, sync or rename, restart, judge."""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from tests.chaos.faults import Plan
from tests.chaos.pool import each
from tests.chaos.run import Verdict, run_planned
from tests.chaos.workload import Workload

MINI_BATCHES = 20
SEED = 5
PROGRAMS = ("daemon", "agent0")
# Sockets and event loops write too: what is killed at is anything that a file or a peer may see half of.
CALLS = ("write", "pwrite64", "fdatasync", "fsync", "rename", "renameat2", "unlink", "ftruncate")


class Point(NamedTuple):
    """The `number`-th use of a system call by any thread of a program, counted for each thread from 1."""

    program: str
    call: str
    number: int

    def __str__(self) -> str:
        return f"{self.program} at {self.call} {self.number}"


def can_trace() -> bool:
    """Whether there is a strace to kill with."""
    return shutil.which("strace") is not None


def _strace(*options: str) -> list[str]:
    # The program stays our child (-D). Threads are followed; the programs that they start are let go when they execute.
    return ["strace", "-D", "-f", "-b", "execve", "-qq", *options]


def _run(prefixes: dict[str, Sequence[str]]) -> Verdict:
    planned = Plan(SEED, agents=1, is_of_files=True, spare=None, faults=())
    workload = Workload(SEED, MINI_BATCHES, instances=1, is_of_files=True, longest_sleep_ms=10)
    return run_planned(planned, workload, prefixes=prefixes)


def points() -> list[Point]:
    """All points of a job that nothing disturbs, found by running it once under strace."""
    with TemporaryDirectory(prefix="prs-trace-") as folder:
        traces = {program: Path(folder, program) for program in PROGRAMS}
        only = f"trace={','.join(CALLS)}"
        verdict = _run({program: _strace("-o", str(path), "-e", only) for program, path in traces.items()})
        if verdict.findings:
            raise RuntimeError(f"the undisturbed job went wrong: {verdict.findings}, kept in {verdict.folder}")
        return [point for program, path in traces.items() for point in points_in(program, path.read_text(errors="replace"))]


def points_in(program: str, trace: str) -> list[Point]:
    """The points that a trace of strace shows: of each call as many as one thread made at most."""
    counts: Counter[tuple[str, str]] = Counter()
    for line in trace.splitlines():
        if match := re.match(r"(\d+) +(\w+)\(", line):
            counts[match[1], match[2]] += 1
    most: dict[str, int] = {}
    for (_, call), number in counts.items():
        most[call] = max(number, most.get(call, 0))
    return [Point(program, call, number) for call in CALLS for number in range(1, most.get(call, 0) + 1)]


def run_point(point: Point) -> tuple[Point, Verdict]:
    """Kill at one point and judge what comes of it."""
    inject = f"inject={point.call}:signal=KILL:when={point.number}"
    return point, _run({point.program: _strace("-o", "/dev/null", "-e", f"trace={point.call}", "-e", inject)})


def spread(found: Sequence[Point], limit: int) -> list[Point]:
    """At most so many points, evenly from each program and call, so that the rare calls are not lost among the writes."""
    groups: dict[tuple[str, str], list[Point]] = {}
    for point in found:
        groups.setdefault((point.program, point.call), []).append(point)
    chosen: list[Point] = []
    for left, group in zip(range(len(groups), 0, -1), sorted(groups.values(), key=len), strict=True):
        share = min(len(group), max(1, (limit - len(chosen)) // left))
        chosen += [group[number * len(group) // share] for number in range(share)]
    return chosen[:limit]


def main() -> int:
    """Kill at every point, or at some of them; 1 when anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.kill_points", description=__doc__)
    parser.add_argument("--points", type=int, default=200, help="at most so many (default 200), spread over all")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time")
    given = parser.parse_args()
    started = time.monotonic()
    found = points()
    chosen = spread(found, given.points)
    print(f"{len(found)} points, {len(chosen)} of them are tried", flush=True)
    wrong, killed = 0, Counter[tuple[str, str]]()
    for point, verdict in each(run_point, chosen, given.jobs):
        killed[point.program, point.call] += bool(verdict.exits)
        wrong += bool(verdict.findings)
        if verdict.findings:
            print(f"{point}: kept in {verdict.folder}")
            print("".join(f"  {finding}\n" for finding in verdict.findings[:5]), end="", flush=True)
    for (program, call), count in killed.items():
        print(f"  {program:8} {call:10} {count:5} kills")
    print(f"{len(chosen)} points, {killed.total()} kills, {wrong} violations in {time.monotonic() - started:.0f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
