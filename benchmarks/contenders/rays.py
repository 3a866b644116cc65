"""Ray: tasks on a node of its own. A bounded number is under way, as Ray's own patterns advise."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import ray

_UNDER_WAY = 2000


class Tool:
    def __init__(self, workers: int) -> None:
        ray.init(num_cpus=workers, include_dashboard=False, logging_level="error", log_to_driver=False)

    def results(self, function: Callable[[Any], Any], arguments: Iterable[Any]) -> Iterator[Any]:
        task = ray.remote(function)
        waiting = iter(arguments)
        pending = [task.remote(each) for each in itertools.islice(waiting, _UNDER_WAY)]
        while pending:
            done, pending = ray.wait(pending, num_returns=min(len(pending), 100))
            yield from ray.get(done)
            pending += [task.remote(each) for each in itertools.islice(waiting, len(done))]

    def close(self) -> None:
        ray.shutdown()
