"""Data that came as objects instead of text, brought into the form that reading text gives, under the same limits."""

from collections.abc import Mapping
from typing import Any

from prsd.spec.located import MAX_DEPTH, MAX_NODES, well_formed
from prsd.spec.problems import InvalidPipeline, Problem, shown


def checked_plain(document: Mapping[str, object]) -> dict[str, Any]:
    """A copy made of dict, list and scalars only."""
    copier = _Copier()
    copied = copier.copy(document, 1)
    return copied if isinstance(copied, dict) else {}


class _Copier:
    """Counts what it copies, so that shared or cyclic containers cannot grow without end."""

    def __init__(self) -> None:
        self._nodes = 0

    def copy(self, value: object, depth: int) -> object:
        self._nodes += 1
        if depth > MAX_DEPTH or self._nodes > MAX_NODES:
            raise InvalidPipeline([Problem("", f"is deeper than {MAX_DEPTH} levels or has more than {MAX_NODES} values")])
        if isinstance(value, Mapping):
            return {well_formed(str(key)): self.copy(item, depth + 1) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.copy(item, depth + 1) for item in value]
        if isinstance(value, str):
            return well_formed(value)
        if value is None or isinstance(value, bool | int | float):
            return value
        raise InvalidPipeline([Problem("", f"holds {shown(value)}, which is neither text, number, list nor mapping")])
