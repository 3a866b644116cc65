"""A job that goes on from an earlier one: what that one had recorded is recorded again, as facts of the new job's steps.

From there on nothing is special: a restart folds the same facts, and mini-batches between results that were taken over are
granted as those that came back from an agent are.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from prsd.core.board import Board
from prsd.core.events import JobSubmitted
from prsd.core.facts import (
    CommitRecorded,
    DivisionRecorded,
    Fact,
    FailureRecorded,
    IndexesReserved,
    ResultsRecorded,
    StepChanged,
    StepEnding,
)
from prsd.core.steps import StepRecord
from prsd.core.vocabulary import Results, State, StepTerms, TakenOver


def take_over(board: Board, event: JobSubmitted) -> None:
    """Record what a job that was recorded just now takes over."""
    steps = board.recorded.jobs[event.job].steps
    for name, taken in event.taken_over.items():
        for fact in _facts(steps[name], taken):
            board.record(fact)


def counting(results: Results, terms: StepTerms) -> list[Results]:
    """The parts of recorded results that an unfinished step takes over.

    With an `error_threshold`, a mini-batch that returned fewer items than it was given counts as failed (spec section 3.6):
    like any failed one it runs again.
    """
    if results.empty or terms.error_threshold < 0:
        return [results]
    given, returned = results.items_total, results.items_succeeded
    short = [place for place in range(results.count) if returned[place] < given[place]]
    edges = [-1, *short, results.count]
    spans = ((before + 1, after) for before, after in pairwise(edges))
    return [results.cut(results.first + start, results.first + stop) for start, stop in spans if start < stop]


def _facts(step: StepRecord, taken: TakenOver) -> Iterator[Fact]:
    """One after the other: each is folded into `step` before the next is made."""
    if step.divides and (taken.parts or taken.division_ended):
        yield DivisionRecorded(step.id, taken.parts, taken.division_ended, taken.notices)
    reserved = max((results.first + results.count for results in taken.results), default=0)
    if taken.is_completed:
        reserved = step.divided
    if reserved:
        yield IndexesReserved(step.id, reserved)
    yield from (ResultsRecorded(results, "") for results in taken.results)
    if taken.is_completed:
        yield from _completion(step, taken)


def _completion(step: StepRecord, taken: TakenOver) -> Iterator[Fact]:
    yield from (FailureRecorded(failure, final=True) for failure in taken.failures)
    if taken.committed is not None:
        yield CommitRecorded(taken.committed)
    yield StepEnding(step.id, State.COMPLETED)
    yield StepChanged(step.id, State.COMPLETED)
