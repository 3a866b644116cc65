"""Notices about runtime options that are accepted for compatibility, but do nothing here."""

from __future__ import annotations

from prsd.spec import Pipeline
from prsd.spec.problems import Problem

_ADVICE = {
    "async_mode": "--amlbi_async_mode does nothing here: the entry script needs run(mini_batch), and a worker calls it for "
    "one mini-batch after the other; more workers (max_concurrency_per_instance) take the place of enqueue()",
    "metrics_name_prefix": "--metrics_name_prefix does nothing here: no metrics are logged to a tracking server",
    "push_metrics_to_parent": "--push_metrics_to_parent does nothing here: no metrics are logged to a tracking server",
}


def unsupported(pipeline: Pipeline) -> list[Problem]:
    """One for each step and option."""
    return [
        Problem(path=f"jobs.{step.name}.task.program_arguments", message=advice)
        for step in pipeline.steps
        for setting, advice in _ADVICE.items()
        if step.settings is not None and getattr(step.settings, setting).value
    ]
