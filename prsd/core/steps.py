"""What is durable of a step: a fold of its facts, and nothing else.

A mini-batch is settled when it is done, empty (nothing was left to run on) or failed for good. Charged failures and losses
are kept for unsettled mini-batches only.
"""

from __future__ import annotations

from bisect import bisect_right
from operator import sub

from prsd.base.columns import Column
from prsd.core.facts import (
    CommitRecorded,
    DivisionRecorded,
    FailureRecorded,
    IndexesReserved,
    LossRecorded,
    ResultsRecorded,
    StartFailureRecorded,
    StepChanged,
    StepEnding,
)
from prsd.core.ranges import Interval, IntervalSet
from prsd.core.vocabulary import (
    CommitDone,
    ManifestPart,
    Phase,
    StartError,
    State,
    StepId,
    StepKind,
    StepTerms,
)


class StepRecord:
    """Changed by the `on_…` methods alone, each of which folds one fact."""

    def __init__(self, id_: StepId, terms: StepTerms, loss_limit: int) -> None:
        self.id = id_
        self.terms = terms
        self.state = State.QUEUED
        self.reason = ""
        self.ending: State | None = None
        self._known_from_the_start = 1 if terms.kind is StepKind.COMMAND else terms.rank_mini_batch_count
        self.divided = self._known_from_the_start  # mini-batches known so far
        self.division_ended = self._known_from_the_start > 0
        self.parts: list[ManifestPart] = []
        self._part_firsts: list[int] = []
        self.notices: tuple[str, ...] = ()
        self.reserved = 0
        self.done = IntervalSet()
        self.empty = IntervalSet()
        self.failed = IntervalSet()
        self.settled = IntervalSet()  # the union of the three
        self.charges: dict[int, int] = {}
        self.losses = [IntervalSet() for _ in range(loss_limit - 1)]  # at [n]: lost more than n times
        self.items_total = 0
        self.items_succeeded = 0
        self.items_failed = 0
        self.short = 0  # done, but with fewer items returned than given
        self.retried = 0  # settled by an attempt that was not their first
        self.last_failure = ""
        self.phase_failures = {Phase.DIVIDE: 0, Phase.COMMIT: 0}
        self.phase_verdicts: dict[Phase, str] = {}  # why no further divide or commit attempt is made
        self.start_failures = 0
        self.last_start_error: StartError | None = None
        self.committed: CommitDone | None = None

    @property
    def is_live(self) -> bool:
        """Started or startable, and nothing decided yet about how it ends."""
        return self.ending is None and not self.state.is_final

    @property
    def divides(self) -> bool:
        """Whether mini-batches come from a divide attempt."""
        return self._known_from_the_start == 0

    @property
    def outcomes(self) -> int:
        """How many mini-batches are settled."""
        return len(self.settled)

    @property
    def is_all_settled(self) -> bool:
        return self.division_ended and self.outcomes == self.divided

    def times_lost(self, index: int) -> int:
        """How many agents were lost while they held this mini-batch."""
        return sum(index in level for level in self.losses)

    def attempt_of(self, index: int) -> int:
        """The number of the next attempt, from 1."""
        return 1 + self.charges.get(index, 0) + self.times_lost(index)

    def last_chances(self, first: int, stop: int) -> list[Interval]:
        """The parts of [first, stop) that one more lost agent fails for good."""
        return self.losses[-1].overlap(first, stop) if self.losses else [(first, stop)]

    def parts_of(self, first: int, stop: int) -> tuple[ManifestPart, ...]:
        """The manifest parts that [first, stop) lies in."""
        low = max(0, bisect_right(self._part_firsts, first) - 1)
        high = bisect_right(self._part_firsts, stop - 1)
        return tuple(self.parts[low:high])

    def part_at(self, first: int) -> ManifestPart | None:
        """The recorded part that begins with this very mini-batch."""
        position = bisect_right(self._part_firsts, first) - 1
        found = position >= 0 and self._part_firsts[position] == first
        return self.parts[position] if found else None

    # One method per fact.

    def on_changed(self, fact: StepChanged) -> None:
        self.state = fact.state
        self.reason = fact.reason or self.reason
        if fact.state.is_final:
            self._shrink()

    def on_ending(self, fact: StepEnding) -> None:
        self.ending = fact.outcome
        self.reason = fact.reason or self.reason

    def on_division(self, fact: DivisionRecorded) -> None:
        for part in fact.parts:
            self.parts.append(part)
            self._part_firsts.append(part.first)
            self.divided = part.first + part.count
        self.division_ended = self.division_ended or fact.ended
        self.notices += fact.notices

    def on_reserved(self, fact: IndexesReserved) -> None:
        self.reserved = max(self.reserved, fact.stop)

    def on_results(self, fact: ResultsRecorded) -> None:
        results = fact.results
        first, stop = results.first, results.first + results.count
        self._settle(self.empty if results.empty else self.done, first, stop)
        if not results.empty:
            failed_items, short = shortfall(results.items_total, results.items_succeeded)
            self.items_total += results.items_total.total()
            self.items_succeeded += results.items_succeeded.total()
            self.items_failed += failed_items
            self.short += short
            self.retried += results.count if results.attempt > 1 else 0

    def on_failure(self, fact: FailureRecorded) -> None:
        failure = fact.failure
        self.last_failure = failure.message or failure.kind
        if failure.phase is not Phase.RUN:
            self.phase_failures[failure.phase] += 1
            if fact.final:
                self.phase_verdicts[failure.phase] = failure.message or failure.kind
        elif fact.final:
            self.retried += failure.attempt > 1
            self._fail(failure.index, failure.items_total)
        else:
            self.charges[failure.index] = self.charges.get(failure.index, 0) + 1

    def on_loss(self, fact: LossRecorded) -> None:
        for lost in fact.ranges:
            for first, stop in self.settled.gaps(lost.first, lost.stop):
                self._lose(first, stop)

    def on_start_failure(self, fact: StartFailureRecorded) -> None:
        self.start_failures += 1
        self.last_start_error = fact.error

    def on_commit(self, fact: CommitRecorded) -> None:
        self.committed = fact.done
        self.notices += fact.done.notices

    def _lose(self, first: int, stop: int) -> None:
        for level in range(len(self.losses) - 1, 0, -1):
            for piece in self.losses[level - 1].overlap(first, stop):
                self.losses[level].add(*piece)
        if self.losses:
            self.losses[0].add(first, stop)

    def loss_message(self, agent: str) -> str:
        """Why a mini-batch that took agent after agent with it has failed."""
        return f"{len(self.losses) + 1} agents were lost under it, the last one was {agent}"

    def _fail(self, index: int, items_total: int) -> None:
        # An item count of 0 means "never loaded": a failed mini-batch is never less than one failed item, or an
        # error_threshold of 0 would let it pass.
        self.items_total += items_total
        self.items_failed += max(1, items_total)
        self._settle(self.failed, index, index + 1)

    def _settle(self, outcome: IntervalSet, first: int, stop: int) -> None:
        outcome.add(first, stop)
        self.settled.add(first, stop)
        charged = [index for index in self.charges if first <= index < stop] if self.charges else []
        for index in charged:
            del self.charges[index]
        for level in self.losses:
            level.remove(first, stop)

    def _shrink(self) -> None:
        # What only a live step needs; the counts stay for the views.
        self.charges.clear()
        self.parts.clear()
        self._part_firsts.clear()
        for level in self.losses:
            level.clear()


def shortfall(total: Column, succeeded: Column) -> tuple[int, int]:
    """Failed items, and the number of mini-batches that have any: max(0, total - succeeded), summed.

    More items returned than given is no failure (spec section 3.6).
    """
    given, returned = total.uniform(), succeeded.uniform()
    if given is not None and returned is not None:
        missing = max(0, given - returned)
        return missing * len(total), len(total) if missing else 0
    if total.to_bytes() == succeeded.to_bytes():
        return 0, 0
    missing_each = list(map(sub, total, succeeded))
    if min(missing_each) < 0:
        missing_each = [missing for missing in missing_each if missing > 0]
    return sum(missing_each), len(missing_each) - missing_each.count(0)
