"""Returned rows as payloads (spec section 5.1, statements 81 to 83)."""

from __future__ import annotations

import datetime
import io
import json
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from prs_agent.host import rows
from prs_agent.host.failures import RowsError, StartError
from prs_agent.host.frames import Append


def _encode(returned: Any, folder: Path = Path("/nowhere"), notices: list[str] | None = None, **append: Any) -> bytes:
    heard: list[str] = [] if notices is None else notices
    encoder = rows.make_encoder(Append(enabled=True, **append), str(folder), heard.append)
    assert encoder is not None
    return encoder(returned)


def _text(returned: Any) -> str:
    payload = _encode(returned)
    assert payload[:1] == rows.TEXT
    return payload[1:].decode()


def _parts(payload: bytes) -> tuple[bytes, bytes, str]:
    """(kind, what the length says, rows)."""
    (size,) = struct.unpack_from("<I", payload, 1)
    return payload[:1], payload[5 : 5 + size], payload[5 + size :].decode()


def test_rows_that_are_only_counted_need_no_encoder() -> None:
    assert rows.make_encoder(Append(enabled=False), "/nowhere", print) is None


@pytest.mark.parametrize(
    ("element", "line"),
    [
        ("text", "text"),
        (3, "3"),
        (1.5, "1.5"),
        (None, "None"),
        (True, "True"),
        ({"k": 1}, "{'k': 1}"),
        (("f", 3), "('f', 3)"),
        (["f", 3], "['f', 3]"),
        (b"x", "b'x'"),
        (np.float64(1.5), "1.5"),
        (datetime.date(2020, 1, 31), "2020-01-31"),
        ("é", "é"),
        ("", ""),
    ],
    ids=repr,
)
def test_81_a_line_of_text_for_each_element(element: object, line: str) -> None:
    assert _text([element, element]) == f"{line}\n{line}\n"


def test_81_elements_of_any_sequence_in_order() -> None:
    assert _text(("a", 1, None)) == "a\n1\nNone\n"
    assert _text(pd.Series([1, 2])) == "1\n2\n"
    assert _text(np.array([[1, 2], [3, 4]])) == "[1 2]\n[3 4]\n"


def test_an_element_with_a_line_feed_is_written_as_it_is_and_noticed() -> None:
    notices: list[str] = []
    assert _encode(["a\nb"], notices=notices) == rows.TEXT + b"a\nb\n"
    assert len(notices) == 1


def test_undecodable_file_names_are_escaped() -> None:
    assert _text([os.fsdecode(b"caf\xe9")]) == "caf\\udce9\n"


FRAME = pd.DataFrame(
    {"n": [1, 2], "s": ["x y", 'q"t'], "f": [1.5, None], "d": pd.to_datetime(["2020-01-01"] * 2), "l": ["l1\nl2", ""]}
)


def test_82_a_dataframe_is_blank_separated_without_header_and_index_minimally_quoted() -> None:
    assert _text(FRAME) == '1 "x y" 1.5 2020-01-01 "l1\nl2"\n2 "q""t"  2020-01-01 \n'


def _settings(folder: Path, to_csv: object) -> Path:
    content = to_csv if isinstance(to_csv, str) else json.dumps({"append_row": {"pandas.DataFrame.to_csv": to_csv}})
    (folder / rows.SETTINGS_FILE).write_text(content)
    return folder


def test_83_the_settings_file_gives_the_arguments_of_to_csv(tmp_path: Path) -> None:
    payload = _encode(pd.DataFrame({"a": [1], "b": ["x"]}), _settings(tmp_path, {"sep": ",", "index": True}))
    assert payload == rows.TEXT + b"0,1,x\n"


def test_83_a_header_travels_apart_from_the_rows(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [1], "b b": ["x"]})
    assert _parts(_encode(frame, dataframe_header=True)) == (rows.TEXT_WITH_HEADER, b'a "b b"\n', "1 x\n")
    folder = _settings(tmp_path, {"sep": ",", "index": True, "header": True})
    assert _parts(_encode(frame, folder)) == (rows.TEXT_WITH_HEADER, b",a,b b\n", "0,1,x\n")
    folder = _settings(tmp_path, {"header": ["p", "q"]})
    assert _parts(_encode(frame, folder)) == (rows.TEXT_WITH_HEADER, b"p q\n", "1 x\n")


def test_the_header_option_leaves_lists_alone() -> None:
    assert _encode(["a"], dataframe_header=True) == rows.TEXT + b"a\n"


