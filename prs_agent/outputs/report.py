"""The reports of a step (spec section 6): every attempt, and the sums by process and by node, as CSV.

`processed_mini-batches.csv` has one row per attempt, ordered by mini-batch and attempt. "Elapsed Seconds" and "Process
Seconds" are loading and run(), "Run Method Seconds" is run() alone. The two summaries add up the same rows.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from heapq import heappop, heappush
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TextIO

from prs_agent.host.failures import LoadError
from prs_agent.outputs.attempts import AttemptRange, Numbers, sorted_attempts
from prs_agent.outputs.details import MiniBatchDetails

_COLUMNS = (
    "Mini-batch Id,Picked Count,Ip Address,Process,Start Time,Total,Succeeded,Failed,Elapsed Seconds,Process Seconds,"
    "Run Method Seconds,Status,Error Category,Error Message,Mini-batch Detail"
)
_SUMMARY_COLUMNS = (
    "Mini-batches,Attempts,Failed Attempts,Total,Succeeded,Failed,Elapsed Seconds,Process Seconds,"
    "Run Method Seconds,Start Time"
)
_SUCCESSES = ("RUN_DONE", "EMPTY", "LOAD_DONE")
_CATEGORIES = {
    "RUN_EXCEPTION": "Entry Script",
    "RUN_TIMEOUT": "Timeout",
    "LOAD_TIMEOUT": "Timeout",
    "WORKER_DIED": "Process",
}


class Stretch(NamedTuple):
    """`size` attempts of a range from position `start` of it."""

    attempts: AttemptRange
    start: int
    size: int


@dataclass(slots=True)
class Sums:
    """What a process or a node did."""

    started_at: float
    mini_batches: int = 0
    attempts: int = 0
    failed_attempts: int = 0
    total: int = 0
    succeeded: int = 0
    failed: int = 0
    load_us: int = 0
    run_us: int = 0

    def add(self, other: Sums) -> None:
        """Add what `other` counted."""
        self.started_at = min(self.started_at, other.started_at)
        self.mini_batches += other.mini_batches
        self.attempts += other.attempts
        self.failed_attempts += other.failed_attempts
        self.total += other.total
        self.succeeded += other.succeeded
        self.failed += other.failed
        self.load_us += other.load_us
        self.run_us += other.run_us

    def fields(self) -> list[str | int]:
        """The columns of _SUMMARY_COLUMNS."""
        elapsed = _seconds(self.load_us + self.run_us)
        counts = [self.mini_batches, self.attempts, self.failed_attempts, self.total, self.succeeded, self.failed]
        return [*counts, elapsed, elapsed, _seconds(self.run_us), utc_time(round(self.started_at * 1e6))]


def write_report(storage: Path, manifest_parts: list[str] | None = None) -> list[str]:
    """Write the three files below the step's folder; the answer is notices.

    `manifest_parts` are the names of the recorded parts, all in the folder when it is None. A report that cannot be written
    is a notice: it must not fail a step whose output is there.
    """
    try:
        _write_files(storage, MiniBatchDetails(storage / "manifest", manifest_parts))
    except (OSError, LoadError) as error:
        return [f"the reports of processed mini-batches could not be written: {error}"]
    return []


def _write_files(storage: Path, details: MiniBatchDetails) -> None:
    folder = storage / "logs" / "sys" / "job_report"
    folder.mkdir(parents=True, exist_ok=True)
    processes: dict[tuple[int, str, str], Sums] = {}
    with ExitStack() as stack:
        file = stack.enter_context(_Replacing(folder / "processed_mini-batches.csv"))
        file.write(_COLUMNS + "\n")
        for stretch in in_mini_batch_order(sorted_attempts(storage / "attempts")):
            sums = _write_rows(file, stretch, details)
            found = stretch.attempts
            processes.setdefault((found.node, found.agent, found.worker), Sums(found.started_at)).add(sums)
    _write_summaries(folder, processes)


def in_mini_batch_order(ranges: Iterator[AttemptRange]) -> Iterator[Stretch]:
    """Cut overlapping ranges, sorted by their first mini-batch, so that mini-batches and their attempts come in order."""
    waiting: list[tuple[int, int, int, AttemptRange]] = []
    following = next(ranges, None)
    number = 0
    while waiting or following:
        while following and (not waiting or _first(following) <= waiting[0][0]):
            if following.first is None:
                yield Stretch(following, 0, 1)
            else:
                heappush(waiting, (following.first, following.attempt, number, following))
                number += 1
            following = next(ranges, None)
        if not waiting:
            continue
        index, attempt, order, found = heappop(waiting)
        limit = min([waiting[0][0]] if waiting else [], default=_end(found))
        limit = min(limit, _first(following)) if following else limit
        size = max(1, min(limit, _end(found)) - index)
        yield Stretch(found, index - _first(found), size)
        if index + size < _end(found):
            heappush(waiting, (index + size, attempt, order, found))


def _first(attempts: AttemptRange) -> int:
    return -1 if attempts.first is None else attempts.first


def _end(attempts: AttemptRange) -> int:
    return _first(attempts) + attempts.count


def _write_rows(file: TextIO, stretch: Stretch, details: MiniBatchDetails) -> Sums:
    """One row per attempt; the answer is their sums."""
    found = stretch.attempts
    where = f",{found.attempt},{_quoted(found.agent)},{found.worker},"
    error = "" if found.outcome in _SUCCESSES else _CATEGORIES.get(found.outcome, "System")
    outcome = f",{found.outcome},{error},{_quoted(found.message)},"
    loads, runs, totals, successes = (
        _of_stretch(numbers, stretch) for numbers in (found.load_us, found.run_us, found.items_total, found.items_succeeded)
    )
    started_us = round(found.started_at * 1e6) + _busy_us(found, stretch.start)
    index = None if found.first is None else found.first + stretch.start
    lines = []
    for load_us, run_us, total, succeeded in zip(loads, runs, totals, successes, strict=True):
        elapsed = _seconds(load_us + run_us)
        counts = f"{utc_time(started_us)},{total},{succeeded},{max(0, total - succeeded)}"
        times = f"{elapsed},{elapsed},{_seconds(run_us)}"
        lines.append(f"{_mini_batch(index)}{where}{counts},{times}{outcome}{_detail(details, index)}\n")
        started_us += load_us + run_us
        index = None if index is None else index + 1
    file.write("".join(lines))
    return _sums(found, loads, runs, totals, successes)


def _mini_batch(index: int | None) -> str:
    return "" if index is None else str(index)


def _detail(details: MiniBatchDetails, index: int | None) -> str:
    return "" if index is None else details.quoted(index)


def _of_stretch(numbers: Numbers, stretch: Stretch) -> list[int]:
    if isinstance(numbers, int):
        return [numbers] * stretch.size
    return list(numbers[stretch.start : stretch.start + stretch.size])


def _sums(found: AttemptRange, loads: list[int], runs: list[int], totals: list[int], successes: list[int]) -> Sums:
    tried = 0 if found.first is None else len(runs)
    is_success = found.outcome in _SUCCESSES
    return Sums(
        started_at=found.started_at,
        mini_batches=tried if is_success else 0,
        attempts=tried,
        failed_attempts=0 if is_success else tried,
        total=sum(totals),
        succeeded=sum(successes),
        failed=sum(max(0, total - succeeded) for total, succeeded in zip(totals, successes, strict=True)),
        load_us=sum(loads),
        run_us=sum(runs),
    )


def _busy_us(found: AttemptRange, position: int) -> int:
    """How long the attempts before that position took."""
    both = (found.load_us, found.run_us)
    return sum(times * position if isinstance(times, int) else sum(islice(times, position)) for times in both)


def _write_summaries(folder: Path, processes: dict[tuple[int, str, str], Sums]) -> None:
    nodes: dict[tuple[int, str], Sums] = {}
    with _Replacing(folder / "process_summary.csv") as file:
        file.write(f"Node Id,Ip Address,Process,{_SUMMARY_COLUMNS}\n")
        writer = csv.writer(file, lineterminator="\n")
        for (node, agent, worker), sums in sorted(processes.items()):
            writer.writerow([node, agent, worker, *sums.fields()])
            nodes.setdefault((node, agent), Sums(sums.started_at)).add(sums)
    with _Replacing(folder / "node_summary.csv") as file:
        file.write(f"Node Id,Ip Address,{_SUMMARY_COLUMNS}\n")
        csv.writer(file, lineterminator="\n").writerows([*key, *sums.fields()] for key, sums in sorted(nodes.items()))


class _Replacing:
    """A text file that takes its place when the `with` block ends well."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._temporary = path.with_name(f".{path.name}.tmp")
        self._file = self._temporary.open("w", encoding="utf-8", errors="surrogateescape", newline="")

    def __enter__(self) -> TextIO:
        return self._file

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._file.close()
        if kind is None:
            self._temporary.rename(self._path)
        else:
            self._temporary.unlink()


def utc_time(microseconds: int) -> str:
    """UTC in ISO form with microseconds, for microseconds since the epoch."""
    seconds, rest = divmod(microseconds, 1_000_000)
    return f"{_utc_second(seconds)}.{rest:06d}"


@lru_cache(maxsize=1024)
def _utc_second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


@lru_cache(maxsize=4096)  # short attempts take the same few microseconds again and again
def _seconds(microseconds: int) -> str:
    seconds, rest = divmod(microseconds, 1_000_000)
    return f"{seconds}.{rest:06d}"


def _quoted(text: str) -> str:
    """The text as a CSV field."""
    if any(character in text for character in ',"\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text
