"""How many agents a run starts, and how many workers each may have."""

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prsd.spec import Pipeline
    from prsd.v1 import jobs_pb2


@dataclass(frozen=True, slots=True)
class Fleet:
    """`agents` agents with `slots` workers each at most; notices say what was cut."""

    agents: int
    slots: int
    notices: tuple[str, ...] = ()


def default_max_workers() -> int:
    """Four, or the number of CPUs that this process may use when there are more."""
    return max(4, _cpus())


@dataclass(frozen=True, slots=True)
class _Size:
    """What a parallel step asks for; `workers` None: as many as an agent has CPUs."""

    step: str
    instances: int
    workers: int | None


def fleet_for(pipeline: "Pipeline", max_workers: int) -> Fleet:
    """The agents that the largest step wants, with an even share of `max_workers` and never less than one worker each."""
    wanted = [(step.name, step.settings) for step in pipeline.steps if step.settings is not None]
    return _fleet(
        [
            _Size(name, settings.instance_count.value, settings.max_concurrency_per_instance.value)
            for name, settings in wanted
        ],
        max_workers,
    )


def fleet_like(job: "jobs_pb2.Job", max_workers: int) -> Fleet:
    """The same for a job that is gone on from: what its steps asked for is in their settings."""
    sizes = []
    for step in job.steps:
        values = {setting.name: setting.value for setting in step.settings}
        instances, workers = values.get("instance_count", ""), values.get("max_concurrency_per_instance", "")
        if instances.isdigit():
            sizes.append(_Size(step.name, int(instances), int(workers) if workers.isdigit() else None))
    return _fleet(sizes, max_workers)


def _fleet(sizes: list[_Size], max_workers: int) -> Fleet:
    agents = max((size.instances for size in sizes), default=1)
    slots = max(1, max_workers // agents)
    largest = max((size.workers or _cpus() for size in sizes), default=1)
    notices = [_cut(size, slots, max_workers) for size in sizes if size.workers is not None and size.workers > slots]
    return Fleet(agents, min(slots, max(1, largest)), tuple(notices))


def _cut(size: _Size, slots: int, max_workers: int) -> str:
    return (
        f"step {size.step} asks for {size.instances} x {size.workers} workers; on this machine it gets "
        f"{size.instances} x {slots}, because of --max-workers {max_workers}"
    )


def _cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
