"""joblib with its default backend, loky, and its automatic batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from joblib import Parallel, delayed


class Tool:
    def __init__(self, workers: int) -> None:
        self._workers = workers

    def results(self, function: Callable[[Any], Any], arguments: Iterable[Any]) -> Iterator[Any]:
        calls = (delayed(function)(each) for each in arguments)
        return iter(Parallel(n_jobs=self._workers, return_as="generator_unordered")(calls))

    def close(self) -> None:
        from joblib.externals.loky import get_reusable_executor

        get_reusable_executor().shutdown(wait=True, kill_workers=True)
