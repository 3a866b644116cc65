"""What a check found: problems and notices, each with the path of its key and, where known, file and line."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

# A longer word is no typing mistake, and comparing it costs its square.
_LONGEST_GUESSABLE = 64
_MOST_CANDIDATES = 100
_LONGEST_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, or one notice about how something was understood."""

    path: str
    message: str
    file: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        place = [part for part in (self.file, None if self.line is None else str(self.line)) if part]
        where = [part for part in (":".join(place), self.path) if part]
        return ": ".join([*where, self.message])


class InvalidPipeline(Exception):  # noqa: N818 - the name is part of the interface; it reads as a state, not as a fault
    """The pipeline cannot be run; `problems` names every reason at once."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def did_you_mean(word: str, candidates: Iterable[str], cutoff: float = 0.6) -> str:
    """`; did you mean 'x'?`, or nothing when no candidate is near: meant to be appended to a message."""
    if len(word) > _LONGEST_GUESSABLE:
        return ""
    known = list(candidates)[:_MOST_CANDIDATES]
    near = difflib.get_close_matches(word, known, n=1, cutoff=cutoff)
    return f"; did you mean '{near[0]}'?" if near else ""


def listed(names: Iterable[str], nothing: str = "none") -> str:
    """Names for a message, cut when there are very many."""
    known = list(names)
    shown = ", ".join(known[:20])
    return (shown + (", …" if len(known) > 20 else "")) or nothing


def shown(value: object) -> str:
    """A value as it may be quoted in a message: never pages of it."""
    text = str(value) if isinstance(value, str | int | float) else _kind(value)
    text = text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "…"
    return f"'{text}'" if isinstance(value, str) else text


def _kind(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    return "a list" if isinstance(value, list) else type(value).__name__
