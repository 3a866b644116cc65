"""No tool at all: each of two bare processes works through its half, and hands nothing over but the rows at the end.

What is left to a tool to lose.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection
from typing import Any


class Tool:
    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._processes: list[Any] = []

    def results(self, function: Callable[[Any], Any], arguments: Iterable[Any]) -> Iterator[Any]:
        given = list(arguments)
        context = multiprocessing.get_context("fork")
        ends = []
        for number in range(self._workers):
            here, there = context.Pipe(duplex=False)
            process = context.Process(target=_work, args=(function, given[number :: self._workers], there))
            process.start()
            there.close()
            self._processes.append(process)
            ends.append(here)
        for end in ends:
            yield from end.recv()

    def close(self) -> None:
        for process in self._processes:
            process.join()


def _work(function: Callable[[Any], Any], arguments: list[Any], end: Connection) -> None:
    end.send([function(each) for each in arguments])
