"""The expressions of `filter` (spec section 4.4), as a tree of lists that a manifest can hold.

    ["and" | "or", tree, tree]   ["not", tree]
    ["==" | "!=" | "<" | "<=" | ">" | ">=", operand, operand]
    operand: ["column", name]  ["value", text, number or truth]  ["datetime", ISO text]
             ["+" | "-" | "*" | "/" | "//" | "%", operand, operand]  ["negative", operand]

A column or value of truth is a tree, too. What is missing makes a comparison neither true nor false: `not` of it is neither,
`or` is true when the other side is, `and` is false when the left side is (not when only the right one is: so the original
does it), and a row stays only when the whole is true. Every other form is refused: no filter means something else here.
"""

from __future__ import annotations

import ast
import datetime
import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from prsd.base.mltable.words import MLTableError

Tree = list[Any]

_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
}  # fmt: skip
_ARITHMETIC: dict[type[ast.operator], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%",
}  # fmt: skip
_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_KINDS = {
    "int64": "number",
    "float64": "number",
    "bool": "truth",
    "nullable_bool": "truth",
    "string": "text",
    "datetime": "date",
}


def parse_filter(text: str) -> Tree:
    """The tree of an expression; MLTableError for what is no filter."""
    try:
        parsed = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise MLTableError(f"filter: {text!r} is not an expression: {error}") from None
    tree = _tree(parsed, text)
    if tree[0] in (*_ARITHMETIC.values(), "negative", "datetime") or (tree[0] == "value" and not isinstance(tree[1], bool)):
        raise MLTableError(f'filter: {text!r} is a value, and must be a condition such as col("a") > 2')
    return tree


def columns_of(tree: Tree) -> Iterator[str]:
    """The names of the columns that it looks at."""
    if tree[0] == "column":
        yield tree[1]
        return
    for part in tree[1:]:
        if isinstance(part, list):
            yield from columns_of(part)


def check_types(tree: Tree, dtypes: Mapping[str, str], text: str) -> None:
    """MLTableError when unknown columns or values of different kinds are compared; `dtypes` are those of a read plan."""
    _kind(tree, dtypes, text)


def holds(tree: Tree, row: Mapping[str, str | datetime.datetime | None]) -> bool | None:
    """Whether it is true for a row of texts and dates; None when that depends on something that is missing."""
    name = tree[0]
    if name in ("and", "or"):
        sides = [holds(part, row) for part in tree[1:]]
        if name == "or":
            return True if True in sides else None if None in sides else False
        return sides[0] and sides[1] if sides[0] is not None else None
    if name == "not":
        inner = holds(tree[1], row)
        return None if inner is None else not inner
    if name == "value":
        return bool(tree[1])
    left, right = (_value(part, row) for part in tree[1:])
    return None if left is None or right is None else bool(_OPERATORS[name](left, right))


def _value(tree: Tree, row: Mapping[str, str | datetime.datetime | None]) -> Any:
    if tree[0] == "column":
        return row[tree[1]]
    return datetime.datetime.fromisoformat(tree[1]) if tree[0] == "datetime" else tree[1]


def _tree(node: ast.AST, text: str) -> Tree:
    match node:
        case ast.BoolOp(op=op, values=values):
            name = "and" if isinstance(op, ast.And) else "or"
            tree = _tree(values[0], text)
            for value in values[1:]:
                tree = [name, tree, _tree(value, text)]
            return tree
        case ast.UnaryOp(op=ast.Not(), operand=inner):
            return ["not", _tree(inner, text)]
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARISONS:
            return [_COMPARISONS[type(op)], _tree(left, text), _tree(right, text)]
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return ["negative", _tree(inner, text)]
        case ast.BinOp(left=left, op=operation, right=right) if type(operation) in _ARITHMETIC:
            return [_ARITHMETIC[type(operation)], _tree(left, text), _tree(right, text)]
    return _leaf(node, text)


def _leaf(node: ast.AST, text: str) -> Tree:
    match node:
        case ast.Call(func=ast.Name(id="col"), args=[ast.Constant(value=str(name))], keywords=[]):
            return ["column", name]
        case ast.Call(func=ast.Name(id="datetime"), args=arguments, keywords=[]):
            return ["datetime", _moment(arguments, text)]
        case ast.Name(id=name):
            return ["column", name]
        case ast.Constant(value=bool() | int() | float() | str() as value):
            return ["value", value]
    raise MLTableError(
        f'filter: {_hint(node)} is not supported in {text!r}: it may hold col("name"), texts, numbers, '
        "datetime(2020, 1, 31), comparisons, and, or, not, brackets and arithmetic"
    )


def _hint(node: ast.AST) -> str:
    if isinstance(node, ast.Compare) and len(node.ops) > 1:
        return "a chain of comparisons (write a < b and b < c)"
    try:
        return repr(ast.unparse(node))
    except (ValueError, RecursionError):
        return type(node).__name__


def _moment(arguments: list[ast.expr], text: str) -> str:
    numbers = [each.value for each in arguments if isinstance(each, ast.Constant) and isinstance(each.value, int)]
    try:
        if len(numbers) < len(arguments):
            raise ValueError("it needs whole numbers")
        return datetime.datetime(*numbers).isoformat()  # type: ignore[arg-type]  # noqa: DTZ001 (tables have no zones)
    except (TypeError, ValueError) as error:
        raise MLTableError(f"filter: no such datetime in {text!r}: {error}") from None


def _kind(tree: Tree, dtypes: Mapping[str, str], text: str) -> str:
    name = tree[0]
    if name == "column":
        if tree[1] not in dtypes:
            raise MLTableError(f"filter: there is no column {tree[1]!r} in {text!r}; the columns are {', '.join(dtypes)}")
        kind = _KINDS.get(dtypes[tree[1]])
        if kind is None:
            raise MLTableError(f"filter: the column {tree[1]!r} holds values of several types and cannot be compared")
        return kind
    if name == "value":
        return {bool: "truth", str: "text"}.get(type(tree[1]), "number")
    if name == "datetime":
        return "date"
    kinds = [_kind(part, dtypes, text) for part in tree[1:]]
    if name in _ARITHMETIC.values() or name == "negative":
        _require(kinds, "number", name, text)
        return "number"
    if name in ("and", "or", "not"):
        _require(kinds, "truth", name, text)
    elif kinds[0] != kinds[1]:
        raise MLTableError(f"filter: {text!r} compares a {kinds[0]} with a {kinds[1]}, which is never true")
    return "truth"


def _require(kinds: list[str], wanted: str, name: str, text: str) -> None:
    if set(kinds) != {wanted}:
        raise MLTableError(f"filter: {name!r} in {text!r} needs a {wanted} on every side")
