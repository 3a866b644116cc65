"""concurrent.futures.ProcessPoolExecutor."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Any


class Tool:
    def __init__(self, workers: int) -> None:
        self._pool = ProcessPoolExecutor(workers)

    def results(self, function: Callable[[Any], Any], arguments: Iterable[Any]) -> Iterator[Any]:
        for future in as_completed([self._pool.submit(function, each) for each in arguments]):
            yield future.result()

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)
