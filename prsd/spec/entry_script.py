"""The entry script, read but never run: it exists, it parses, and it has a `run` (spec section 3.1)."""

import ast
from collections.abc import Iterator
from pathlib import Path

from prsd.spec.node import Node
from prsd.spec.problems import did_you_mean, listed

_LARGEST_SCRIPT_BYTES = 4 * 1024 * 1024
# Statements whose bodies bind names in the module too.
_BLOCKS = (
    *(ast.If, ast.Try, ast.TryStar, ast.With, ast.For, ast.While, ast.Match),
    *(ast.ExceptHandler, ast.match_case),
)


def check_entry_script(at: Node, code: Path) -> None:
    """Report what would make every worker fail at start."""
    written = at.text() or ""
    file = code / written if written.endswith(".py") else _module_file(code, written)
    if file is None:
        at.notice(f"no module '{written}' in {code}: it must be installed where the step runs")
        return
    try:
        source = file.read_bytes()
    except OSError:
        names = _scripts(code)
        at.problem(f"{file} does not exist{did_you_mean(written, names)} (Python files there: {listed(names)})")
        return
    if len(source) > _LARGEST_SCRIPT_BYTES:
        at.problem(f"{file} is larger than {_LARGEST_SCRIPT_BYTES} bytes")
        return
    _check_source(at, file, source)


def _check_source(at: Node, file: Path, source: bytes) -> None:
    try:
        tree = ast.parse(source, filename=str(file))
    except SyntaxError as error:
        # The step's interpreter may be newer than this one, but far more often it is a mistake.
        at.problem(f"{file}:{error.lineno or 1}: {error.msg}")
        return
    except (ValueError, RecursionError, MemoryError):
        at.problem(f"{file} is no Python source")
        return
    names = set(_bound_names(tree))
    if "run" not in names and "*" not in names:
        at.problem(f"{file} has no function run(mini_batch){did_you_mean('run', names)}")


def _module_file(code: Path, module: str) -> Path | None:
    place = code.joinpath(*module.split("."))
    candidates = (place.with_name(place.name + ".py"), place / "__init__.py")
    return next((file for file in candidates if file.is_file()), None)


def _scripts(code: Path) -> list[str]:
    try:
        return sorted(path.name for path in code.iterdir() if path.suffix == ".py")
    except OSError:
        return []


def _bound_names(tree: ast.Module) -> Iterator[str]:
    """Names that the module's own statements bind, and `*` where anything may be; `global` binds from inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Global):
            yield from node.names
    pending: list[ast.AST] = list(tree.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from (alias.asname or alias.name.split(".")[0] for alias in node.names)
        else:
            yield from (name.id for name in ast.walk(node) if isinstance(name, ast.Name) and _is_bound(name))
            if isinstance(node, _BLOCKS):
                pending.extend(ast.iter_child_nodes(node))


def _is_bound(name: ast.Name) -> bool:
    return isinstance(name.ctx, ast.Store)
