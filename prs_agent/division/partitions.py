"""partition_keys: which files share which values (spec section 4.3). Keys are columns that a path gives, or Delta Lake."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from prs_agent.division.problems import InputError


def check_keys(keys: Sequence[str], columns: Sequence[str]) -> None:
    """InputError when a key is no column that splits the input into files."""
    wrong = [key for key in keys if key not in columns]
    if not wrong:
        return
    known = (
        f"the partition columns are {', '.join(columns)}"
        if columns
        else ("the input has no partition columns: give it an MLTable with extract_columns_from_partition_format")
    )
    raise InputError(f"{wrong} are invalid partition keys; {known}")


def group(
    keys: Sequence[str], columns: Sequence[str], files: Iterable[tuple[int, Sequence[Any]]]
) -> list[tuple[dict[str, Any], list[int]]]:
    """The distinct combinations of the keys in the order of their values, each with the numbers of its files in order.

    `files` are numbers and the values of `columns`.
    """
    places = [columns.index(key) for key in keys]
    groups: dict[tuple[Any, ...], list[int]] = {}
    for number, values in files:
        groups.setdefault(tuple(values[place] for place in places), []).append(number)
    return [(dict(zip(keys, values, strict=True)), groups[values]) for values in sorted(groups, key=_order)]


def _order(values: tuple[Any, ...]) -> tuple[tuple[bool, str, Any], ...]:
    """Missing values last; values of different types side by side."""
    return tuple((value is None, type(value).__name__, value if value is not None else "") for value in values)


def key_dtypes(keys: Sequence[str], dtypes: Mapping[str, str]) -> dict[str, str]:
    """The type of each key."""
    return {key: dtypes[key] for key in keys}
