"""One world from its seed to its end: a cluster, jobs, faults, then the time after the faults."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, replace

from prsd.core.core import Core
from prsd.core.vocabulary import State, StepId
from tests.simulation.cluster import Cluster
from tests.simulation.daemon import Daemon
from tests.simulation.options import Options, draw_nodes, draw_options
from tests.simulation.world import World

MARKS = (
    "agent_lost",
    "late_result_accepted",
    "result_refused",
    "loss_limit_reached",
    "restarted_with_leases_out",
    "unstarted_part_taken_back",
    "self_fence",
    "report_resent",
    "adoption_after_restart",
    "innocents_refed",
)
LEDGER_SHARE = 0.75  # of the worlds; in the others the model agent runs, whose streams also lose and reorder messages
HEALED_LIMIT_S = 6000.0
CALL_LIMIT = 400_000


@dataclass(frozen=True)
class Ending:
    """What a world came to."""

    seed: int
    counts: Counter[str]
    story: int
    seconds: float  # virtual


def has_ledgers(seed: int) -> bool:
    """Whether the agents of a world are real ledgers."""
    return random.Random(f"agents {seed}").random() < LEDGER_SHARE


def run_world(seed: int, is_tracing: bool = False, ledgers: bool | None = None) -> Ending:
    """Run one world; AssertionError when anything is not as it must be. `ledgers` None: the seed decides."""
    rng = random.Random(seed)
    options = draw_options(rng)
    if has_ledgers(seed) if ledgers is None else ledgers:
        options = replace(options, nodes=draw_nodes(random.Random(f"nodes {seed}")))
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
    if options.nodes:
        agent_faults += (
            ("one_way", options.nodes.one_way_rate, (1.0, 5.0, 12.0, 20.0)),
            ("kill", options.nodes.kill_rate, ()),
            ("pause", options.nodes.pause_rate, (1.0, 5.0, 20.0)),
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
