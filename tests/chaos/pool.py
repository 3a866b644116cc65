"""Runs side by side, each in a process that cleans up behind itself also when all is interrupted."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import TypeVar

Given = TypeVar("Given")
Got = TypeVar("Got")

_PR_SET_PDEATHSIG = 1


def each(function: Callable[[Given], Got], given: Iterable[Given], jobs: int) -> Iterator[Got]:
    """What `function` returns for each, in the order in which they finish; `jobs` at a time.

    SIGINT and SIGTERM end this process at once; those that it started end their fleets first.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    with ProcessPoolExecutor(jobs, initializer=_end_with_parent) as pool:
        for done in as_completed([pool.submit(_cleaning_up, function, one) for one in given]):
            yield done.result()


def _end_with_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _end(*_: object) -> None:
    # Whoever ends a whole group sends two of them, and the second would cut the cleaning short.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(1)


def _cleaning_up(function: Callable[[Given], Got], given: Given) -> Got:
    try:
        return function(given)
    except SystemExit:
        os._exit(1)  # the pool would go on with the next one
