"""Records to DataFrames: two readers, one result; widening; strictness; encodings (spec sections 4.4 and 12 d)."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prs_agent.host import arrow_table, text_table
from prs_agent.host.failures import LoadError
from prs_agent.host.read_plan import ReadPlan, Table
from prs_agent.host.tables import TableReader, count_lines


def _plan(*dtypes: str, **settings: Any) -> ReadPlan:
    columns = [{"name": "abcdef"[number], "dtype": dtype} for number, dtype in enumerate(dtypes)]
    return ReadPlan.parse({"columns": columns, **settings})


def _lines(data: bytes) -> int:
    return data.count(b"\n") + (not data.endswith(b"\n"))


def _readers(data: bytes, plan: ReadPlan) -> list[Table]:
    """What each reader makes of it; pyarrow's may leave it to the other."""
    table = arrow_table.read(data, plan, _lines(data))
    return [text_table.read(data, plan)] if table is None else [table, text_table.read(data, plan)]


def _values(table: Table) -> dict[str, list[object]]:
    """Columns as lists, every spelling of "missing" as None."""
    return {
        str(name): [None if value is None or value != value else value for value in table.frame[name].tolist()]  # noqa: PLR0124
        for name in table.frame
    }


@pytest.mark.parametrize(
    ("dtype", "texts", "expected"),
    [
        ("int64", ["1", "-2"], [1, -2]),
        ("int64", ["1", ""], [1.0, None]),
        ("int64", ["1", "2.5"], [1.0, 2.5]),
        ("int64", ["1", "x"], ["1", "x"]),
        ("int64", ["1", "99999999999999999999"], [1.0, 1e20]),
        ("float64", ["1.5", ""], [1.5, None]),
        ("float64", ["1.5", "NA"], ["1.5", "NA"]),
        ("bool", ["true", "False"], [True, False]),
        ("bool", ["true", ""], [True, None]),
        ("int64", ["1", "0x1F"], ["1", "0x1F"]),
        ("bool", ["true", "2"], ["true", "2"]),
        ("string", ["x", ""], ["x", None]),
        ("string", ["NA", "null"], ["NA", "null"]),
    ],
)
def test_a_column_has_the_planned_type_or_the_next_wider_one(dtype: str, texts: list[str], expected: list[object]) -> None:
    data = "".join(f"{text},z\n" for text in texts).encode()
    for table in _readers(data, _plan(dtype, "string")):
        assert _values(table)["a"] == expected


def test_dates_are_nanoseconds_in_every_reader() -> None:
    for table in _readers(b"2020-01-31,1\n,2\n2020-01-31 10:20:30.5,3\n", _plan("datetime", "int64")):
        assert str(table.frame["a"].dtype) == "datetime64[ns]"
        assert [str(value) for value in table.frame["a"]] == ["2020-01-31 00:00:00", "NaT", "2020-01-31 10:20:30.500000"]


@pytest.mark.parametrize("text", ["2020-01-31T10", "2020-01-31 10:20", "1700-01-01", "2020-01-31 10:20:30.123456789"])
def test_iso_forms_of_dates(text: str) -> None:
    for table in _readers(text.encode() + b",1\n", _plan("datetime", "int64")):
        assert table.frame["a"].tolist() == [pd.Timestamp(text)]


@pytest.mark.parametrize("text", ["2020-01-31T10:20:30Z", "3000-01-01", "2020-02-31", "20200131", "1"])
def test_other_forms_are_text(text: str) -> None:
    for table in _readers(text.encode() + b",1\n", _plan("datetime", "int64")):
        assert table.frame["a"].tolist() == [text]


def test_a_date_of_another_form_makes_text_of_the_column() -> None:
    for table in _readers(b"2020-01-31,1\n01/02/2020,2\n", _plan("datetime", "int64")):
        assert table.frame["a"].tolist() == ["2020-01-31", "01/02/2020"]


fields = st.one_of(
    st.just(""),
    st.integers(-999, 999).map(str),
    st.floats(-1e3, 1e3).map(repr),
    st.sampled_from(["true", "False", "x", "é"]),
)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(fields, fields, fields), min_size=1, max_size=8),
    st.tuples(*[st.sampled_from(["int64", "float64", "bool", "string"])] * 3),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
def test_all_readers_agree(records: list[tuple[str, ...]], dtypes: tuple[str, ...], line_end: str, as_string: bool) -> None:
    data = "".join(",".join(record) + line_end for record in records).encode()
    tables = _readers(data, _plan(*dtypes, empty_as_string=as_string))
    reference = tables[-1]
    for table in tables[:-1]:
        assert {number: dtype for number, (dtype, _) in table.widened.items()} == {
            number: dtype for number, (dtype, _) in reference.widened.items()
        }
        for name, values in _values(table).items():
            for value, other in zip(values, _values(reference)[name], strict=True):
                is_close = isinstance(value, float) and isinstance(other, float) and math.isclose(value, other)
                assert is_close or value == other


def _read(data: bytes, plan: ReadPlan) -> tuple[dict[str, list[object]], list[str]]:
    notices: list[str] = []
    frame = TableReader(plan, notices.append).read(data, "t.csv")
    return _values(Table(frame, {})), notices


