"""Groups the failures of a step by what went wrong, for people (spec section 6: the error, once, with its count)."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field

from prsd.core.facts import FailureRecorded, StartFailureRecorded
from prsd.core.vocabulary import Phase
from prsd.store.rows import ErrorGroup

LOWEST = 20
DISTINCT_LIMIT = 1_000  # a script that puts a random word into its messages must not fill the daemon's memory
OTHER = "other errors"
COMPARED = 2_000  # characters of a message

_NUMBER_OR_PATH = re.compile(
    r"""
    (?P<path>
        (?<![\w+./-])  # so that every word is tried once, however long
        (?: [A-Za-z][\w+.-]*:// | [A-Za-z]:\\ | (?:~|\.\.?)?/ | [A-Za-z_][\w.-]*/ )
        [^\s'",;)]*
    )
    | 0[xX][0-9A-Fa-f]+
    | \d+
    """,
    re.VERBOSE,
)


def normalised(message: str) -> str:
    """The message with every number and hexadecimal address replaced by N; paths and URIs stay as they are.

    >>> normalised("row 17 of /data/3.csv at 0x7f2a")
    'row N of /data/3.csv at N'
    """
    return _NUMBER_OR_PATH.sub(lambda match: match["path"] or "N", message)


@dataclass(slots=True)
class _Group:
    kind: str
    message: str
    traceback: str
    count: int = 0
    mini_batches: list[int] = field(default_factory=list)

    def note(self, mini_batch: int | None) -> None:
        self.count += 1
        if mini_batch is None:
            return
        position = bisect_left(self.mini_batches, mini_batch)
        if position < LOWEST and mini_batch not in self.mini_batches[position : position + 1]:
            self.mini_batches.insert(position, mini_batch)
            del self.mini_batches[LOWEST:]


class ErrorGroups:
    """Takes failures in recorded order. At most DISTINCT_LIMIT groups are told apart; the rest is counted as OTHER."""

    def __init__(self) -> None:
        self._groups: dict[tuple[str, str], _Group] = {}

    def take(self, facts: Iterable[FailureRecorded | StartFailureRecorded]) -> None:
        """Counts these in."""
        for fact in facts:
            if isinstance(fact, StartFailureRecorded):
                self._take(fact.error.kind, fact.error.message, fact.error.traceback, None)
            else:
                failure = fact.failure
                mini_batch = failure.index if failure.phase is Phase.RUN else None
                self._take(failure.kind, failure.message, failure.traceback, mini_batch)

    def _take(self, kind: str, message: str, traceback: str, mini_batch: int | None) -> None:
        key = (kind, normalised(message[:COMPARED]))
        if key not in self._groups and len(self._groups) >= DISTINCT_LIMIT:
            key, kind, message, traceback = ("", OTHER), "other", OTHER, ""
        group = self._groups.setdefault(key, _Group(kind, message, traceback))
        group.note(mini_batch)

    def most_frequent(self, limit: int) -> list[ErrorGroup]:
        """The groups, most frequent first, then in order of first appearance."""
        ordered = sorted(self._groups.values(), key=lambda group: -group.count)[:limit]
        return [ErrorGroup(g.kind, g.message, g.traceback, g.count, tuple(g.mini_batches)) for g in ordered]
