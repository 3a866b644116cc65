"""The rows that `run()` returned, as the bytes that the agent appends (spec section 5.1).

A payload is one byte for its kind, then:

    TEXT              rows as they are, each ends in a line feed
    TEXT_WITH_HEADER  u32 length of the header line, the header line, rows
    CSV, JSONL        u32 length, JSON list of column names (JSONL of non-DataFrames: empty), rows without header
    PARQUET           a parquet file

u32 is little-endian. A mini-batch that returned nothing has no payload at all.
"""

from __future__ import annotations

import inspect
import json
import os
import struct
from importlib import import_module
from typing import Any, Callable, Dict, List, Optional, Tuple

from . import row_formats
from .failures import RowsError, StartError
from .frames import Append
from .returns import is_dataframe

TEXT, TEXT_WITH_HEADER, CSV, JSONL, PARQUET = (bytes([kind]) for kind in range(5))
SETTINGS_FILE = "parallel_run_step.settings.json"

Encode = Callable[[Any], bytes]
_LENGTH = struct.Struct("<I")
_OURS = {
    "path_or_buf": "the rows go to the step's output",
    "mode": "rows are always appended",
    "compression": "rows are text",
}


def make_encoder(append: Append, code_root: str, notice: Callable[[str], None]) -> Optional[Encode]:
    """What turns a non-empty return value into its payload; None when rows are only counted.

    The encoder raises RowsError for what the format cannot hold, and whatever str() of an element raises. StartError when
    the settings file in the code is wrong, or the interpreter lacks what the format needs.
    """
    if not append.enabled:
        return None
    settings = {**append.to_csv, **read_settings(code_root)}
    if append.format == "text":
        return _TextRows(settings, append.dataframe_header, notice).encode
    if settings:
        notice("%s is not used: it is for --append_row_format text, not %s" % (SETTINGS_FILE, append.format))
    if append.format == "csv":
        return _encode_csv
    if append.format == "jsonl":
        return _encode_jsonl
    if append.format == "parquet":
        _require_pyarrow()
        return _encode_parquet
    raise StartError("start", "this host does not know the row format %r" % append.format, permanent=True)


def read_settings(code_root: str) -> Dict[str, Any]:
    """Keyword arguments of DataFrame.to_csv out of the code's settings file; StartError when it is not right."""
    path = os.path.join(code_root, SETTINGS_FILE)
    try:
        with open(path, encoding="utf-8-sig") as file:
            settings = json.load(file)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise StartError("start", "cannot read %s: %s" % (SETTINGS_FILE, error), permanent=True) from error
    found = settings
    for key in ("append_row", "pandas.DataFrame.to_csv"):
        found = found.get(key, {}) if isinstance(found, dict) else None
    if not isinstance(found, dict):
        form = '{"append_row": {"pandas.DataFrame.to_csv": {"sep": ","}}}'
        raise StartError("start", "%s must have the form %s" % (SETTINGS_FILE, form), permanent=True)
    return found


class _TextRows:
    """The default format: a line of str(element), or DataFrame.to_csv with blanks between."""

    def __init__(self, settings: Dict[str, Any], with_header: bool, notice: Callable[[str], None]) -> None:
        self._notice = notice
        chosen = _checked(settings) if settings else {}
        header = chosen.pop("header", False)
        self._header: Any = header if isinstance(header, list) else bool(header) or with_header
        self._codec = chosen.pop("encoding", None) or "utf-8"
        self._to_csv = {"sep": " ", "index": False, **chosen}

    def encode(self, returned: Any) -> bytes:
        if is_dataframe(returned):
            return self._encode_frame(returned)
        texts = [str(element) for element in returned]
        text = "\n".join(texts) + "\n"
        if text.count("\n") != len(texts):
            self._notice("an element that run() returned holds a line feed: it takes more than one line of the output")
        return TEXT + _to_bytes(text, "utf-8")

    def _encode_frame(self, frame: Any) -> bytes:
        try:
            rows = _to_bytes(frame.to_csv(header=False, **self._to_csv), self._codec)
            if self._header is False:
                return TEXT + rows
            header = _to_bytes(frame.iloc[:0].to_csv(header=self._header, **self._to_csv), self._codec)
        except (TypeError, ValueError, KeyError, LookupError) as error:
            raise RowsError("DataFrame.to_csv: %s: %s" % (type(error).__name__, error)) from error
        return TEXT_WITH_HEADER + _LENGTH.pack(len(header)) + header + rows


def _checked(settings: Dict[str, Any]) -> Dict[str, Any]:
    """The settings as this pandas knows them; StartError for names that it does not."""
    for name in sorted(set(settings) & set(_OURS)):
        raise StartError("start", "%s: %r cannot be set: %s" % (SETTINGS_FILE, name, _OURS[name]), permanent=True)
    try:
        known = inspect.signature(import_module("pandas").DataFrame.to_csv).parameters
    except ImportError:
        return dict(settings)  # then run() cannot return a DataFrame either
    chosen = dict(settings)
    for old, new in (("line_terminator", "lineterminator"), ("lineterminator", "line_terminator")):
        if old in chosen and old not in known and new in known:
            chosen[new] = chosen.pop(old)
    unknown = sorted(set(chosen) - set(known))
    if unknown:
        names = ", ".join(repr(name) for name in unknown)
        raise StartError("start", "%s: pandas.DataFrame.to_csv has no argument %s" % (SETTINGS_FILE, names), permanent=True)
    return chosen


def _to_bytes(text: str, codec: str) -> bytes:
    # Lone surrogates come from undecodable file names; a readable escape is better than a failed mini-batch.
    return text.encode(codec, "backslashreplace")


def _with_columns(kind: bytes, columns: List[str], rows: str) -> bytes:
    names = json.dumps(columns).encode("ascii")
    return kind + _LENGTH.pack(len(names)) + names + _to_bytes(rows, "utf-8")


def _columns_and_records(returned: Any) -> Tuple[List[str], List[List[Any]]]:
    if is_dataframe(returned):
        return row_formats.of_dataframe(returned)
    return row_formats.of_elements(returned)


def _encode_csv(returned: Any) -> bytes:
    columns, records = _columns_and_records(returned)
    return _with_columns(CSV, columns, row_formats.to_csv(records))


def _encode_jsonl(returned: Any) -> bytes:
    if is_dataframe(returned):
        columns, records = row_formats.of_dataframe(returned)
        named = (dict(zip(columns, record)) for record in records)  # noqa: B905
        return _with_columns(JSONL, columns, row_formats.to_jsonl(named))
    objects = (element if isinstance(element, dict) else {row_formats.VALUE: element} for element in returned)
    return _with_columns(JSONL, [], row_formats.to_jsonl(objects))


def _encode_parquet(returned: Any) -> bytes:
    return PARQUET + row_formats.to_parquet(returned)


def _require_pyarrow() -> None:
    try:
        import_module("pyarrow.parquet")
    except ImportError as error:
        message = "--append_row_format parquet needs pyarrow in the environment of the entry script: %s" % error
        raise StartError("start", message, permanent=True) from error
