"""Two answers to one table: equal, different in a way that is kept on purpose, or wrong."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from tests.oracle.cases import ENCODINGS, Case

Answer = dict[str, Any]
Column = list[Any]


def differences(case: Case, engine: Answer, ours: Answer) -> Iterator[str]:
    """Names of kept differences; what has no name begins with "!"."""
    if "error" in ours or "error" in engine:
        yield from _errors(case, engine, ours)
        return
    if not ours["rows"] and not engine["rows"]:
        return
    if engine["columns"] != ours["columns"] or len(engine["rows"]) != len(ours["rows"]):
        yield from _shapes(case, engine, ours)
        return
    for number, name in enumerate(engine["columns"]):
        theirs, mine = ([row[number] for row in each["rows"]] for each in (engine, ours))
        if not all(map(_same, theirs, mine)):
            yield _column_difference(case, name, theirs, mine)
    if engine["parts"] and [count for count in engine["parts"] if count] != [count for count in ours["parts"] if count]:
        if _spans_lines(case):
            yield "a table with support_multi_line is cut by the size, too"
        elif case.read.get("read_delimited", {}).get("encoding", "utf8") not in ("utf8", "ascii"):
            yield "a table of another encoding than UTF-8 is cut by the size, too"
        else:
            yield f"! parts of {engine['parts']} rows there, {ours['parts']} here"


def _same(theirs: Any, mine: Any) -> bool:
    if isinstance(theirs, bool) != isinstance(mine, bool):
        return False
    if isinstance(theirs, int | float) and isinstance(mine, int | float):
        return math.isclose(theirs, mine, rel_tol=1e-12)
    return bool(theirs == mine)


def _errors(case: Case, engine: Answer, ours: Answer) -> Iterator[str]:
    if "error" in ours and "error" in engine:
        return
    if "error" in ours:
        for words, name in _REFUSED:
            if words in ours["error"]:
                yield name
                return
        yield f"! only we refuse: {ours['error']}"
        return
    for words, name in _REFUSED_THERE:
        if words in engine["error"]:
            yield name
            return
    yield f"! only the engine refuses: {engine['error'][:300]}"


_REFUSED = [
    ("needs the same header in every file", "files with other headers are refused, not read by position"),
    ("which is never true", "a filter that can never be true is refused, not empty"),
    ("needs a number on every side", "a filter that can never be true is refused, not empty"),
    ("needs a truth on every side", "a filter that can never be true is refused, not empty"),
    ("there is no column", "a filter over a column that is not there is refused, not empty"),
]
_REFUSED_THERE = [
    ("ValueCastError", "a condition on a column that has no truths at all fails there, and is refused or empty here"),
    ("NoColumns", "rows without any value in any column fail there"),
    ("list index out of range", "the engine fails over its own empty partition"),
]


def _shapes(case: Case, engine: Answer, ours: Answer) -> Iterator[str]:
    more = len(engine["rows"]) - len(ours["rows"])
    if more > 0 and _spans_lines(case) and _has_blank_lines(case):
        yield "a blank line is no row with support_multi_line, either"
    elif more > 0 and _has_blank_crlf(case):
        yield "a blank line with a carriage return is no row of nulls"
    elif more:
        yield f"! {len(engine['rows'])} rows there, {len(ours['rows'])} here"
    elif "read_json_lines" in case.read and sorted(engine["columns"]) == sorted(ours["columns"]):
        yield "columns of JSON lines have the order of the whole table, not of the rows that are left"
    else:
        yield f"! columns {engine['columns']} there, {ours['columns']} here"


def _spans_lines(case: Case) -> bool:
    return bool(case.read.get("read_delimited", {}).get("support_multi_line"))


def _has_blank_lines(case: Case) -> bool:
    encoding = ENCODINGS[case.read["read_delimited"]["encoding"]]
    texts = [content.decode(encoding) for content in case.files.values()]
    return any("\n\n" in text or text.startswith("\n") for text in texts)


def _has_blank_crlf(case: Case) -> bool:
    return any(b"\n\r\n" in content for content in case.files.values())


def _column_difference(case: Case, name: str, theirs: Column, mine: Column) -> str:
    pairs = [(one, other) for one, other in zip(theirs, mine, strict=True) if not _same(one, other)]
    for rule, words in _RULES:
        if all(rule(case, name, one, other) for one, other in pairs):
            return words
    return f"! column {name}: {pairs[:3]} (there, here)"


def _is_path(case: Case, name: str, one: Any, other: Any) -> bool:
    return name == "Path" and str(one).rpartition("/")[2] == str(other).rpartition("/")[2]


def _zero_one(case: Case, name: str, one: Any, other: Any) -> bool:
    return isinstance(one, bool) and not isinstance(other, bool) and isinstance(other, int | float) and one == other


def _text_kept(case: Case, name: str, one: Any, other: Any) -> bool:
    """A column that becomes a text: the value as it was written, not as it was inferred."""
    if not (isinstance(one, str) and isinstance(other, str)) or not _converts(case, name, "string"):
        return False
    if {one.lower(), other.lower()} <= {"true", "false"}:
        return one.lower() == other.lower()
    try:
        return float(one) == float(other)
    except ValueError:
        return one.startswith(other) and one.endswith("T00:00:00+00:00")


def _json_mixed(case: Case, name: str, one: Any, other: Any) -> bool:
    return "read_json_lines" in case.read and one is None and other is not None


def _cut_in_quotes(case: Case, name: str, one: Any, other: Any) -> bool:
    """The engine keeps the line feed before a field when it starts a part at a quoted line end."""
    return _spans_lines(case) and isinstance(one, str) and isinstance(other, str) and one.strip('\n"') == other.strip('\n"')


def _end_of_path(case: Case, name: str, one: Any, other: Any) -> bool:
    """The engine takes the leftmost match of the format in the whole path, we take the end of the path."""
    return any("extract_columns_from_partition_format" in step for step in case.steps) and name not in case.columns


def _converts(case: Case, name: str, type_: str) -> bool:
    return any(
        each["columns"] == name and each["column_type"] == type_
        for step in case.steps
        for each in step.get("convert_column_types", ())
    )


_RULES: list[tuple[Callable[[Case, str, Any, Any], bool], str]] = [
    (_is_path, "the path is that of the same file, written otherwise"),
    (_zero_one, "a column of 0 and 1 holds numbers, not truths"),
    (_text_kept, "a column that becomes a text keeps what was written"),
    (_end_of_path, "the partition format is matched against the end of the path, not at its leftmost place"),
    (_cut_in_quotes, "a record is not cut within quotes"),
    (_json_mixed, "a value of another type in JSON lines is kept, not null"),
]
