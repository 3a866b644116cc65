"""How a problem of an MLTable is said: what it is, where, and the nearest word that would be right."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any


class MLTableError(ValueError):
    """The MLTable file is wrong, or uses what this version cannot do exactly; the message says which and where."""


def mapping(value: object, where: str) -> dict[str, Any]:
    """The value, when it is a mapping."""
    if not isinstance(value, dict):
        raise MLTableError(f"{where} must be a mapping of keys, not {value!r}")
    return value


def refuse_unknown(what: str, names: Iterable[object], known: Iterable[str]) -> None:
    """MLTableError for the first name that is not among the known ones."""
    allowed = list(known)
    for name in names:
        if name not in allowed:
            raise MLTableError(f"unknown {what} {name!r}{did_you_mean(name, allowed)}")


def one_of(where: str, value: object, known: Iterable[str]) -> str:
    """The value, when it is one of the known words."""
    words = list(known)
    if not isinstance(value, str) or value not in words:
        raise MLTableError(f"{where} is {value!r}{did_you_mean(value, words)}; it can be {', '.join(words)}")
    return value


def flag(where: str, value: object) -> bool:
    """The value, when it is true or false."""
    if not isinstance(value, bool):
        raise MLTableError(f"{where} must be true or false, not {value!r}")
    return value


def whole_number(where: str, value: object, least: int = 0) -> int:
    """The value, when it is a whole number from `least` on."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise MLTableError(f"{where} must be a whole number from {least} on, not {value!r}")
    return value


def texts(where: str, value: object) -> tuple[str, ...]:
    """A text or a list of them."""
    values = value if isinstance(value, list) else [value]
    if not values or not all(isinstance(each, str) and each for each in values):
        raise MLTableError(f"{where} must be a text or a list of texts, not {value!r}")
    return tuple(values)


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """The nearest known word as a question in brackets, or nothing."""
    nearest = get_close_matches(str(name), list(known), n=1)
    return f" (did you mean {nearest[0]!r}?)" if nearest else ""
