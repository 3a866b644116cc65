"""What really ran where: seen from the workers, and held against what was recorded."""

from __future__ import annotations

from collections import Counter
from typing import Protocol

from prsd.core.facts import FailureRecorded, ResultsRecorded
from prsd.core.vocabulary import Lease, Phase, StepId

Key = tuple[StepId, int]
RUNNING = "running"


class Runner(Protocol):
    """A worker, or a process of its own."""

    name: str

    @property
    def is_excused(self) -> bool:
        """Its node stood still: nobody can stop what runs there in time."""


class Executions:
    """Every attempt at a mini-batch: under which lease, and how it ended."""

    def __init__(self) -> None:
        self._running: dict[Key, list[tuple[Runner, int]]] = {}
        self._started: Counter[tuple[StepId, int, int]] = Counter()  # by step, token, index
        self._succeeded: set[tuple[StepId, int, int]] = set()
        self._charged: Counter[tuple[StepId, int, int]] = Counter()
        self._granted: dict[Key, int] = {}  # the newest token that left the daemon for a mini-batch

    def on_granted(self, lease: Lease) -> None:
        """A grant has left the daemon."""
        if lease.phase is Phase.RUN:
            for index in range(lease.first, lease.first + lease.count):
                self._granted[lease.step, index] = lease.token

    def on_started(self, step: StepId, token: int, index: int, runner: Runner) -> None:
        """G4: of two at the same mini-batch, one is where no fence could have stopped it."""
        running = self._running.setdefault((step, index), [])
        others = [f"{other.name} under {under}" for other, under in running if not other.is_excused]
        assert runner.is_excused or not others, f"{step}: {runner.name} starts {index} under {token} while {others} run it"
        running.append((runner, token))
        self._started[step, token, index] += 1

    def on_succeeded(self, step: StepId, token: int, index: int) -> None:
        self._succeeded.add((step, token, index))

    def on_stopped(self, step: StepId, index: int, runner: Runner) -> None:
        """The attempt has come to an end of whatever kind."""
        self._running[step, index] = [pair for pair in self._running[step, index] if pair[0] is not runner]

    def check_results(self, fact: ResultsRecorded) -> None:
        """What is recorded has been run, and has succeeded."""
        results = fact.results
        for index in range(results.first, results.first + results.count):
            ran = (results.step, results.token, index) in self._succeeded
            assert ran, f"{results.step}: a result of {index} under {results.token} was recorded, but nobody has it"

    def check_failure(self, fact: FailureRecorded) -> None:
        """A charged failure is that of an attempt that was begun, once, under the newest lease."""
        failure = fact.failure
        if failure.phase is not Phase.RUN or failure.token == 0:  # 0: the daemon's own, of a loss too many
            return
        what = f"{failure.step}: {failure.index} under {failure.token}"
        attempt = (failure.step, failure.token, failure.index)
        self._charged[attempt] += 1
        assert self._charged[attempt] <= self._started[attempt], f"{what} was charged, but not begun that often"
        newest = self._granted.get((failure.step, failure.index), 0)
        assert newest <= failure.token, f"{what} was charged although it was granted again under {newest}"
