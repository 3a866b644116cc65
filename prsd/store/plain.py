"""Frozen dataclasses ⇄ plain JSON values, by the types of their fields.

A dataclass becomes an object with all its fields (a default that changes later must not change what was recorded), a tuple a
list, an Enum its value. Reading is strict: a name that is not a field, a missing field without a default, a value of another
type raise ValueError. So a field may be added with a default, and what an older version wrote can still be read.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from enum import Enum
from functools import cache
from operator import attrgetter
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")
Reader = Callable[[Any], Any]
Writer = Callable[[Any], Any]


def to_plain(value: object) -> Any:
    """What `json.dumps` can write; TypeError for a value that has no plain form."""
    kind: Any = type(value)
    return _writer(kind)(value)


@cache
def _writer(kind: type) -> Writer:
    """How values of exactly this type are written: looked up once for each type, not for each value."""
    if issubclass(kind, Enum):
        return attrgetter("value")
    if issubclass(kind, str | int | float):
        return _as_it_is
    if issubclass(kind, tuple):
        return lambda value: [to_plain(each) for each in value]
    if dataclasses.is_dataclass(kind):
        names = [field.name for field in dataclasses.fields(kind)]
        return lambda value: {name: to_plain(getattr(value, name)) for name in names}
    raise TypeError(f"a {kind.__name__} has no plain form")


def _as_it_is(value: Any) -> Any:
    return value


def from_plain(kind: type[T], value: object) -> T:
    """The dataclass that `to_plain` was given; ValueError when the value cannot be one."""
    reader: Callable[[object], T] = _reader(cast(Any, kind))
    return reader(value)


@cache
def _reader(hint: Any) -> Reader:
    if hint is float:
        return _read_number
    if hint in (int, str, bool):
        return _exactly(hint)
    if get_origin(hint) is tuple:
        return _sequence_reader(_reader(get_args(hint)[0]))
    if issubclass(hint, Enum):
        return cast(Reader, hint)
    if issubclass(hint, tuple):
        return _named_tuple_reader(hint)
    return _dataclass_reader(hint)


def _read_number(value: Any) -> float:
    if type(value) not in (int, float):
        raise ValueError(f"{value!r} is no number")
    return float(value)


def _exactly(kind: type) -> Reader:
    """`type(…) is`, not isinstance: a bool is no int here."""

    def read(value: Any) -> Any:
        if type(value) is not kind:
            raise ValueError(f"{value!r} is no {kind.__name__}")
        return value

    return read


_list = _exactly(list)
_dict = _exactly(dict)


def _sequence_reader(element: Reader) -> Reader:
    return lambda value: tuple(map(element, _list(value)))


def _named_tuple_reader(kind: Any) -> Reader:
    readers = [_reader(hint) for hint in get_type_hints(kind).values()]
    return lambda value: kind(*(read(each) for read, each in zip(readers, _list(value), strict=True)))


def _dataclass_reader(kind: Any) -> Reader:
    hints = get_type_hints(kind)
    readers = {field.name: _reader(hints[field.name]) for field in dataclasses.fields(kind)}
    required = {
        field.name
        for field in dataclasses.fields(kind)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }

    def read(value: object) -> Any:
        plain = _dict(value)
        if wrong := plain.keys() - readers.keys():
            raise ValueError(f"{kind.__name__} has no field {sorted(wrong)[0]!r}")
        if missing := required - plain.keys():
            raise ValueError(f"{kind.__name__} lacks {sorted(missing)[0]!r}")
        return kind(**{name: readers[name](each) for name, each in plain.items()})

    return read
