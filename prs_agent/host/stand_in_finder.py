"""Makes the modules below `standins/` importable in a worker, without putting that folder on sys.path.

`azureml_user` is ours in every case: inside a worker only the host can fill it in. `azureml.exceptions` is given only when
nothing else provides it, because azureml-core may be installed.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from importlib.machinery import ModuleSpec
from typing import Any, Sequence

from .frames import Start

_FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "standins")


class StandInFinder:
    """A finder of sys.meta_path for these modules."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = frozenset(names)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """The stand-in of that name, or None."""
        if name not in self._names:
            return None
        stem = os.path.join(_FOLDER, *name.split("."))
        if os.path.isdir(stem):
            init = os.path.join(stem, "__init__.py")
            return importlib.util.spec_from_file_location(name, init, submodule_search_locations=[stem])
        return importlib.util.spec_from_file_location(name, stem + ".py")


def install(start: Start) -> None:
    """To be called once, before the entry script is imported."""
    first: Any = StandInFinder(("azureml_user", "azureml_user.parallel_run"))
    last: Any = StandInFinder(("azureml", "azureml.exceptions"))
    sys.meta_path.insert(0, first)
    sys.meta_path.append(last)
    parallel_run = importlib.import_module("azureml_user.parallel_run")
    parallel_run.configure(start.worker, start.entry_script_log_dir, start.output_dir, start.logging_level)
