"""python -m tests.simulation.scale: a million mini-batches through the core and real ledgers, timed.

No faults and no bytes: what is measured is what the two state machines cost. Workers take virtual time alone.
"""

from __future__ import annotations

import argparse
import heapq
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

from prs_agent.ledger.commands import CloseWorker, Feed, SendInstance, SendReport, SendSync, StartAttempt, StartWorker
from prs_agent.ledger.events import (
    Acknowledged,
    CloseAsked,
    CommitFinished,
    Echoed,
    Event,
    RangeFinished,
    StepOpened,
    Ticked,
    Welcomed,
    WorkerExited,
    WorkerReady,
)
from prs_agent.ledger.ledger import Ledger
from prs_agent.ledger.vocabulary import CommitDone, Results, StepId
from prsd.base.columns import Column
from prsd.core.commands import Acknowledge, Close, Grant, Open, Record, Welcome
from prsd.core.core import Core
from prsd.core.events import AgentJoined, JobSubmitted
from prsd.core.vocabulary import State, StepKind, StepTerms
from tests.simulation.translate import from_grant, to_instance, to_reported, to_synced

LATENCY_S = 0.001


class Run:
    """A core, ledgers, and a heap of what happens when."""

    def __init__(self, mini_batches: int, agents: int, workers: int, run_s: float) -> None:
        self.now = 0.0
        self.run_s = run_s
        self.facts = self.events = self._number = 0
        self._heap: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self.core = Core()
        self.agents = {f"s{number}": Agent(self, f"s{number}") for number in range(agents)}
        self.carry_out(self.core.start(0.0))
        for session in self.agents:
            self.tell(AgentJoined(session, session, session, "", workers))
        terms = StepTerms("only", StepKind.PARALLEL, instance_count=agents, rank_mini_batch_count=mini_batches)
        self.tell(JobSubmitted("job", (terms,)))

    def after(self, delay_s: float, call: Callable[..., None], *arguments: Any) -> None:
        self._number += 1
        heapq.heappush(self._heap, (self.now + delay_s, self._number, call, arguments))

    def tell(self, event: Any) -> None:
        """The core is told."""
        self.events += 1
        self.carry_out(self.core.handle(event, self.now))

    def carry_out(self, commands: list[Any]) -> None:
        for command in commands:
            if isinstance(command, Record):
                self.facts += 1
            else:
                self.after(LATENCY_S, self.agents[command.session].hear, command)

    def to_the_end(self) -> None:
        """Until the job is over."""
        while (view := self.core.job_view("job")) and not view.state.is_final:
            for _ in range(100):
                if self._heap:
                    self.now, _, call, arguments = heapq.heappop(self._heap)
                    call(*arguments)
        assert view is not None
        assert view.state is State.COMPLETED, view


class Agent:
    """A ledger and workers that only take time."""

    def __init__(self, run: Run, session: str) -> None:
        self.run = run
        self.session = session
        self.ledger = Ledger()
        self._busy_until: dict[int, float] = {}
        self._armed_for = float("inf")

    def post(self, event: Event) -> None:
        for command in self.ledger.handle(event, self.run.now):
            self._obey(command)
        deadline = self.ledger.next_deadline()
        if deadline is not None and deadline < self._armed_for:
            self._armed_for = deadline
            self.run.after(max(0.0, deadline - self.run.now) + 1e-6, self._on_timer)

    def _on_timer(self) -> None:
        self._armed_for = float("inf")
        self.post(Ticked())

    def hear(self, command: Any) -> None:
        """From the core."""
        match command:
            case Welcome():
                self.post(Welcomed(15.0, 2.0, self.run.now, command.kept))
            case Grant():
                self.post(from_grant(command))
            case Open():
                self.post(StepOpened(StepId(*command.step), command.workers, command.node))
            case Close():
                self.post(CloseAsked(StepId(*command.step), command.kill))
            case Acknowledge():
                self.post(Acknowledged(command.number))

    def _obey(self, command: Any) -> None:
        run = self.run
        match command:
            case SendSync():
                run.after(LATENCY_S, run.tell, to_synced(self.session, command))
                run.after(2 * LATENCY_S, self.post, Echoed(command.sent_at))
            case SendReport(report):
                run.after(LATENCY_S, run.tell, to_reported(self.session, report))
            case SendInstance():
                run.after(LATENCY_S, run.tell, to_instance(self.session, command))
            case StartWorker(step, number):
                run.after(LATENCY_S, self.post, WorkerReady(step, number))
            case Feed(step, number, token, first, count):
                self._busy_until[number] = max(run.now, self._busy_until.get(number, 0.0)) + count * run.run_s
                ones = Column.repeat(1, count).to_bytes()
                results = Results(step, token, first, count, ones, ones, ones)
                run.after(self._busy_until[number] - run.now, self.post, RangeFinished(number, results))
            case CloseWorker(step, number):
                run.after(LATENCY_S, self.post, WorkerExited(step, number, ""))
            case StartAttempt(lease):
                run.after(LATENCY_S, self.post, CommitFinished(CommitDone(lease.step, lease.token)))


def push(mini_batches: int = 1_000_000, agents: int = 4, workers: int = 4, run_s: float = 1e-4) -> dict[str, float]:
    """Push that many mini-batches through; returns what it took."""
    started = time.process_time()
    run = Run(mini_batches, agents, workers, run_s)
    run.to_the_end()
    run.core.check()
    return {
        "cpu_s": time.process_time() - started,
        "virtual_s": run.now,
        "events": run.events,
        "facts": run.facts,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.scale", description=__doc__)
    parser.add_argument("--mini-batches", type=int, default=1_000_000)
    parser.add_argument("--agents", type=int, default=4)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--run-us", type=float, default=100.0, help="duration of one mini-batch")
    given = parser.parse_args()
    took = push(given.mini_batches, given.agents, given.workers, given.run_us / 1e6)
    print(", ".join(f"{name} {value:,.1f}" for name, value in took.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
