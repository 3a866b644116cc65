"""Divide, commit and command attempts in the small: each a process of its own beside the agent."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from prs_agent.ledger.events import AttemptFailed, AttemptStopped, CommitFinished, DivisionAdvanced, Event, RangeFinished
from prs_agent.ledger.vocabulary import CommitDone, DivisionProgress, Failure, Lease, ManifestPart, Phase, Results
from prsd.base.columns import Column
from tests.simulation.storage import merge, plan_of
from tests.simulation.translate import to_step

if TYPE_CHECKING:
    from tests.simulation.ledger_agent import LedgerAgent


class SimAttempt:
    """One attempt, from StartAttempt until it has said how it ended."""

    def __init__(self, agent: LedgerAgent, lease: Lease) -> None:
        self.agent = agent
        self.world = agent.world
        self.cluster = agent.cluster
        self.lease = lease
        self.step = to_step(lease.step)
        self.name = f"{agent.name}/{agent.boot}/{lease.phase.value}"
        self.is_gone = False
        self._part = len(lease.parts)
        self._divided = sum(part.count for part in lease.parts)
        if lease.phase is Phase.RUN:
            self.cluster.executions.on_started(self.step, lease.token, lease.first, self)
        elif lease.phase is Phase.COMMIT:
            self.cluster.on_commit_attempt(self.step)
        steps = {Phase.DIVIDE: self._divide, Phase.RUN: self._ran, Phase.COMMIT: self._commit}
        self._later(steps[lease.phase])

    @property
    def is_excused(self) -> bool:
        return self.agent.is_excused

    def stop(self) -> None:
        """The agent kills it, and says so when it is gone."""
        self.agent.after(self.agent.options.exit_s * (0.5 + self.world.rng.random()), self._stopped)

    def vanish(self) -> None:
        """Gone this instant."""
        if not self.is_gone:
            self.is_gone = True
            if self.lease.phase is Phase.RUN:
                self.cluster.executions.on_stopped(self.step, self.lease.first, self)

    def _stopped(self) -> None:
        if not self.is_gone:
            self.vanish()
            self.agent.end_attempt(self.lease.token)
            self._tell(AttemptStopped(self.lease.token))

    def _later(self, call: Callable[[], None]) -> None:
        self.agent.after(0.05 + self.world.rng.random(), self._go_on, call)

    def _go_on(self, call: Callable[[], None]) -> None:
        if not self.is_gone:
            call()

    def _tell(self, event: Event) -> None:
        self.agent.fire_agent(self.agent.post, event)

    def _end(self, event: Event) -> None:
        self.vanish()
        self.agent.end_attempt(self.lease.token)
        self._tell(event)

    def _fail(self, message: str) -> None:
        lease = self.lease
        failure = Failure(lease.step, lease.token, lease.phase, lease.first, "exception", message, attempt=lease.attempt)
        self._end(AttemptFailed(None, failure))

    def _divide(self) -> None:
        if self.world.chance(self.world.options.phase_failure_probability):
            self._fail("no listing")
            return
        sizes = self.cluster.parts_of(self.step)
        lease, number = self.lease, self._part
        if number >= len(sizes):
            self._end(DivisionAdvanced(DivisionProgress(lease.step, lease.token, (), True)))
            return
        size = sizes[number]
        part = ManifestPart(f"part{number}.{lease.token}", self._divided, size, size * 4, f"digest{number}")
        self._part += 1
        self._divided += size
        self._tell(DivisionAdvanced(DivisionProgress(lease.step, lease.token, (part,), False)))
        self._later(self._divide)

    def _ran(self) -> None:
        if self.world.chance(self.world.options.fail_probability):
            self._fail("exit code 1")
            return
        one = Column.repeat(1, 1).to_bytes()
        self.cluster.executions.on_succeeded(self.step, self.lease.token, self.lease.first)
        results = Results(self.lease.step, self.lease.token, self.lease.first, 1, one, one, one)
        self._end(RangeFinished(None, results))

    def _commit(self) -> None:
        if self.world.chance(self.world.options.phase_failure_probability):
            self._fail("disk full")
            return
        if not self.cluster.daemon.is_up or self.cluster.is_partitioned(self.agent):
            self._fail("the commit plan cannot be read")
            return
        if not self.cluster.daemon.may_commit(self.step, self.lease.token):
            if self.cluster.daemon.is_waiting_for_agents:
                self._later(self._commit)
            else:
                self._fail("not the commit lease")
            return
        if self.lease.publish:
            self._publish()
        self._end(CommitFinished(CommitDone(self.lease.step, self.lease.token)))

    def _publish(self) -> None:
        plan = plan_of(self.cluster.daemon.log, self.step)
        rows = merge(self.cluster.storage, plan)
        found = dict.fromkeys(line.decode() for line in rows.splitlines())
        recorded = self.cluster.oracle.results.get(self.step, {})
        expected = [f"{self.step.job}/{self.step.step} {index} {recorded[index]}" for index in sorted(recorded)]
        assert list(found) == expected, f"{self.step}: the published rows are not the recorded ones"
        self.cluster.on_published(self.step, self.cluster.oracle.commit_plan(self.step))
