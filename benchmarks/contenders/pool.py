"""multiprocessing.Pool, as the standard library starts it."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from typing import Any


class Tool:
    def __init__(self, workers: int) -> None:
        self._pool = multiprocessing.get_context("fork").Pool(workers)

    def results(self, function: Callable[[Any], Any], arguments: Iterable[Any]) -> Iterator[Any]:
        return self._pool.imap_unordered(function, arguments)

    def close(self) -> None:
        self._pool.terminate()
        self._pool.join()