def test_ragged_lines_get_nulls_or_lose_what_is_too_much() -> None:
    values, _ = _read(b"1,2\n3\n4,5,6\n", _plan("int64", "string"))
    assert values == {"a": [1, 3, 4], "b": ["2", None, "5"]}


@pytest.mark.parametrize("data", [b"1,2\n\n3,4\n", b"\r\n1,2\r\n\r\n3,4\r\n\r\n"])
def test_a_blank_line_is_no_row(data: bytes) -> None:
    for table in _readers(data, _plan("int64", "string")):
        assert _values(table) == {"a": [1, 3], "b": ["2", "4"]}


def test_an_empty_text_in_quotes_is_no_null() -> None:
    for table in _readers(b'"",1\n,2\n', _plan("string", "int64")):
        assert _values(table)["a"] == ["", None]


def test_an_empty_last_field_without_a_line_end_is_a_null() -> None:
    for table in _readers(b'x,1\n"a,b",', _plan("string", "int64")):
        assert _values(table) == {"a": ["x", "a,b"], "b": [1.0, None]}


def test_a_quote_that_is_not_closed_is_text_and_what_follows_a_closed_one_belongs_to_the_field() -> None:
    values, _ = _read(b'1,"a,2\n2,b\n"q"r,3\n"q""r,4\n', _plan("string", "string"))
    assert values == {"a": ["1", "2", "qr", '"q""r'], "b": ['"a', "b", "3", "4"]}


def test_a_line_feed_in_quotes_ends_the_record_unless_the_plan_says_otherwise() -> None:
    data = b'"x\ny",1\n'
    assert _read(data, _plan("string", "string"))[0] == {"a": ['"x', 'y"'], "b": [None, "1"]}
    assert _read(data, _plan("string", "string", support_multi_line=True))[0] == {"a": ["x\ny"], "b": ["1"]}


def test_quotes_hide_delimiters_and_each_other() -> None:
    assert _read(b'"a,b","say ""hi"""\n', _plan("string", "string"))[0] == {"a": ["a,b"], "b": ['say "hi"']}


def test_delimiters_of_two_characters() -> None:
    assert _read(b"1||x\n2||y\n", _plan("int64", "string", delimiter="||"))[0] == {"a": [1, 2], "b": ["x", "y"]}


@pytest.mark.parametrize(
    ("name", "codec"), [("latin1", "latin-1"), ("windows1252", "cp1252"), ("utf16", "utf-16"), ("utf8", "utf-8")]
)
def test_text_is_decoded_as_the_plan_says(name: str, codec: str) -> None:
    assert _read("é,ü\n".encode(codec), _plan("string", "string", encoding=name))[0] == {"a": ["é"], "b": ["ü"]}


def test_bytes_of_another_encoding_fail_for_good_and_name_the_file() -> None:
    with pytest.raises(LoadError, match=r"t\.csv is not utf-8") as caught:
        _read(b"\xff,1\n", _plan("string", "string"))
    assert caught.value.permanent


def test_the_byte_order_mark_of_a_file_is_no_text() -> None:
    frame = TableReader(_plan("string"), lambda message: None).read(b"\xef\xbb\xbfx\n", "t.csv", is_file_start=True)
    assert frame["a"].tolist() == ["x"]


def test_a_widened_column_is_noticed_once() -> None:
    notices: list[str] = []
    reader = TableReader(_plan("int64", "int64"), notices.append)
    for data in (b"1,1\n", b"1.5,1\n", b"x,1\n"):
        reader.read(data, "t.csv")
    assert len(notices) == 1
    assert "column 'a' was inferred as int64" in notices[0]


def test_strict_types_fail_the_mini_batch_for_good() -> None:
    with pytest.raises(LoadError, match=r"column 'a' of t\.csv is int64, but holds invalid value 'x'") as caught:
        _read(b"1,1\nx,2\n", _plan("int64", "int64", strict_types=True))
    assert caught.value.permanent


def test_47_text_after_the_sample_is_kept_and_said() -> None:
    data = b"".join(b"%d,1\n" % number for number in range(200)) + b"str,1\n"
    values, notices = _read(data, _plan("int64", "int64"))
    assert values["a"][-1] == "str"
    assert len(notices) == 1


@pytest.mark.parametrize(
    "plan",
    [
        {},
        {"columns": [{"name": "a", "dtype": "complex"}]},
        {"columns": [{"name": "a", "dtype": "string"}], "encoding": "klingon"},
    ],
)
def test_a_plan_that_cannot_be_followed_is_refused(plan: dict[str, Any]) -> None:
    with pytest.raises(LoadError) as caught:
        ReadPlan.parse(plan)
    assert caught.value.permanent


@settings(deadline=None)
@given(st.lists(st.sampled_from([b"", b"\r", b"x", b"xy\r", b"\rx", b'"', b"0"]), max_size=8), st.booleans())
def test_lines_that_are_not_blank_are_counted(lines: list[bytes], ends: bool) -> None:
    data = b"\n".join(lines) + (b"\n" if ends and lines else b"")
    assert count_lines(data) == sum(line not in (b"", b"\r") for line in data.split(b"\n"))
