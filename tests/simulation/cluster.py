"""The nodes, the daemon and the inputs of one world, and the faults that hit them."""

from __future__ import annotations

import random
from collections import Counter

from prsd.core.events import CancelRequested, JobSubmitted
from prsd.core.vocabulary import State, StepId, StepTerms
from tests.simulation.agent import SimAgent
from tests.simulation.daemon import Daemon
from tests.simulation.executions import Executions
from tests.simulation.ledger_agent import LedgerAgent
from tests.simulation.options import draw_parts, draw_steps
from tests.simulation.oracle import Oracle
from tests.simulation.storage import Storage
from tests.simulation.world import World

FAST_FACTOR = 12
Agent = SimAgent | LedgerAgent


class Cluster:
    """The nodes, the daemon and the inputs of one world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.executions = Executions()
        self.storage = Storage(random.Random(f"storage {world.seed}"))
        witnesses = (self.executions, self.storage) if world.options.nodes else ()
        self.oracle = Oracle(world.options.settings.loss_limit, *witnesses)
        self.daemon = Daemon(world, self.oracle)
        self.agents: list[Agent] = []
        self.terms: dict[StepId, StepTerms] = {}
        self.jobs: dict[str, tuple[str, ...]] = {}
        self.published: dict[StepId, list[int]] = {}
        self._parts: dict[StepId, tuple[int, ...]] = {}
        self._poison: dict[StepId, set[int]] = {}
        self._empty: dict[StepId, set[int]] = {}
        self._poisoned: Counter[tuple[StepId, int]] = Counter()
        self._boots = 0
        self._partitioned: dict[str, float] = {}

    def start_agent(self, compute: str, name: str = "") -> None:
        """A fresh agent process, on a fresh node unless it is named."""
        self._boots += 1
        kind = LedgerAgent if self.world.options.nodes else SimAgent
        agent = kind(self.world, self, name or f"agent{self._boots}", f"boot{self._boots}", compute)
        self.agents.append(agent)

    def on_agent_gone(self, agent: Agent) -> None:
        """A node is replaced after a while."""
        if agent in self.agents:
            self.agents.remove(agent)
            self.world.tell(agent.name, "is gone")
            self.world.after(self.world.rng.choice((1.0, 10.0, 30.0)), self.start_agent, agent.compute)

    def on_agent_killed(self, agent: Agent) -> None:
        """The node is well and starts the next process soon."""
        self.agents.remove(agent)
        self.world.after(self.world.rng.choice((0.2, 1.0, 5.0)), self.start_agent, agent.compute, agent.name)

    def submit(self, job: str) -> None:
        """A job with a small random graph of steps, perhaps canceled later."""
        rng = self.world.rng
        steps = draw_steps(rng)
        self.jobs[job] = tuple(terms.name for terms in steps)
        for terms in steps:
            self.terms[StepId(job, terms.name)] = terms
            self._draw_input(StepId(job, terms.name))
        self.daemon.submit(JobSubmitted(job, steps, continue_on_step_failure=rng.random() < 0.7))
        self.world.after(0.2, self._submit_again, JobSubmitted(job, steps))
        if self.world.chance(self.world.options.cancel_probability):
            self.world.after(rng.uniform(0, 60), self.daemon.submit, CancelRequested(job))

    def _submit_again(self, event: JobSubmitted) -> None:
        # The client repeats until the job is recorded: a crash may have lost the first.
        if not self.daemon.is_up or event.job not in self.daemon.core._board.recorded.jobs:
            self.daemon.submit(event)
        if event.job not in self.oracle.job_states:
            self.world.after(5.0, self._submit_again, event)

    def _draw_input(self, step: StepId) -> None:
        rng, options = self.world.rng, self.world.options
        factor = FAST_FACTOR if options.nodes and options.nodes.is_fast else 1
        self._parts[step] = tuple(factor * size for size in draw_parts(rng))
        total = min(100, sum(self._parts[step]))
        self._poison[step] = {index for index in range(total) if rng.random() < options.poison_probability}
        self._empty[step] = {index for index in range(total) if rng.random() < options.empty_probability}

    def parts_of(self, step: StepId) -> tuple[int, ...]:
        return self._parts[step]

    def is_poison(self, step: StepId, index: int) -> bool:
        """Whether to run this mini-batch takes the node down: always, healed or not."""
        return index in self._poison[step]

    def is_empty(self, step: StepId, index: int) -> bool:
        return index in self._empty[step]

    def is_partitioned(self, agent: Agent) -> bool:
        return self._partitioned.get(agent.boot, 0.0) > self.world.now

    def partition(self, agent: Agent, duration_s: float, *directions: str) -> None:
        """Cut an agent off, perhaps in one direction alone; nobody is told."""
        self._partitioned[agent.boot] = self.world.now + duration_s
        if agent.link:
            agent.link.silent += directions or ("up", "down")
            self.world.after(duration_s, agent.link.heal)
            if isinstance(agent, LedgerAgent):
                agent.on_silence(agent.link)

    def strike(self, kind: str, *arguments: float) -> None:
        """A fault hits some agent: "cut", "partition", "one_way", "die", "kill", "freeze", "pause" or "leave"."""
        if not self.agents:
            return
        agent = self.world.rng.choice(self.agents)
        self.world.counts[kind] += 1
        self.world.tell(kind, agent.name, *arguments)
        if kind == "partition":
            self.partition(agent, arguments[0])
        elif kind == "one_way":
            self.partition(agent, arguments[0], self.world.rng.choice(("up", "down")))
        elif kind != "cut":
            getattr(agent, kind)(*arguments)
        elif agent.link:
            agent.link.cut()

    def on_poisoned(self, step: StepId, index: int) -> None:
        """A mini-batch takes no more nodes down than the loss limit (deaths beside a crash of the daemon are not seen)."""
        self._poisoned[step, index] += 1
        allowed = self.world.options.settings.loss_limit + self.world.counts["daemon_crashes"]
        assert self._poisoned[step, index] <= allowed, f"{step}: {index} has killed {allowed + 1} agents"

    def on_commit_attempt(self, step: StepId) -> None:
        """A commit attempt begins when every worker of the step is gone: shutdown() may write."""
        open_on = [agent.name for agent in self.agents if agent.is_healthy and step in agent.instances]
        assert not open_on, f"{step}: committed while it is open on {open_on}"

    def on_published(self, step: StepId, plan: list[int]) -> None:
        """An output appears; a repetition of the commit must come to the same."""
        assert self.oracle.ending.get(step) is State.COMPLETED, f"{step}: published, but it will not complete"
        assert self.published.setdefault(step, plan) == plan, f"{step}: two different outputs"

    def all_over(self) -> bool:
        """Whether every job has reached its end, durably."""
        states = self.oracle.job_states
        return all(job in states and states[job].is_final for job in self.jobs)
