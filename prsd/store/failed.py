"""Which recorded failures are the last word on a mini-batch."""

from __future__ import annotations

from collections.abc import Iterable

from prsd.core.facts import Fact, FailureRecorded
from prsd.core.vocabulary import Failure, Phase


def failures_for_good(facts: Iterable[Fact]) -> list[Failure]:
    """The failures after which a mini-batch had no attempt left, in the order given."""
    return [
        fact.failure
        for fact in facts
        if isinstance(fact, FailureRecorded) and fact.final and fact.failure.phase is Phase.RUN
    ]
