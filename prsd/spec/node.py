"""A cursor over the document: a value, the path that leads to it, and the place where findings about it are collected.

Reading never raises: a reader that meets something wrong reports it and goes on, so that a user sees every problem at once.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from prsd.spec.located import child_of, locate
from prsd.spec.problems import InvalidPipeline, Problem, did_you_mean, listed, shown

_MOST_FINDINGS = 500


class Findings:
    """Problems and notices about one document; finds file and line from the path."""

    def __init__(self, root: object) -> None:
        self._root = root
        # Dictionaries, because what several readers notice is reported once, and order is kept.
        self._problems: dict[Problem, None] = {}
        self._notices: dict[Problem, None] = {}

    @property
    def problems(self) -> tuple[Problem, ...]:
        return tuple(self._problems)

    @property
    def notices(self) -> tuple[Problem, ...]:
        return tuple(self._notices)

    def problem(self, path: tuple[str | int, ...], message: str) -> None:
        if len(self._problems) < _MOST_FINDINGS:
            self._problems.setdefault(self._placed(path, message))

    def notice(self, path: tuple[str | int, ...], message: str) -> None:
        if len(self._notices) < _MOST_FINDINGS:
            self._notices.setdefault(self._placed(path, message))

    def raise_problems(self) -> None:
        if self._problems:
            raise InvalidPipeline(self._problems)

    def _placed(self, path: tuple[str | int, ...], message: str) -> Problem:
        file, line = locate(self._root, path)
        return Problem(".".join(str(key) for key in path), message, file, line)


@dataclass(frozen=True, slots=True)
class Node:
    """A value in the document. A key that is absent and a key without a value are the same: `value` is None."""

    value: object
    path: tuple[str | int, ...]
    findings: Findings

    def child(self, *keys: str | int) -> "Node":
        value = self.value
        for key in keys:
            value = child_of(value, key)
        return Node(value, (*self.path, *keys), self.findings)

    def problem(self, message: str) -> None:
        self.findings.problem(self.path, message)

    def notice(self, message: str) -> None:
        self.findings.notice(self.path, message)

    @property
    def is_set(self) -> bool:
        return self.value is not None

    def fields(self) -> dict[str, "Node"]:
        """The children of a mapping; a problem and nothing where it is something else."""
        if self.value is None:
            return {}
        if not isinstance(self.value, dict):
            self.problem(f"must be a mapping of names to values, not {shown(self.value)}")
            return {}
        return {key: self.child(key) for key in self.value}

    def elements(self) -> list["Node"]:
        """The elements of a list; a problem and nothing where it is something else."""
        if self.value is None:
            return []
        if not isinstance(self.value, list):
            self.problem(f"must be a list, not {shown(self.value)}")
            return []
        return [self.child(index) for index in range(len(self.value))]

    def text(self) -> str | None:
        """A scalar as the text that was written; a problem where it is a mapping or a list."""
        if self.value is None:
            return None
        if isinstance(self.value, dict | list):
            self.problem(f"must be a single value, not {shown(self.value)}")
            return None
        return text_of(self.value)

    def texts(self) -> dict[str, str]:
        """A mapping of names to single values, each as the text that was written."""
        return {key: node.text() or "" for key, node in self.fields().items()}

    def refuse_unknown_keys(self, allowed: Collection[str], hints: Mapping[str, str] | None = None) -> None:
        """Name each key that means nothing here, and what was probably meant (a hint, or the nearest known key)."""
        for key, node in self.fields().items():
            if key not in allowed:
                node.problem(f"unknown key '{_cut(key)}'{suggestion(key, allowed, hints)}")


def checked(node: Node, rule: Callable[[object], object], value: object) -> object:
    """The value by the rule; None, with a problem, where it refuses."""
    try:
        return rule(value)
    except ValueError as error:
        node.problem(str(error))
        return None


def suggestion(key: str, allowed: Collection[str], hints: Mapping[str, str] | None = None) -> str:
    """The tail of a message about an unknown key."""
    if hints and key in hints:
        return f"; {hints[key]}"
    return did_you_mean(key, allowed) or f" (allowed: {listed(sorted(allowed))})"


def text_of(value: object) -> str:
    """A scalar as YAML writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _cut(key: str) -> str:
    return key if len(key) <= 60 else key[:60] + "…"
