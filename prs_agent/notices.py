"""What workers want a person to see once: noted beside the attempt logs while a step runs, told with its commit.

A file per worker in the step's storage, one JSON string per line: whichever agent carries out the commit attempt finds those
of all agents.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

log = logging.getLogger("prs_agent.notices")

SUFFIX = ".notices"
LIMIT = 20  # of what is told of a step
_LIMIT_PER_WORKER = 200
_LIMIT_CHARACTERS = 500


class WorkerNotices:
    """Of one worker. The file is made when there is something to say."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._count = 0

    def note(self, message: str) -> None:
        if self._count >= _LIMIT_PER_WORKER:
            return
        self._count += 1
        try:
            with self._path.open("a", encoding="ascii") as file:
                file.write(json.dumps(message[:_LIMIT_CHARACTERS]) + "\n")
        except OSError as error:
            log.warning("cannot note what a worker said in %s: %s", self._path, error)


def collected(folder: Path) -> tuple[str, ...]:
    """What the workers of a step said, what most of them said first; the rest, beyond LIMIT, as one line. Blocks."""
    workers: Counter[str] = Counter()
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        workers.update(dict.fromkeys(_messages(path), 1))
    told = [_counted(message, count) for message, count in workers.most_common(LIMIT)]
    if len(workers) > LIMIT:
        told.append(f"and {len(workers) - LIMIT} other notices of workers: see sys/node/ in the step's logs")
    return tuple(told)


def _counted(message: str, workers: int) -> str:
    return message if workers == 1 else f"{message} ({workers} workers)"


def _messages(path: Path) -> Iterator[str]:
    """Torn lines are left out: an agent may have died in the middle of one."""
    try:
        with path.open(encoding="ascii", errors="replace") as file:
            for line in islice(file, _LIMIT_PER_WORKER):
                try:
                    message = json.loads(line)
                except ValueError:
                    continue
                if isinstance(message, str):
                    yield message
    except OSError as error:
        log.warning("cannot read what a worker said in %s: %s", path, error)
