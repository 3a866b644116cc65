"""Where the time of a worker goes: `--profiling_module cProfile` (or `profile`) has it written when the worker closes.

The statistics are those of the main thread from the first mini-batch on, user code included; `pstats` reads the file. A
worker that is killed leaves none.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Callable


def profiler_of(module: str) -> Any:
    """A profiler of this module of the standard library, or None for an empty name.

    To be called before the folder of the entry script is on sys.path, where a `profile.py` of the user may lie.
    """
    return import_module(module).Profile() if module else None


def profiled(profiler: Any, path: str, call: Callable[[], None]) -> None:
    """Makes the call, and writes what was seen of it also when it raises."""
    if profiler is None:
        call()
        return
    try:
        profiler.runcall(call)
    finally:
        profiler.dump_stats(path)
