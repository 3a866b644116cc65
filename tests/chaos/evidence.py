"""What the faults of a run changed, read from the product's own records. It informs; the judge does not ask it, but for
which mini-batches lost three agents."""

from __future__ import annotations

import csv
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from prsd.core.facts import DaemonStarted, Fact, FailureRecorded, LossRecorded, SessionOpened, StartFailureRecorded
from prsd.core.vocabulary import Phase
from prsd.store.codec import decode

LOSS_LIMIT = 3
AGENT_LOST = "agent lost"  # the kind of the failure that the last of them ends in


@dataclass
class Evidence:
    """Counts of one run. `retried` are mini-batches with more than one attempt in the report; `refused` those that more
    than one worker finished, so that all but one result were of no use."""

    incarnations: int = 0
    sessions: int = 0
    losses: int = 0
    lost_mini_batches: int = 0
    charged: Counter[str] = field(default_factory=Counter)
    start_failures: int = 0
    retried: int = 0
    refused: int = 0
    excused: set[int] = field(default_factory=set)

    def is_changed(self, expected_retries: int) -> bool:
        """More attempts than the script asked for, a result of no use, or a lost agent."""
        return self.retried > expected_retries or self.refused > 0 or self.losses > 0

    def __str__(self) -> str:
        charged = ", ".join(f"{count} {kind}" for kind, count in sorted(self.charged.items()))
        return (
            f"{self.incarnations} lives of the daemon, {self.sessions} sessions, {self.losses} losses of an agent "
            f"({self.lost_mini_batches} mini-batches, {len(self.excused)} of them three times), {self.retried} retried, "
            f"{self.refused} finished twice, {self.start_failures} failed starts, charged: {charged or 'none'}"
        )


def read_evidence(daemon_data: Path) -> Evidence:
    """Of a daemon that has stopped; what is not there counts nothing."""
    evidence = Evidence()
    if (daemon_data / "prsd.db").exists():
        _read_facts(daemon_data, evidence)
    for report in daemon_data.glob("jobs/*/*/logs/sys/job_report/processed_mini-batches.csv"):
        _read_report(report, evidence)
    return evidence


def _facts(database: Path) -> Iterator[Fact]:
    """Every fact of the log. The store itself leaves out those of jobs that have ended."""
    with closing(sqlite3.connect(database)) as connection:
        for (body,) in connection.execute("SELECT body FROM facts ORDER BY number"):
            yield decode(body)


def _read_facts(daemon_data: Path, evidence: Evidence) -> None:
    times_lost: Counter[int] = Counter()
    for fact in _facts(daemon_data / "prsd.db"):
        match fact:
            case DaemonStarted():
                evidence.incarnations += 1
            case SessionOpened():
                evidence.sessions += 1
            case LossRecorded():
                evidence.losses += 1
                for lost in fact.ranges:
                    times_lost.update(range(lost.first, lost.first + lost.count))
            case FailureRecorded():
                if fact.failure.kind == AGENT_LOST:
                    times_lost[fact.failure.index] += 1
                name = (
                    fact.failure.kind
                    if fact.failure.phase is Phase.RUN
                    else f"{fact.failure.phase.value}: {fact.failure.kind}"
                )
                evidence.charged[name] += 1
            case StartFailureRecorded():
                evidence.start_failures += 1
            case _:
                pass
    evidence.lost_mini_batches = len(times_lost)
    evidence.excused = {index for index, times in times_lost.items() if times >= LOSS_LIMIT}


def _read_report(report: Path, evidence: Evidence) -> None:
    finished: Counter[str] = Counter()
    retried: set[str] = set()
    with report.open(newline="") as file:
        for row in csv.DictReader(file):
            index = row["Mini-batch Id"]
            if index and row["Status"] == "RUN_DONE":
                finished[index] += 1
            if index and int(row["Picked Count"]) > 1:
                retried.add(index)
    evidence.retried += len(retried)
    evidence.refused += sum(1 for times in finished.values() if times > 1)
