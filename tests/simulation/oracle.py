"""What must be true, seen from outside of the core: it knows the durable facts, and what agents did and were told."""

from __future__ import annotations

from collections import Counter
from typing import Any

from prsd.core.facts import (
    CommitRecorded,
    DaemonStarted,
    Fact,
    FailureRecorded,
    JobChanged,
    LossRecorded,
    ResultsRecorded,
    StepChanged,
    StepEnding,
)
from prsd.core.vocabulary import Phase, State, StepId
from tests.simulation.executions import Executions
from tests.simulation.storage import Storage


class Oracle:
    """Folds durable facts in its own, naive way, and compares."""

    def __init__(self, loss_limit: int, executions: Executions | None = None, storage: Storage | None = None) -> None:
        """`executions`, `storage`: what workers did, where that is known."""
        self.executions = executions
        self.storage = storage
        self.loss_limit = loss_limit
        self.losses: Counter[tuple[StepId, int]] = Counter()
        self.results: dict[StepId, dict[int, int]] = {}  # token of the recorded result, by index
        self.empty: dict[StepId, set[int]] = {}
        self.failed: dict[StepId, set[int]] = {}
        self.ending: dict[StepId, State] = {}
        self.step_states: dict[StepId, State] = {}
        self.job_states: dict[str, State] = {}
        self.committed: set[StepId] = set()
        self.incarnation = 0
        self.tokens: set[int] = set()
        self.executing: dict[tuple[StepId, int], list[Any]] = {}

    def on_durable(self, fact: Fact) -> None:
        """One more durable fact."""
        self._compare_with_nodes(fact)
        match fact:
            case DaemonStarted():
                assert fact.incarnation > self.incarnation, "an incarnation was used twice"
                self.incarnation = fact.incarnation
            case ResultsRecorded():
                self._on_results(fact)
            case FailureRecorded():
                if fact.failure.phase is Phase.RUN and fact.final:
                    self._on_failed(fact.failure.step, fact.failure.index)
            case LossRecorded():
                self._on_loss(fact)
            case StepEnding():
                self._expect_not_final(fact.step)
                self.ending[fact.step] = fact.outcome
            case StepChanged():
                self._expect_not_final(fact.step)
                self.step_states[fact.step] = fact.state
            case JobChanged():
                old = self.job_states.get(fact.job)
                assert old is None or not old.is_final, f"job {fact.job} was {old} and became {fact.state}"
                self.job_states[fact.job] = fact.state
            case CommitRecorded():
                self._expect_not_final(fact.done.step)
                self.committed.add(fact.done.step)
            case _:
                pass

    def on_acknowledged(self, step: StepId, index: int) -> None:
        """An agent was told that a result is safe: it is durable, or the step has no use for it any more."""
        is_settled = index in self.results.get(step, ()) or index in self.empty.get(step, ())
        is_lost = index in self.failed.get(step, ())
        is_over = step in self.ending or (step in self.step_states and self.step_states[step].is_final)
        assert is_settled or is_lost or is_over, f"{step}: the result of {index} was acknowledged, but is not durable"

    def on_granted(self, token: int) -> None:
        """Tokens are never used twice."""
        assert token not in self.tokens, f"token {token} was granted twice"
        self.tokens.add(token)

    def commit_plan(self, step: StepId) -> list[int]:
        """What the commit attempt reads from the store: indexes with a recorded result."""
        return sorted(self.results.get(step, ()))

    def on_run_started(self, step: StepId, index: int, agent: Any) -> None:
        """I14: no two healthy agents run the same mini-batch at the same time."""
        running = self.executing.setdefault((step, index), [])
        others = [other.name for other in running if other is not agent and other.is_healthy]
        assert not others, f"{step}: {agent.name} starts {index} while {others} run it"
        running.append(agent)

    def on_run_stopped(self, step: StepId, index: int, agent: Any) -> None:
        """A worker has finished or was killed."""
        running = self.executing.get((step, index), [])
        if agent in running:
            running.remove(agent)

    def _compare_with_nodes(self, fact: Fact) -> None:
        if isinstance(fact, ResultsRecorded):
            if self.executions:
                self.executions.check_results(fact)
            if self.storage:
                self.storage.verify(fact.results)
        elif isinstance(fact, FailureRecorded) and self.executions:
            self.executions.check_failure(fact)

    def _on_results(self, fact: ResultsRecorded) -> None:
        results = fact.results
        self._expect_live(results.step)
        tokens = self.results.setdefault(results.step, {})
        empty = self.empty.setdefault(results.step, set())
        for index in range(results.first, results.first + results.count):
            is_new = index not in tokens and index not in empty and index not in self.failed.get(results.step, ())
            assert is_new, f"{results.step}: {index} has a second outcome"
            if results.empty:
                empty.add(index)
            else:
                tokens[index] = results.token

    def _on_loss(self, fact: LossRecorded) -> None:
        for index in (index for part in fact.ranges for index in range(part.first, part.stop)):
            self.losses[fact.step, index] += 1
            if self.losses[fact.step, index] == self.loss_limit:
                self._on_failed(fact.step, index)

    def _on_failed(self, step: StepId, index: int) -> None:
        self._expect_live(step)
        assert index not in self.results.get(step, ()), f"{step}: {index} has failed after it was done"
        failed = self.failed.setdefault(step, set())
        assert index not in failed, f"{step}: {index} has failed twice"
        failed.add(index)

    def _expect_live(self, step: StepId) -> None:
        assert step not in self.ending, f"{step}: an outcome was recorded after the step's end was decided"

    def _expect_not_final(self, step: StepId) -> None:
        state = self.step_states.get(step)
        assert state is None or not state.is_final, f"{step} was {state} and changed"
