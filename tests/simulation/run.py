"""One world from its seed to its end: a cluster, jobs, faults, then the time after the faults."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass

from prsd.core.core import Core
from prsd.core.events import CancelRequested, JobSubmitted
from prsd.core.vocabulary import State, StepId
from tests.simulation.agent import SimAgent
from tests.simulation.daemon import Daemon
from tests.simulation.options import Options, draw_options, draw_parts, draw_steps
from tests.simulation.oracle import Oracle
from tests.simulation.world import World

MARKS = (
    "agent_lost",
    "late_result_accepted",
    "result_refused",
    "loss_limit_reached",
    "restarted_with_leases_out",
    "unstarted_part_taken_back",
)
HEALED_LIMIT_S = 6000.0
CALL_LIMIT = 400_000


@dataclass(frozen=True)
class Ending:
    """What a world came to."""

    seed: int
    counts: Counter[str]
    story: int
    seconds: float  # virtual


class Cluster:
    """The nodes, the daemon and the inputs of one world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.oracle = Oracle(world.options.settings.loss_limit)
        self.daemon = Daemon(world, self.oracle)
        self.agents: list[SimAgent] = []
        self.jobs: dict[str, tuple[str, ...]] = {}
        self.published: dict[StepId, list[int]] = {}
        self._parts: dict[StepId, tuple[int, ...]] = {}
        self._poison: dict[StepId, set[int]] = {}
        self._empty: dict[StepId, set[int]] = {}
        self._poisoned: Counter[tuple[StepId, int]] = Counter()
        self._boots = 0
        self._partitioned: dict[str, float] = {}

    def start_agent(self, compute: str) -> None:
        """A fresh agent process on a fresh node."""
        self._boots += 1
        boot = f"boot{self._boots}"
        self.agents.append(SimAgent(self.world, self, f"agent{self._boots}", boot, compute))

    def on_agent_gone(self, agent: SimAgent) -> None:
        """A node is replaced after a while."""
        self.agents.remove(agent)
        self.world.tell(agent.name, "is gone")
        self.world.after(self.world.rng.choice((1.0, 10.0, 30.0)), self.start_agent, agent.compute)

    def submit(self, job: str) -> None:
        """A job with a small random graph of steps, perhaps canceled later."""
        rng = self.world.rng
        steps = draw_steps(rng)
        self.jobs[job] = tuple(terms.name for terms in steps)
        for terms in steps:
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
        self._parts[step] = draw_parts(rng)
        total = sum(self._parts[step])
        self._poison[step] = {index for index in range(total) if rng.random() < options.poison_probability}
        self._empty[step] = {index for index in range(total) if rng.random() < options.empty_probability}

    def parts_of(self, step: StepId) -> tuple[int, ...]:
        return self._parts[step]

    def is_poison(self, step: StepId, index: int) -> bool:
        """Whether to run this mini-batch takes the node down: always, healed or not."""
        return index in self._poison[step]

    def is_empty(self, step: StepId, index: int) -> bool:
        return index in self._empty[step]

    def is_partitioned(self, agent: SimAgent) -> bool:
        return self._partitioned.get(agent.boot, 0.0) > self.world.now

    def partition(self, agent: SimAgent, duration_s: float) -> None:
        """Cut an agent off; nobody is told."""
        self._partitioned[agent.boot] = self.world.now + duration_s
        if agent.link:
            agent.link.is_silent = True
            self.world.after(duration_s, agent.link.heal)

    def strike(self, kind: str, *arguments: float) -> None:
        """A fault hits some agent: "cut", "partition", "die", "freeze" or "leave"."""
        if not self.agents:
            return
        agent = self.world.rng.choice(self.agents)
        self.world.counts[kind] += 1
        self.world.tell(kind, agent.name, *arguments)
        if kind == "partition":
            self.partition(agent, *arguments)
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


