"""YAML text → plain data that remembers the line of every key.

Built from the parser's events instead of with `yaml.safe_load`, for four reasons: lines for messages; duplicate keys are
refused, not overwritten; aliases are expanded under a budget (a few hundred bytes can otherwise stand for gigabytes); and a
scalar is converted only if nothing is lost. `yes`, `010`, `1.10` and `2020-01-01` stay the text that was written, because a
literal ends up on a command line; whoever wants a number or a truth value reads it from the text.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from prsd.spec.located import MAX_DEPTH, MAX_NODES, LocatedList, LocatedMap, copied, well_formed
from prsd.spec.problems import InvalidPipeline, Problem, shown

MAX_TEXT_BYTES = 4 * 1024 * 1024
MAX_CHARACTERS = 2 * MAX_TEXT_BYTES

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"-?[0-9]{1,18}\.[0-9]{1,18}")
# Not after an odd number of backslashes: that would be a backslash followed by letters.
_SURROGATES = re.compile(r"(?<!\\)((?:\\\\)*+)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_TAG_PREFIX = "tag:yaml.org,2002:"
_MERGE_KEY = "<<"
# The parser written in C is ten times faster; both yield the same events.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(text: str, file: str | None) -> object:
    """The data of a text that holds exactly one document; raises InvalidPipeline where it is no acceptable YAML."""
    if len(text.encode("utf-8", "replace")) > MAX_TEXT_BYTES:
        raise InvalidPipeline([Problem("", f"is larger than {MAX_TEXT_BYTES} bytes", file)])
    builder = _Builder(file)
    try:
        for event in _events(_without_surrogate_escapes(text)):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        # A mistake at the end of the text is marked in the line after it.
        line = min(error.problem_mark.line, text.count("\n")) + 1 if error.problem_mark else None
        raise InvalidPipeline([Problem("", f"is not YAML: {error.problem or error.context}", file, line)]) from error
    except (yaml.YAMLError, ValueError) as error:
        raise InvalidPipeline([Problem("", f"is not YAML: {shown(str(error))}", file)]) from error
    if builder.problems:
        raise InvalidPipeline(builder.problems)
    return builder.root


def scalar(text: str) -> object:
    """A plain scalar as a value, if writing that value gives back the same text; else the text itself."""
    if text in _NULLS:
        return None
    if text in ("true", "false"):
        return text == "true"
    if _INTEGER.fullmatch(text) and text != "-0":
        return int(text)
    if _FLOAT.fullmatch(text) and repr(float(text)) == text:
        return float(text)
    return text


def _without_surrogate_escapes(text: str) -> str:
    """JSON writes a character outside the basic plane as two escapes, which YAML refuses: write the character instead."""
    if not text.lstrip().startswith("{"):
        return text
    return _SURROGATES.sub(lambda match: match[1] + chr(_code_point(int(match[2], 16), int(match[3], 16))), text)


def _code_point(high: int, low: int) -> int:
    return 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00)


def _events(text: str) -> Iterator[Any]:
    return iter(yaml.parse(text, Loader=_LOADER))


@dataclass(slots=True)
class _Anchored:
    """A finished value that aliases may repeat, with what one repetition costs."""

    value: object
    nodes: int
    characters: int
    depth: int


@dataclass(slots=True)
class _Frame:
    """A container under construction."""

    container: LocatedMap | LocatedList
    anchor: str | None
    nodes_before: int
    characters_before: int
    key: str | None = None
    key_line: int = 0
    deepest: int = 1
    merged: list[object] = field(default_factory=list)
    merge_line: int = 0


class _Builder:
    """Takes parser events one by one; keeps its own stack, so that deep nesting cannot exhaust the interpreter's."""

    def __init__(self, file: str | None) -> None:
        self.root: object = None
        self.problems: list[Problem] = []
        self._file = file
        self._stack: list[_Frame] = []
        self._anchors: dict[str, _Anchored] = {}
        self._nodes = 0
        self._characters = 0
        self._documents = 0

    def take(self, event: Any) -> None:
        line = event.start_mark.line + 1
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                self._refuse("holds more than one YAML document", line)
        elif isinstance(event, yaml.ScalarEvent):
            self._scalar(event, line)
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event, line)
        elif isinstance(event, yaml.MappingStartEvent):
            self._open(LocatedMap(self._file), event, line)
        elif isinstance(event, yaml.SequenceStartEvent):
            self._open(LocatedList(self._file), event, line)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._close(line)

    def _refuse(self, message: str, line: int) -> None:
        """End here: what follows cannot be trusted, or would cost too much."""
        raise InvalidPipeline([*self.problems, Problem("", message, self._file, line)])

    def _spend(self, nodes: int, characters: int, line: int) -> None:
        self._nodes += nodes
        self._characters += characters
        if self._nodes > MAX_NODES or self._characters > MAX_CHARACTERS:
            self._refuse(f"is too large once its aliases are expanded (at most {MAX_NODES} values)", line)

    def _scalar(self, event: Any, line: int) -> None:
        text = well_formed(event.value)
        self._spend(1, len(text), line)
        is_key = self._awaits_key()
        value = text if is_key and event.tag is None else self._resolved(event, text, line)
        if event.anchor:
            self._anchors[event.anchor] = _Anchored(value, 1, len(text), 0)
        if is_key:
            self._take_key(text, line)
        else:
            self._put(value, line)

    def _resolved(self, event: Any, text: str, line: int) -> object:
        if event.tag in (None, "!"):
            return scalar(text) if event.implicit[0] else text
        kind = str(event.tag).removeprefix(_TAG_PREFIX)
        if kind not in {"str", "int", "float", "bool", "null"}:
            self.problems.append(Problem("", f"the tag {shown(str(event.tag))} is not supported", self._file, line))
        return text if kind == "str" else scalar(text)

    def _alias(self, event: Any, line: int) -> None:
        anchored = self._anchors.get(event.anchor)
        if anchored is None:
            self._refuse(f"the alias *{event.anchor} names no anchor that ends before it", line)
            return
        self._spend(anchored.nodes, anchored.characters, line)
        self._check_depth(len(self._stack) + anchored.depth, line)
        if self._awaits_key():
            if not isinstance(anchored.value, str):
                self._refuse("a key must be a text", line)
            self._take_key(str(anchored.value), line)
            return
        self._deepen(anchored.depth)
        self._put(copied(anchored.value), line)

    def _open(self, container: LocatedMap | LocatedList, event: Any, line: int) -> None:
        if self._awaits_key():
            self._refuse("a key must be a text, not a list or a mapping", line)
        if event.tag not in (None, "!", _TAG_PREFIX + "map", _TAG_PREFIX + "seq"):
            self.problems.append(Problem("", f"the tag {shown(str(event.tag))} is not supported", self._file, line))
        frame = _Frame(container, event.anchor, self._nodes, self._characters)
        self._spend(1, 0, line)
        self._check_depth(len(self._stack) + 1, line)
        self._put(container, line)
        self._stack.append(frame)

    def _close(self, line: int) -> None:
        frame = self._stack.pop()
        self._merge(frame)
        if frame.anchor:
            nodes, characters = self._nodes - frame.nodes_before, self._characters - frame.characters_before
            self._anchors[frame.anchor] = _Anchored(frame.container, nodes, characters, frame.deepest)
        self._deepen(frame.deepest)

    def _deepen(self, depth: int) -> None:
        if self._stack:
            self._stack[-1].deepest = max(self._stack[-1].deepest, depth + 1)

    def _check_depth(self, depth: int, line: int) -> None:
        if depth > MAX_DEPTH:
            self._refuse(f"is nested deeper than {MAX_DEPTH} levels", line)

    def _awaits_key(self) -> bool:
        return bool(self._stack) and isinstance(self._stack[-1].container, LocatedMap) and self._stack[-1].key is None

    def _take_key(self, key: str, line: int) -> None:
        frame = self._stack[-1]
        frame.key, frame.key_line = key, line
        container = frame.container
        if isinstance(container, LocatedMap) and key in container:
            first = container.lines.get(key)
            self.problems.append(Problem(key, f"duplicate key, first written in line {first}", self._file, line))

    def _put(self, value: object, line: int) -> None:
        if not self._stack:
            self.root = value
            return
        frame = self._stack[-1]
        container = frame.container
        if isinstance(container, LocatedList):
            container.append(value)
            container.lines.append(line)
            return
        key, frame.key = frame.key or "", None
        if key == _MERGE_KEY:
            frame.merged.extend(value if isinstance(value, list) else [value])
            frame.merge_line = frame.key_line
            return
        container[key] = value
        container.lines[key] = frame.key_line

    def _merge(self, frame: _Frame) -> None:
        """`<<: *defaults`: what the mapping says itself wins, then the earlier of several merged mappings."""
        container = frame.container
        for other in frame.merged:
            if not isinstance(other, LocatedMap) or not isinstance(container, LocatedMap):
                self._refuse("'<<' must be given a mapping or a list of mappings", frame.merge_line)
                return
            for key, value in other.items():
                if key not in container:
                    container[key] = value
                    container.lines[key] = other.lines.get(key, frame.merge_line)
