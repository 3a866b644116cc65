"""PURE: the leases that the agent holds, and what is left of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from prs_agent.ledger.outbox import settled_ranges
from prs_agent.ledger.ranges import Range, RangeSet
from prs_agent.ledger.vocabulary import HeldLease, Lease, Phase, Report, StepId


@dataclass(slots=True)
class Held:
    """A lease, what of it is not finished yet, and what the daemon has not acknowledged yet."""

    lease: Lease
    unfinished: RangeSet
    unsettled: RangeSet
    is_taken_back: bool = False
    asked: set[int] = field(default_factory=set)  # workers that have not answered the take-back yet
    returned: list[Range] = field(default_factory=list)

    @property
    def whole(self) -> Range:
        return Range(self.lease.first, self.lease.count)


class Leases:
    """By token. A lease is held until nothing of it is unsettled."""

    def __init__(self) -> None:
        self._held: dict[int, Held] = {}

    def add(self, lease: Lease) -> Held:
        whole = Range(lease.first, lease.count)
        held = self._held[lease.token] = Held(lease, RangeSet([whole]), RangeSet([whole]))
        return held

    def get(self, token: int) -> Held | None:
        return self._held.get(token)

    def tokens(self) -> tuple[int, ...]:
        return tuple(sorted(self._held))

    def __contains__(self, token: int) -> bool:
        return token in self._held

    def __iter__(self) -> Iterator[Held]:
        """All of them; they may change meanwhile."""
        return iter(list(self._held.values()))

    @property
    def have_unfinished(self) -> bool:
        return any(held.unfinished for held in self._held.values())

    def unsettled_of(self, step: StepId) -> int:
        """How many mini-batches of a step the daemon counts as held here."""
        runs = (held for held in self._held.values() if held.lease.step == step and held.lease.phase is Phase.RUN)
        return sum(held.unsettled.total() for held in runs)

    def offer(self) -> tuple[HeldLease, ...]:
        """What a Hello says of them."""
        return tuple(
            HeldLease(token, held.lease.step, held.lease.phase, tuple(held.unsettled))
            for token, held in sorted(self._held.items())
        )

    def abandon(self, held: Held, ranges: Iterable[Range]) -> None:
        """These indexes are no longer the agent's business, unless they are finished and reported."""
        for each in tuple(ranges):
            for dropped in held.unfinished.remove(each):
                held.unsettled.remove(dropped)
        self._drop_if_settled(held)

    def abandon_runs(self, step: StepId) -> None:
        """Everything unfinished of a step's mini-batches."""
        for held in self:
            if held.lease.step == step and held.lease.phase is Phase.RUN:
                self.abandon(held, held.unfinished)

    def settle(self, report: Report) -> None:
        """The daemon has acknowledged a report."""
        for token, settled in settled_ranges(report):
            if (held := self._held.get(token)) is not None:
                held.unsettled.remove(settled or held.whole)
                self._drop_if_settled(held)

    def _drop_if_settled(self, held: Held) -> None:
        if not held.unsettled:
            self._held.pop(held.lease.token, None)
