"""Loading the user's entry script and finding its functions (spec sections 3.1, 3.4)."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import sys
from types import ModuleType
from typing import Any, Callable, NamedTuple, Optional, Sequence

from .failures import StartError, describe, format_traceback, is_argparse_exit


class EntryScript(NamedTuple):
    """The functions of an entry script. `init` and `shutdown` may be missing."""

    module: ModuleType
    run: Callable[..., Any]
    init: Optional[Callable[[], Any]]
    shutdown: Optional[Callable[[], Any]]
    takes_context: bool


def load(entry_script: str, code_root: str, argv: Sequence[str]) -> EntryScript:
    """Imports the entry script: a path below the code folder, or a dotted module. StartError says why it cannot be.

    The code folder becomes the first of sys.path and the current folder, sys.argv the arguments of the step.
    """
    os.chdir(code_root)
    sys.path.insert(0, code_root)
    is_path = entry_script.endswith(".py") or os.sep in entry_script
    path = os.path.join(code_root, entry_script if is_path else entry_script.replace(".", os.sep) + ".py")
    sys.argv[:] = [path if is_path or os.path.exists(path) else entry_script, *argv]
    try:
        module = _import_path(path, code_root) if is_path else importlib.import_module(entry_script)
    except StartError:
        raise
    except BaseException as error:
        raise _start_error(error, entry_script, is_path) from error
    return _find_functions(module, entry_script)


def _import_path(path: str, code_root: str) -> ModuleType:
    if not os.path.isfile(path):
        found = sorted(name for name in os.listdir(code_root) if name.endswith(".py"))
        message = "the entry script %s does not exist in the code folder, which has %s"
        relative = os.path.relpath(path, code_root)
        raise StartError("start", message % (relative, ", ".join(found[:10]) or "no .py file"), permanent=True)
    folder = os.path.dirname(path)
    if folder != code_root.rstrip(os.sep):
        sys.path.insert(1, folder)  # so that scripts in one folder may import each other by their bare names
    name = os.path.splitext(os.path.relpath(path, code_root))[0].replace(os.sep, ".")
    return importlib.import_module(name) if _is_found_as(name, path) else _import_file(path)


def _is_found_as(name: str, path: str) -> bool:
    """True when the import system finds this very file under that dotted name, so that relative imports work."""
    first = name.split(".", maxsplit=1)[0]
    if first in sys.modules or not all(part.isidentifier() for part in name.split(".")):
        return False
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError as error:
        if error.name is None or not name.startswith(error.name):
            raise
        return False  # a module of the standard library hides the folder
    return spec is not None and spec.origin is not None and os.path.realpath(spec.origin) == os.path.realpath(path)


def _import_file(path: str) -> ModuleType:
    name = os.path.splitext(os.path.basename(path))[0]
    if name in sys.modules:
        name = "entry_script_" + name  # the standard library's module of that name stays what it is
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise StartError("start", "%s is no Python file" % path, permanent=True)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _start_error(error: BaseException, entry_script: str, is_path: bool) -> StartError:
    message = "cannot load the entry script %s: %s" % (entry_script, describe(error))
    is_missing = isinstance(error, ModuleNotFoundError) and not is_path and entry_script.startswith(str(error.name))
    permanent = isinstance(error, SyntaxError) or is_argparse_exit(error) or is_missing
    return StartError("start", message, format_traceback(error), permanent)


def _find_functions(module: ModuleType, entry_script: str) -> EntryScript:
    run = getattr(module, "run", None)
    if not callable(run):
        message = "the entry script %s has no function run(mini_batch)" % entry_script
        if callable(getattr(module, "Run", None)):
            message += "; it has Run: names of functions are lower case"
        raise StartError("start", message, permanent=True)
    init, shutdown = (_optional(module, name) for name in ("init", "shutdown"))
    return EntryScript(module, run, init, shutdown, takes_context(run))


def _optional(module: ModuleType, name: str) -> Optional[Callable[[], Any]]:
    found = getattr(module, name, None)
    return found if callable(found) else None


def takes_context(run: Callable[..., Any]) -> bool:
    """True when run() has a second positional parameter; *args is none, because scripts with it expect one argument.

    StartError when it cannot be called with a mini-batch (and a context) alone.
    """
    try:
        parameters = list(inspect.signature(run).parameters.values())
    except (TypeError, ValueError):
        return False  # a function of an extension module: the documented form is run(mini_batch)
    positional = [each for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    others = [each for each in parameters if each.kind is each.KEYWORD_ONLY]
    takes_any = any(each.kind is each.VAR_POSITIONAL for each in parameters)
    required = [each.name for each in positional[2:] + others if each.default is each.empty]
    if required or not (positional or takes_any):
        form = "run%s cannot be called as run(mini_batch) or run(mini_batch, context)"
        raise StartError("start", form % inspect.signature(run), permanent=True)
    return len(positional) >= 2
