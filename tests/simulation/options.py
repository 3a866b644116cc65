"""What one world suffers. Each seed first draws which kinds of fault exist at all, so that rare combinations happen."""

from __future__ import annotations

import random
from dataclasses import dataclass

from prsd.core.vocabulary import CoreSettings, StepKind, StepTerms


@dataclass(frozen=True)
class Options:
    """Rates are per second and agent (or world), probabilities per message or mini-batch; 0 switches a fault off."""

    agents: int
    late_joiners: int
    slots: int
    fault_time_s: float
    latency_s: float
    fsync_s: float
    loss: float  # of single Syncs, Reports and Acknowledges
    duplication: float
    reorder: float
    cut_rate: float
    partition_rate: float
    kill_rate: float
    freeze_rate: float
    leave_rate: float
    daemon_crash_rate: float
    stall_rate: float
    cancel_probability: float
    fail_probability: float
    permanent_probability: float
    poison_probability: float
    empty_probability: float
    short_probability: float
    start_failure_probability: float
    phase_failure_probability: float
    slow_probability: float
    run_s: float
    settings: CoreSettings
    nodes: NodeOptions | None = None  # agents are real ledgers on such nodes; None: the model agent


@dataclass(frozen=True)
class NodeOptions:
    """What nodes with a real ledger suffer besides; messages of their streams are lost only where a stream breaks."""

    drift: float  # clocks run this much faster or slower at most
    sync_s: float  # making a segment durable
    exit_s: float  # from a kill to the end of the process
    pipe_s: float  # between agent and worker
    death_probability: float  # of the worker, per attempt
    hang_probability: float  # until the limit of run() kills the worker
    directive_probability: float  # of a failure: restart_process or stop_process
    init_s: float
    kill_rate: float  # of the agent process alone; its node starts another
    one_way_rate: float  # partitions of one direction
    pause_rate: float  # the agent process stands still, its workers do not
    is_fast: bool  # many mini-batches, and on some nodes run() takes next to nothing: long ranges
    cut_off_probability: float  # of a partition that begins when a report is about to leave
    lag_s: float  # what the daemon says takes this much longer


def draw_options(rng: random.Random) -> Options:
    """The faults and sizes of one world."""

    def sometimes(share: float, low: float, high: float) -> float:
        return rng.uniform(low, high) if rng.random() < share else 0.0

    return Options(
        agents=rng.randint(1, 4),
        late_joiners=rng.choice((0, 0, 1, 2)),
        slots=rng.randint(1, 4),
        fault_time_s=rng.choice((15.0, 40.0, 80.0)),
        latency_s=rng.choice((0.001, 0.02, 0.5)),
        fsync_s=rng.choice((0.001, 0.05, 0.5)),
        loss=sometimes(0.3, 0.01, 0.3),
        duplication=sometimes(0.3, 0.01, 0.3),
        reorder=sometimes(0.3, 0.01, 0.5),
        cut_rate=sometimes(0.4, 0.01, 0.1),
        partition_rate=sometimes(0.3, 0.005, 0.05),
        kill_rate=sometimes(0.4, 0.005, 0.05),
        freeze_rate=sometimes(0.3, 0.005, 0.05),
        leave_rate=sometimes(0.2, 0.005, 0.02),
        daemon_crash_rate=sometimes(0.4, 0.01, 0.1),
        stall_rate=sometimes(0.2, 0.005, 0.05),
        cancel_probability=sometimes(0.3, 0.1, 0.6),
        fail_probability=sometimes(0.5, 0.02, 0.5),
        permanent_probability=sometimes(0.2, 0.02, 0.3),
        poison_probability=sometimes(0.2, 0.02, 0.1),
        empty_probability=sometimes(0.2, 0.05, 0.5),
        short_probability=sometimes(0.3, 0.05, 0.5),
        start_failure_probability=sometimes(0.2, 0.05, 0.5),
        phase_failure_probability=sometimes(0.2, 0.05, 0.5),
        slow_probability=sometimes(0.3, 0.02, 0.2),
        run_s=rng.choice((0.02, 0.3, 2.0)),
        settings=CoreSettings(
            loss_limit=rng.choice((1, 2, 3, 3, 4)),
            init_failure_grace_s=rng.choice((5.0, 120.0)),
            close_timeout_s=rng.choice((5.0, 60.0)),
            reserve_ahead=rng.choice((1, 4, 32, 65_536)),
        ),
    )


def draw_nodes(rng: random.Random) -> NodeOptions:
    """What the nodes of one world are like."""

    def sometimes(share: float, low: float, high: float) -> float:
        return rng.uniform(low, high) if rng.random() < share else 0.0

    return NodeOptions(
        drift=sometimes(0.5, 0.005, 0.04),
        sync_s=rng.choice((0.001, 0.02, 0.5)),
        exit_s=rng.choice((0.001, 0.05, 0.3)),
        pipe_s=rng.choice((0.0005, 0.005, 0.05)),
        death_probability=sometimes(0.3, 0.01, 0.2),
        hang_probability=sometimes(0.15, 0.01, 0.05),
        directive_probability=sometimes(0.3, 0.1, 0.6),
        init_s=rng.choice((0.1, 1.0, 5.0)),
        kill_rate=sometimes(0.3, 0.005, 0.05),
        one_way_rate=sometimes(0.3, 0.005, 0.05),
        pause_rate=sometimes(0.2, 0.005, 0.03),
        is_fast=rng.random() < 0.35,
        lag_s=rng.choice((0.0, 0.0, 0.0, 0.0, 6.0)),
        cut_off_probability=sometimes(0.3, 0.005, 0.03),
    )


def draw_steps(rng: random.Random) -> tuple[StepTerms, ...]:
    """A small graph of steps; limits are mostly off."""
    names = [f"step{number}" for number in range(rng.choice((1, 1, 2, 3)))]
    return tuple(_draw_step(rng, name, names[:number]) for number, name in enumerate(names))


def _draw_step(rng: random.Random, name: str, earlier: list[str]) -> StepTerms:
    depends_on = tuple(other for other in earlier if rng.random() < 0.5)
    if rng.random() < 0.15:
        return StepTerms(name, StepKind.COMMAND, depends_on, max_retries=rng.choice((0, 1)))
    return StepTerms(
        name,
        StepKind.PARALLEL,
        depends_on,
        compute=rng.choice(("", "", "", "a", "b")),
        instance_count=rng.randint(1, 3),
        workers_per_instance=rng.choice((0, 1, 2)),
        max_retries=rng.choice((0, 1, 2, 2)),
        error_threshold=rng.choice((-1, -1, -1, 0, 20)),
        mini_batch_error_threshold=rng.choice((-1, -1, -1, 0, 3)),
        allowed_failed_percent=rng.choice((100.0, 100.0, 0.0, 30.0)),
        first_task_creation_timeout_s=rng.choice((600.0, 600.0, 600.0, 3.0)),
        progress_update_timeout_s=rng.choice((1980.0, 1980.0, 1980.0, 60.0)),
        appends_rows=rng.random() < 0.6,
        rank_mini_batch_count=rng.choice((0, 0, 0, 0, 12)),
    )


def draw_parts(rng: random.Random) -> tuple[int, ...]:
    """Sizes of the manifest parts of one step; together its number of mini-batches."""
    if rng.random() < 0.03:
        return ()
    return tuple(rng.choice((1, 3, 8, 25)) for _ in range(rng.randint(1, 4)))
