"""Reads queries.sql: statements with names, each with a comment that says why it exists."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


@cache
def queries() -> dict[str, str]:
    """Every statement of queries.sql by its name; ValueError for one without a reason or a second one of that name."""
    return parse(sql_text("queries.sql"))


def sql_text(name: str) -> str:
    """A file of this package."""
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def parse(text: str) -> dict[str, str]:
    """The statements of such a file."""
    statements: dict[str, str] = {}
    _, *named = _NAME.split(text)
    for name, block in zip(named[::2], named[1::2], strict=True):
        lines = block.strip().splitlines()
        if not lines or not lines[0].startswith("-- "):
            raise ValueError(f"query {name} does not say why it exists")
        if name in statements:
            raise ValueError(f"there are two queries named {name}")
        statements[name] = "\n".join(line for line in lines if not line.startswith("--")).strip()
    return statements