def run_world(seed: int, is_tracing: bool = False) -> Ending:
    """Run one world; AssertionError when anything is not as it must be."""
    rng = random.Random(seed)
    options = draw_options(rng)
    world = World(seed, options, rng, is_tracing)
    world.tell(options)
    cluster = Cluster(world)
    _arrange(world, cluster, options)
    while world.now < options.fault_time_s and world.step():
        assert world.counts["calls"] < CALL_LIMIT, "livelock while faults go on"
    _heal(world, cluster)
    while not cluster.all_over():
        assert world.now < options.fault_time_s + HEALED_LIMIT_S, f"not over {_stuck(cluster)}"
        assert world.counts["calls"] < CALL_LIMIT, f"livelock {_stuck(cluster)}"
        world.step()
    _check_end(world, cluster)
    return Ending(seed, world.counts, world.story, world.now)


def _arrange(world: World, cluster: Cluster, options: Options) -> None:
    rng = world.rng
    for number in range(options.agents):
        cluster.start_agent("ab"[number % 2])
    for _ in range(options.late_joiners):
        world.after(rng.uniform(1, options.fault_time_s), cluster.start_agent, rng.choice("ab"))
    for number in range(rng.choice((1, 1, 2, 3))):
        world.after(rng.uniform(0, 5), cluster.submit, f"job{number}")
    _plan_faults(world, cluster, options)


def _plan_faults(world: World, cluster: Cluster, options: Options) -> None:
    rng = world.rng
    agent_faults: tuple[tuple[str, float, tuple[float, ...]], ...] = (
        ("cut", options.cut_rate, ()),
        ("partition", options.partition_rate, (1.0, 5.0, 20.0)),
        ("die", options.kill_rate, ()),
        ("freeze", options.freeze_rate, (1.0, 5.0, 20.0)),
        ("leave", options.leave_rate, ()),
    )
    for kind, rate, durations in agent_faults:
        for at in _times(rng, rate * options.agents, options.fault_time_s):
            world.after(at, cluster.strike, kind, *([rng.choice(durations)] if durations else []))
    for at in _times(rng, options.daemon_crash_rate, options.fault_time_s):
        world.after(at, cluster.daemon.crash)
    for at in _times(rng, options.stall_rate, options.fault_time_s):
        world.after(at, cluster.daemon.stall, rng.choice((1.0, 5.0, 20.0)))


def _times(rng: random.Random, rate: float, until: float) -> list[float]:
    times: list[float] = []
    at = rng.expovariate(rate) if rate > 0 else until
    while at < until:
        times.append(at)
        at += rng.expovariate(rate)
    return times


def _heal(world: World, cluster: Cluster) -> None:
    """From here on everything must come to an end: both computes have an agent, and nothing breaks any more."""
    world.is_healed = True
    world.tell("healed")
    for compute in "ab":
        if not any(agent.compute == compute and not agent.is_draining for agent in cluster.agents):
            cluster.start_agent(compute)


def _stuck(cluster: Cluster) -> str:
    views = [cluster.daemon.core.job_view(job) for job in cluster.jobs] if cluster.daemon.is_up else []
    return "\n".join(str(view) for view in views)


def _check_end(world: World, cluster: Cluster) -> None:
    oracle, daemon = cluster.oracle, cluster.daemon
    daemon.note_marks()
    for job, steps in cluster.jobs.items():
        for name in steps:
            step = StepId(job, name)
            if step in cluster.published and oracle.step_states[step] is State.COMPLETED:
                assert cluster.published[step] == oracle.commit_plan(step), f"{step}: the output lacks recorded results"
    _check_replay(daemon)
    world.counts["worlds"] += 1


def _check_replay(daemon: Daemon) -> None:
    """The fold of what is durable and of what is about to be is the live state."""
    replayed = Core(daemon.world.options.settings)
    for fact in [*daemon.log, *daemon.undurable_facts()]:
        replayed.apply(fact)
    assert replayed.durable_digest() == daemon.core.durable_digest(), "replay differs from the live state"
