"""PURE: reports on their way: what waits for the next one, and which ones the daemon has not acknowledged."""

from __future__ import annotations

from collections.abc import Iterator

from prs_agent.ledger.ranges import Range
from prs_agent.ledger.vocabulary import CommitDone, DivisionProgress, Failure, GivenBack, Report, Results

REPORT_INTERVAL_S = 0.1
_REPORT_BYTES = 1 << 20  # a gRPC message may have 4 MiB

Item = Results | Failure | GivenBack | DivisionProgress | CommitDone


class Outbox:
    """Items go in, numbered reports come out; a report is kept until it is acknowledged."""

    def __init__(self) -> None:
        self.unacknowledged: dict[int, Report] = {}
        self.last_flush_at = float("-inf")
        self._sent_at: dict[int, float] = {}
        self._pending: list[Item] = []
        self._next_number = 1

    @property
    def is_empty(self) -> bool:
        """Nothing waits, neither to be sent nor to be acknowledged."""
        return not self._pending and not self.unacknowledged

    @property
    def has_pending(self) -> bool:
        return bool(self._pending)

    def add(self, item: Item) -> None:
        self._pending.append(item)

    def flush(self, now: float) -> list[Report]:
        """Makes reports of everything that waits."""
        reports = []
        for batch in _batches(self._pending):
            report = _report(self._next_number, batch)
            self._next_number += 1
            self.unacknowledged[report.number] = report
            self._sent_at[report.number] = now
            reports.append(report)
        self._pending = []
        self.last_flush_at = now
        return reports

    def acknowledge(self, number: int) -> Report | None:
        """Forgets a report; None when it was forgotten before."""
        self._sent_at.pop(number, None)
        return self.unacknowledged.pop(number, None)

    def resend(self, now: float, older_than_s: float) -> list[Report]:
        """Reports that have waited longer than this; they count as sent now."""
        late = [number for number, sent_at in self._sent_at.items() if now - sent_at >= older_than_s]
        for number in late:
            self._sent_at[number] = now
        return [self.unacknowledged[number] for number in late]

    def oldest_sent_at(self) -> float | None:
        return min(self._sent_at.values(), default=None)


def settled_ranges(report: Report) -> Iterator[tuple[int, Range | None]]:
    """(token, range) of everything that a report settles; None stands for the whole lease."""
    for results in report.results:
        yield results.token, results.range
    for failure in report.failures:
        yield failure.token, Range(failure.index, 1)
    for given in report.given_back:
        yield from ((given.token, each) for each in given.ranges)
    yield from ((division.token, None) for division in report.divisions if division.ended)
    yield from ((done.token, None) for done in report.commits)


def _batches(items: list[Item]) -> Iterator[list[Item]]:
    batch: list[Item] = []
    size_bytes = 0
    for item in items:
        batch.append(item)
        size_bytes += _size_bytes(item)
        if size_bytes >= _REPORT_BYTES:
            yield batch
            batch, size_bytes = [], 0
    if batch:
        yield batch


def _size_bytes(item: Item) -> int:
    match item:
        case Results():
            lengths = len(item.block.lengths) if item.block else 0
            return 200 + len(item.items_total) + len(item.items_succeeded) + len(item.run_us) + lengths
        case Failure():
            return 200 + 4 * (len(item.message) + len(item.traceback))
        case GivenBack():
            return 20 + 20 * len(item.ranges)
        case DivisionProgress():
            return 100 + 200 * len(item.parts)
        case CommitDone():
            return 200


def _report(number: int, items: list[Item]) -> Report:
    return Report(
        number,
        results=tuple(item for item in items if isinstance(item, Results)),
        failures=tuple(item for item in items if isinstance(item, Failure)),
        given_back=tuple(item for item in items if isinstance(item, GivenBack)),
        divisions=tuple(item for item in items if isinstance(item, DivisionProgress)),
        commits=tuple(item for item in items if isinstance(item, CommitDone)),
    )