def test_the_old_name_of_an_argument_is_understood(tmp_path: Path) -> None:
    assert _encode(pd.DataFrame({"a": [1]}), _settings(tmp_path, {"line_terminator": "|\n"})) == rows.TEXT + b"1|\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot read parallel_run_step.settings.json"),
        ("[]", "must have the form"),
        ('{"append_row": {"pandas.DataFrame.to_csv": 3}}', "must have the form"),
        ({"seperator": ","}, "to_csv has no argument 'seperator'"),
        ({"path_or_buf": "x"}, "'path_or_buf' cannot be set"),
    ],
)
def test_a_wrong_settings_file_stops_the_start(tmp_path: Path, content: object, message: str) -> None:
    with pytest.raises(StartError, match=message) as caught:
        _encode([], _settings(tmp_path, content))
    assert caught.value.permanent


def test_settings_without_the_key_change_nothing(tmp_path: Path) -> None:
    assert _encode(pd.DataFrame({"a": [1], "b": [2]}), _settings(tmp_path, "{}")) == rows.TEXT + b"1 2\n"


def test_what_to_csv_refuses_is_the_mini_batch_s_failure(tmp_path: Path) -> None:
    with pytest.raises(RowsError, match=r"DataFrame\.to_csv"):
        _encode(pd.DataFrame({"a": [1]}), _settings(tmp_path, {"sep": "||"}))


def test_csv_keeps_names_and_loses_nothing() -> None:
    kind, columns, text = _parts(_encode(FRAME, format="csv"))
    assert (kind, json.loads(columns)) == (rows.CSV, ["n", "s", "f", "d", "l"])
    assert text == '1,x y,1.5,2020-01-01 00:00:00,"l1\nl2"\n2,"q""t",,2020-01-01 00:00:00,\n'


def test_dicts_become_columns_and_other_elements_one_column() -> None:
    kind, columns, text = _parts(_encode([{"a": 1}, {"b": "x,y", "a": 2}], format="csv"))
    assert (kind, json.loads(columns), text) == (rows.CSV, ["a", "b"], '1,\n2,"x,y"\n')
    kind, columns, text = _parts(_encode([1, {"a": 1}], format="csv"))
    assert (kind, json.loads(columns), text) == (rows.CSV, ["value"], "1\n{'a': 1}\n")


def test_json_lines_hold_what_json_can() -> None:
    elements = [
        {"a": float("nan"), "t": (1, 2)},
        "é",
        np.int64(3),
        {"d": datetime.date(2020, 1, 31), "arr": np.array([1.5])},
    ]
    kind, columns, text = _parts(_encode(elements, format="jsonl"))
    assert (kind, columns) == (rows.JSONL, b"[]")
    assert [json.loads(line) for line in text.splitlines()] == [
        {"a": None, "t": [1, 2]},
        {"value": "é"},
        {"value": 3},
        {"d": "2020-01-31", "arr": [1.5]},
    ]


def test_json_lines_of_a_dataframe_keep_every_digit() -> None:
    kind, columns, text = _parts(_encode(pd.DataFrame({"x": [0.1 + 0.2, None], "y": ["a", "b"]}), format="jsonl"))
    assert (kind, json.loads(columns)) == (rows.JSONL, ["x", "y"])
    assert text == '{"x": 0.30000000000000004, "y": "a"}\n{"x": null, "y": "b"}\n'


@pytest.mark.parametrize("returned", [pd.DataFrame({"a": [1, 2]}), [{"a": 1}, {"a": 2}]], ids=["DataFrame", "dicts"])
def test_parquet_files(returned: object) -> None:
    payload = _encode(returned, format="parquet")
    assert payload[:1] == rows.PARQUET
    assert pq.read_table(io.BytesIO(payload[1:])).to_pydict() == {"a": [1, 2]}


def test_parquet_refuses_a_column_of_mixed_types() -> None:
    with pytest.raises(RowsError, match="cannot be written as parquet"):
        _encode([1, "x"], format="parquet")


def test_columns_of_one_name_are_refused() -> None:
    with pytest.raises(RowsError, match="two columns of one name"):
        _encode(pd.DataFrame([[1, 2]], columns=["a", "a"]), format="csv")


def test_a_format_that_this_host_does_not_know_is_refused() -> None:
    with pytest.raises(StartError, match="'orc'"):
        _encode([], format="orc")
