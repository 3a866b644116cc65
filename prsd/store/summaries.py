"""What is kept of jobs and steps beside their facts: folded from them, fact by fact, by both stores alike.

A summary says what a list or a page shows. It decides nothing and is never read by the core.
"""

from __future__ import annotations

from dataclasses import dataclass

from prsd.core.facts import (
    DivisionRecorded,
    Fact,
    FailureRecorded,
    JobChanged,
    JobRecorded,
    ResultsRecorded,
    StepChanged,
    StepEnding,
)
from prsd.core.vocabulary import Phase, Results, State, StepId, StepKind, StepTerms
from prsd.store.rows import StepCounts, StepRow


@dataclass(slots=True)
class JobSummary:
    """A job's state; see `rows.JobRow` for the times."""

    name: str
    state: State = State.QUEUED
    reason: str = ""
    started_at: float | None = None
    ended_at: float | None = None

    def fold(self, fact: JobChanged, recorded_at: float) -> None:
        self.state = fact.state
        self.reason = fact.reason or self.reason
        self.started_at, self.ended_at = _times(self.started_at, fact.state, recorded_at)


@dataclass(slots=True)
class StepSummary:
    """A step's state and counts; see `rows.StepCounts` for what is counted."""

    step: StepId
    terms: StepTerms
    state: State = State.QUEUED
    reason: str = ""
    started_at: float | None = None
    ended_at: float | None = None
    division_ended: bool = False
    divided: int = 0
    succeeded: int = 0
    empty: int = 0
    failed: int = 0
    retried: int = 0
    short: int = 0
    items_total: int = 0
    items_succeeded: int = 0
    items_failed: int = 0

    def fold(self, fact: Fact, recorded_at: float) -> None:
        """Takes in a fact of this step; most kinds of facts say nothing that a summary shows."""
        match fact:
            case StepChanged():
                self.state = fact.state
                self.reason = fact.reason or self.reason
                self.started_at, self.ended_at = _times(self.started_at, fact.state, recorded_at)
            case StepEnding():
                self.reason = fact.reason or self.reason
            case DivisionRecorded():
                self.divided = max([self.divided, *(part.first + part.count for part in fact.parts)])
                self.division_ended = self.division_ended or fact.ended
            case ResultsRecorded():
                self._fold_results(fact.results)
            case FailureRecorded() if fact.final and fact.failure.phase is Phase.RUN:
                self._fold_failed(fact)
            case _:
                pass

    def _fold_results(self, results: Results) -> None:
        if results.empty:
            self.empty += results.count
            return
        self.succeeded += results.count
        if results.attempt > 1:
            self.retried += results.count
        self.items_total += results.items_total.total()
        self.items_succeeded += results.items_succeeded.total()
        short, missing = _shortfall(results)
        self.short += short
        self.items_failed += missing

    def _fold_failed(self, fact: FailureRecorded) -> None:
        self.failed += 1
        if fact.failure.attempt > 1:
            self.retried += 1
        self.items_total += fact.failure.items_total
        # As in the core: one that was never loaded is at least one failed item, or a threshold of 0 would let it pass.
        self.items_failed += max(1, fact.failure.items_total)

    def to_row(self) -> StepRow:
        """What queries return of it."""
        counts = StepCounts(
            self.divided,
            self.succeeded,
            self.empty,
            self.failed,
            self.retried,
            self.short,
            self.items_total,
            self.items_succeeded,
            self.items_failed,
        )
        return StepRow(
            self.step,
            self.terms,
            self.state,
            self.reason,
            self.started_at,
            self.ended_at,
            self.division_ended,
            counts,
        )


def steps_recorded(fact: JobRecorded) -> list[StepSummary]:
    """The summaries that a job's steps begin with. A command step is one mini-batch; neither it nor ranks are divided."""
    return [_recorded(StepId(fact.job, terms.name), terms) for terms in fact.steps]


def _recorded(step: StepId, terms: StepTerms) -> StepSummary:
    known = 1 if terms.kind is StepKind.COMMAND else terms.rank_mini_batch_count
    return StepSummary(step, terms, divided=known, division_ended=known > 0)


def _times(started_at: float | None, state: State, recorded_at: float) -> tuple[float | None, float | None]:
    if state.is_final:
        return started_at, recorded_at
    if started_at is None and state is not State.QUEUED:
        return recorded_at, None
    return started_at, None


def _shortfall(results: Results) -> tuple[int, int]:
    """How many mini-batches returned fewer items than they were given, and how many fewer in all."""
    total, succeeded = results.items_total.uniform(), results.items_succeeded.uniform()
    if total is not None and succeeded is not None:
        missing = max(0, total - succeeded)
        return (results.count if missing else 0), missing * results.count
    pairs = zip(results.items_total, results.items_succeeded, strict=True)
    gaps = [given - returned for given, returned in pairs if given > returned]
    return len(gaps), sum(gaps)
