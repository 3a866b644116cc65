"""How many agents a run starts, and how many workers each may have."""

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prsd.spec import ParallelSettings, Pipeline


@dataclass(frozen=True, slots=True)
class Fleet:
    """`agents` agents with `slots` workers each at most; notices say what was cut."""

    agents: int
    slots: int
    notices: tuple[str, ...] = ()


def default_max_workers() -> int:
    """Four, or the number of CPUs that this process may use when there are more."""
    return max(4, _cpus())


def fleet_for(pipeline: "Pipeline", max_workers: int) -> Fleet:
    """The agents that the largest step wants, with an even share of `max_workers` and never less than one worker each."""
    wanted = {step.name: step.settings for step in pipeline.steps if step.settings is not None}
    agents = max((settings.instance_count.value for settings in wanted.values()), default=1)
    slots = max(1, max_workers // agents)
    largest = max((_concurrency(settings) for settings in wanted.values()), default=1)
    notices = [_cut(name, settings, slots, max_workers) for name, settings in wanted.items() if _is_cut(settings, slots)]
    return Fleet(agents, min(slots, max(1, largest)), tuple(notices))


def _concurrency(settings: "ParallelSettings") -> int:
    return settings.max_concurrency_per_instance.value or _cpus()


def _is_cut(settings: "ParallelSettings", slots: int) -> bool:
    asked = settings.max_concurrency_per_instance.value
    return asked is not None and asked > slots


def _cut(name: str, settings: "ParallelSettings", slots: int, max_workers: int) -> str:
    instances, asked = settings.instance_count.value, settings.max_concurrency_per_instance.value
    return (
        f"step {name} asks for {instances} x {asked} workers; on this machine it gets {instances} x {slots}, "
        f"because of --max-workers {max_workers}"
    )


def _cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
