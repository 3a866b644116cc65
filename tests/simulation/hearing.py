"""What the simulated shell makes of the daemon's commands, and what must be true when they come."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, cast

from prs_agent.ledger.events import Acknowledged, CloseAsked, Event, LeaseRevoked, StepOpened, TakeBackAsked
from prs_agent.ledger.vocabulary import Report, StepId
from prsd.core.commands import Acknowledge, Close, Grant, Open, Revoke, TakeBack
from prsd.core.vocabulary import StepKind
from tests.simulation.pool import Pool
from tests.simulation.translate import from_grant, from_ranges, to_step

if TYPE_CHECKING:
    from tests.simulation.cluster import Cluster
    from tests.simulation.ledger_agent import LedgerAgent


class Hearing:
    """The part of the agent that listens."""

    name: str
    slots: int
    cluster: Cluster
    pools: dict[StepId, Pool]
    openings: Counter[StepId]
    sent: dict[int, Report]

    def event_of(self, command: Any) -> Event:
        """The event that a command of the daemon is."""
        match command:
            case Grant():
                self.cluster.oracle.on_granted(command.lease.token)
                return from_grant(command)
            case Revoke():
                return LeaseRevoked(command.token, from_ranges(command.ranges))
            case TakeBack():
                return TakeBackAsked(command.token)
            case Open():
                return self._opened(command)
            case Close():
                step = StepId(*command.step)
                if step in self.pools:
                    self.pools[step].is_closing = True
                return CloseAsked(step, command.kill)
            case Acknowledge():
                self._check_acknowledged(command.number)
                return Acknowledged(command.number)
            case _:
                raise AssertionError(f"an agent is not told {command}")

    def _check_acknowledged(self, number: int) -> None:
        report = self.sent.pop(number, None)
        for results in report.results if report else ():
            for index in range(results.first, results.range.stop):
                self.cluster.oracle.on_acknowledged(to_step(results.step), index)

    def _opened(self, command: Open) -> StepOpened:
        step = StepId(*command.step)
        assert step not in self.pools, f"{self.name}: {step} was opened twice"
        self.openings[step] += 1
        self.pools[step] = Pool(cast("LedgerAgent", self), step, command.node, command.workers, self.openings[step])
        used = sum(pool.size for pool in self.pools.values() if not pool.is_closing)
        assert used <= self.slots, f"{self.name}: {used} workers on {self.slots} slots"
        is_command = self.cluster.terms[command.step].kind is StepKind.COMMAND
        return StepOpened(step, command.workers, command.node, is_command)
