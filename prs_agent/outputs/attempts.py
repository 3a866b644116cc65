"""The attempt log: what workers did, one JSON line per range of attempts, for the reports of a step.

It is written while a step runs and never synced: after a crash the last lines may be missing or torn, which costs rows of a
report and nothing else. Each worker of each boot has its own file; a retried mini-batch is in several.
"""

from __future__ import annotations

import heapq
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import Any

from prsd.base.columns import Column

Numbers = int | Sequence[int]
"""One number per mini-batch of a range, or one that all of them have."""

_LINES_PER_RUN = 200_000
_OPEN_RUNS = 200
_Keyed = tuple[int, int, bytes]


@dataclass(frozen=True, slots=True)
class AttemptRange:
    """`count` attempts of one worker, of the mini-batches from `first`, all with the same attempt number and outcome.

    `first` is None and `count` 0 for what belongs to no mini-batch: the loading of the entry script (outcome LOAD_DONE),
    whose duration is `load_us`. Times are in microseconds, `started_at` in seconds since the epoch.
    """

    worker: str
    node: int
    agent: str
    token: int
    first: int | None
    count: int
    attempt: int
    started_at: float
    load_us: Numbers
    run_us: Numbers
    items_total: Numbers
    items_succeeded: Numbers
    outcome: str
    message: str = ""


class AttemptLog:
    """Appends to one worker's log."""

    def __init__(self, path: Path) -> None:
        """Open or create the file; OSErrors as they come, here and later."""
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)

    def append(self, attempts: AttemptRange) -> None:
        """Write one line."""
        values = {field.name: getattr(attempts, field.name) for field in fields(attempts)}
        for name in ("load_us", "run_us", "items_total", "items_succeeded"):
            values[name] = _stored(values[name])
        os.write(self._fd, json.dumps(values, separators=(",", ":")).encode("ascii") + b"\n")

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)


def _stored(numbers: Numbers) -> int | list[int]:
    if isinstance(numbers, int):
        return numbers
    uniform = numbers.uniform() if isinstance(numbers, Column) else None
    return list(numbers) if uniform is None else uniform


def sorted_attempts(folder: Path) -> Iterator[AttemptRange]:
    """Everything in the logs of a folder, ordered by first mini-batch and attempt; unreadable lines are left out.

    Sorts in runs that are spilled to a temporary folder, so memory does not grow with the number of attempts.
    """
    keyed = (key for path in sorted(folder.glob("*.jsonl")) for key in _keyed_lines(path))
    for _, _, line in _sorted(keyed):
        yield parse_line(line)


def _keyed_lines(path: Path) -> Iterator[_Keyed]:
    with path.open("rb") as file:
        for line in file:
            try:
                attempts = parse_line(line)
            except (ValueError, TypeError):
                continue  # Torn by a crash.
            yield (-1 if attempts.first is None else attempts.first), attempts.attempt, line


def _sorted(keyed: Iterator[_Keyed]) -> Iterator[_Keyed]:
    """All of `keyed` in order."""
    run = _next_run(keyed)
    following = _next_run(keyed)
    if not following:
        yield from run
        return
    folder = Path(tempfile.mkdtemp(prefix="prs-attempts-"))
    try:
        runs: list[Path] = []
        while run:
            runs.append(_spill(folder, run))
            run, following = following, _next_run(keyed)
            if len(runs) == _OPEN_RUNS:
                runs = [_spill(folder, _merged(runs))]
        yield from _merged(runs)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _next_run(keyed: Iterator[_Keyed]) -> list[_Keyed]:
    return sorted(islice(keyed, _LINES_PER_RUN), key=itemgetter(0, 1))


def _spill(folder: Path, lines: Iterable[_Keyed]) -> Path:
    descriptor, name = tempfile.mkstemp(dir=folder)
    with os.fdopen(descriptor, "wb") as file:
        file.writelines(b"%d %d %s" % key for key in lines)
    return Path(name)


def _merged(runs: list[Path]) -> Iterator[_Keyed]:
    with ExitStack() as stack:
        files = [stack.enter_context(path.open("rb")) for path in runs]
        yield from heapq.merge(*(map(_spilled, file) for file in files), key=itemgetter(0, 1))
    for path in runs:
        path.unlink()


def _spilled(line: bytes) -> _Keyed:
    first, attempt, rest = line.split(b" ", 2)
    return int(first), int(attempt), rest


def parse_line(line: str | bytes) -> AttemptRange:
    """The attempts of one line of a log; ValueError or TypeError when it is torn."""
    values: dict[str, Any] = json.loads(line)
    return AttemptRange(**values)
