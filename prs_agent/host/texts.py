"""Bytes to text, by the codecs that a read plan names, and delimited lines to fields."""

from __future__ import annotations

import codecs
from typing import Any, Iterator, List, Optional, Tuple

WHATWG_1252 = "whatwg-1252"
_LENIENT = "prs-c1-controls"
# Names of MLTable's read_delimited that Python spells differently.
_NAMES = {"iso88591": WHATWG_1252, "latin1": WHATWG_1252, "windows1252": WHATWG_1252, "utf8": "utf-8", "utf8bom": "utf-8"}


def _same_code_point(error: Any) -> Tuple[str, int]:
    return error.object[error.start : error.end].decode("latin-1"), error.end


codecs.register_error(_LENIENT, _same_code_point)


def codec_of(name: str) -> str:
    """The codec of a plan's encoding; LookupError when this interpreter has none."""
    plain = name.lower()
    plain = _NAMES.get(plain.replace(" ", "").replace("_", "").replace("-", ""), plain)
    return plain if plain == WHATWG_1252 else codecs.lookup(plain).name


def decode(data: bytes, codec: str) -> str:
    """The text; UnicodeDecodeError. Windows-1252 has five bytes without a meaning: they stay what they are in Latin-1."""
    return data.decode("cp1252", _LENIENT) if codec == WHATWG_1252 else data.decode(codec)


def split_line(line: str, delimiter: str) -> List[Tuple[str, bool]]:
    """The fields of one record without its line end, and whether each was in quotes.

    A quote opens a field only as its first character; within it two quotes are one, and what follows the closing one up to
    the delimiter belongs to the field. A quote that is never closed is plain text.
    """
    fields: List[Tuple[str, bool]] = []
    position = 0
    while True:
        quoted = _quoted_field(line, position, delimiter) if line.startswith('"', position) else None
        if quoted is not None:
            text, end = quoted
            fields.append((text, True))
        else:
            end = line.find(delimiter, position)
            end = len(line) if end < 0 else end
            fields.append((line[position:end], False))
        if end >= len(line):
            return fields
        position = end + len(delimiter)


def _quoted_field(line: str, position: int, delimiter: str) -> Optional[Tuple[str, int]]:
    """The text of a field whose quote is at `position`, and where the field ends; None when the quote is not closed."""
    closing = line.find('"', position + 1)
    while closing >= 0 and line.startswith('"', closing + 1):
        closing = line.find('"', closing + 2)
    if closing < 0:
        return None
    end = line.find(delimiter, closing + 1)
    end = len(line) if end < 0 else end
    return line[position + 1 : closing].replace('""', '"') + line[closing + 1 : end], end


def join_lines(text: str, delimiter: str) -> Iterator[str]:
    """The records of a text whose quoted fields may hold line feeds; a quote that is never closed takes the rest."""
    waiting: List[str] = []
    for line in text.split("\n"):
        is_open = is_within_quotes(line, delimiter, bool(waiting))
        waiting.append(line)
        if not is_open:
            yield "\n".join(waiting)
            waiting.clear()
    if waiting:
        yield "\n".join(waiting)


def is_within_quotes(line: str, delimiter: str, is_open: bool = False) -> bool:
    """Whether a quoted field is still open after the line; `is_open`: whether one was before it."""
    position = 0
    if not is_open:
        position = _field_with_quote(line, delimiter, 0)
    while position >= 0:
        closing = line.find('"', position)
        if closing < 0:
            return True
        if line.startswith('"', closing + 1):
            position = closing + 2
            continue
        at = line.find(delimiter, closing + 1)
        position = _field_with_quote(line, delimiter, at + len(delimiter)) if at >= 0 else -1
    return False


def _field_with_quote(line: str, delimiter: str, position: int) -> int:
    """Where the next quoted field from a field's start has its first inner character; -1 when there is none."""
    if line.startswith('"', position):
        return position + 1
    at = line.find(delimiter + '"', position)
    return at + len(delimiter) + 1 if at >= 0 else -1
