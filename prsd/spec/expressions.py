"""Binding expressions `${{…}}` and optional groups `$[[ … ]]` (spec section 1.7).

The grammar is fixed: no operators, no functions, nothing is evaluated.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

# Possessive quantifiers, so that hostile text costs linear time.
_EXPRESSION = re.compile(r"\$\{\{\s*+([^\s{}]*+)\s*+\}\}")
_GROUP_START, _GROUP_END = "$[[", "]]"
MAX_SUBSTITUTED = 256 * 1024

ExpressionKind = Literal[
    "input",
    "output",
    "parent_input",
    "parent_output",
    "step_input",
    "step_output",
    "name",
    "output_name",
    "default_datastore",
    "unknown",
]

_SIMPLE: dict[str, ExpressionKind] = {
    "name": "name",
    "output_name": "output_name",
    "default_datastore": "default_datastore",
}
_OWN: dict[str, ExpressionKind] = {"inputs": "input", "outputs": "output"}
_PARENT: dict[str, ExpressionKind] = {"inputs": "parent_input", "outputs": "parent_output"}
_OTHER: dict[str, ExpressionKind] = {"inputs": "step_input", "outputs": "step_output"}


@dataclass(frozen=True, slots=True)
class Expression:
    """One `${{…}}`: what it refers to, and how it was written."""

    kind: ExpressionKind
    name: str
    step: str = ""
    inner: str = ""

    def __str__(self) -> str:
        return f"${{{{{self.inner}}}}}"


class MalformedExpressionError(ValueError):
    """`${{` that is not closed or holds blanks, or `$[[` that is not closed."""


def parse(text: str) -> list[str | Expression]:
    """The text as a sequence of plain pieces and expressions."""
    pieces: list[str | Expression] = []
    end = 0
    for match in _EXPRESSION.finditer(text):
        pieces.append(_plain(text[end : match.start()]))
        pieces.append(_expression(match[1]))
        end = match.end()
    pieces.append(_plain(text[end:]))
    return [piece for piece in pieces if piece != ""]


def sole_expression(text: str) -> Expression | None:
    """The expression, if the text is nothing else."""
    match = _EXPRESSION.fullmatch(text.strip())
    return _expression(match[1]) if match else None


def has_expression(text: str) -> bool:
    return "${{" in text


def expressions_in(text: str) -> Iterator[Expression]:
    return (_expression(match[1]) for match in _EXPRESSION.finditer(text))


def substitute(text: str, resolve: Callable[[Expression], str]) -> str:
    """The text with every expression replaced; bounded, because texts can be built from texts."""
    result: list[str] = []
    size = 0
    for piece in parse(text):
        result.append(piece if isinstance(piece, str) else resolve(piece))
        size += len(result[-1])
        if size > MAX_SUBSTITUTED:
            raise MalformedExpressionError(f"is longer than {MAX_SUBSTITUTED} characters once its expressions are replaced")
    return "".join(result)


def drop_unset_groups(text: str, is_unset: Callable[[Expression], bool]) -> str:
    """`$[[ … ]]` loses its brackets, or vanishes when an optional input in it has no value."""
    result: list[str] = []
    position = 0
    while (start := text.find(_GROUP_START, position)) >= 0:
        end = text.find(_GROUP_END, start + len(_GROUP_START))
        if end < 0:
            raise MalformedExpressionError("'$[[' is not closed by ']]'")
        group = text[start + len(_GROUP_START) : end]
        result.append(text[position:start])
        if not any(is_unset(expression) for expression in expressions_in(group)):
            result.append(group)
        position = end + len(_GROUP_END)
    return "".join([*result, text[position:]])


def _plain(text: str) -> str:
    if "${{" in text:
        start = text.index("${{")
        raise MalformedExpressionError(
            f"'{text[start : start + 40]}' is no expression: write ${{{{inputs.name}}}}, with no blanks inside the name"
        )
    return text


def _expression(inner: str) -> Expression:
    words = inner.split(".")
    kind, name, step = _classified(words)
    return Expression(kind, name, step, inner)


def _classified(words: list[str]) -> tuple[ExpressionKind, str, str]:
    match words:
        case [word] if word in _SIMPLE:
            return _SIMPLE[word], "", ""
        case [port, name] if port in _OWN and name:
            return _OWN[port], name, ""
        case ["parent", port, name] if port in _PARENT and name:
            return _PARENT[port], name, ""
        case ["parent", "jobs", step, port, name] if port in _OTHER and name:
            return _OTHER[port], name, step
    return "unknown", "", ""
