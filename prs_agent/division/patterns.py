"""Patterns of an MLTable's `paths` (spec section 4.4): `*`, `?`, `[abc]` within a component, `**` for any folders.

`*` matches hidden names too and never crosses a `/`; only files match. `**` stands for no folder or any number of them and
needs something behind it, as in `./**/*.csv`.
"""

# Paths here are plain strings: there may be millions of them, and pathlib would cost start-up time.
# ruff: noqa: PTH118
from __future__ import annotations

import os
import re
from collections.abc import Iterator

from prs_agent.division.listing import list_files
from prs_agent.division.notices import Notices
from prs_agent.division.problems import MLTableError

_WILD = re.compile(r"[*?\[]")


def match_files(root: str, pattern: str, notices: Notices) -> Iterator[str]:
    """Files that match, in the order of `listing`: paths relative to `root`, absolute ones where the pattern is absolute.

    Raises MLTableError for a pattern that can match nothing, InputError when a folder cannot be read.
    """
    fixed, wild = _split(pattern)
    if not wild:
        raise MLTableError(f"the pattern {pattern!r} names a folder: add /* for its files")
    if wild[-1] == "**":
        raise MLTableError(f"the pattern {pattern!r} matches nothing, because ** stands for folders: write {pattern}/*")
    whole = re.compile("".join(_expressions(wild)), re.DOTALL)
    base = os.path.join(root, *fixed)
    prefix = os.path.join(*fixed, "") if fixed else ""
    for path in list_files(base, notices, descend=_Descent(wild)):
        if whole.fullmatch(path):
            yield prefix + path


def _split(pattern: str) -> tuple[list[str], list[str]]:
    """The components before the first one with a wildcard, and the rest."""
    parts = [part for part in pattern.split("/") if part not in ("", ".")]
    at = next((i for i, part in enumerate(parts) if _WILD.search(part)), len(parts) - 1)
    fixed = parts[:at]
    return (["/", *fixed] if pattern.startswith("/") else fixed), parts[at:]


def _expressions(parts: list[str]) -> Iterator[str]:
    for position, part in enumerate(parts):
        if part == "**":
            yield "(?:[^/]+/)*"
        else:
            yield _component(part) + ("/" if position < len(parts) - 1 else "")


def _component(part: str) -> str:
    """The regular expression of one component."""
    pieces, position = [], 0
    while position < len(part):
        character = part[position]
        closing = part.find("]", position + 2)
        if character == "[" and closing > 0:
            inside = part[position + 1 : closing]
            negated = inside[0] in "!^"
            letters = inside[1:] if negated else inside
            pieces.append("[" + ("^/" if negated else "") + re.sub(r"([\\\[\]^&~|])", r"\\\1", letters) + "]")
            position = closing + 1
            continue
        pieces.append({"*": "[^/]*", "?": "[^/]"}.get(character) or re.escape(character))
        position += 1
    return "".join(pieces)


class _Descent:
    """Tells which folders can hold a match, so that `./*.csv` does not list the folders beside it."""

    def __init__(self, parts: list[str]) -> None:
        open_at = parts.index("**") if "**" in parts else len(parts)
        self._bounded = "**" not in parts
        self._levels = [re.compile(_component(part), re.DOTALL) for part in parts[:open_at]]

    def __call__(self, folder: str) -> bool:
        components = folder.split("/")
        if self._bounded and len(components) >= len(self._levels):
            return False
        return all(level.fullmatch(name) for level, name in zip(self._levels, components, strict=False))
