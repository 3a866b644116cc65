"""Statements 40, 41, 45 and 46, and every other transformation: what division plans and the host's reader then gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from prs_agent.division.problems import InputError, MLTableError
from prs_agent.host.table_part import TablePart
from tests.unit.division.writing import Divided, run_division, write_table

NUMBERS = "n,t\n" + "".join(f"{number},{'xyz'[number % 3]}\n" for number in range(30))
SIZES: list[dict[str, Any]] = [
    {},
    {"unit": "bytes", "size": 25},
    {"unit": "rows", "size": 7},
]


def divide(tmp_path: Path, transformations: str, files: dict[str, bytes | str] | None = None, **division: Any) -> Divided:
    """`transformations` are lines of YAML that follow read_delimited, unless they read themselves."""
    reads = "read_" in transformations
    steps = transformations if reads else f"read_delimited\n{transformations}"
    read = "\n".join("  - " + line for line in steps.strip().splitlines()).removeprefix("  - ")
    table = write_table(tmp_path / "in", files or {"a.csv": NUMBERS}, read)
    return run_division(table, tmp_path / "step", type="mltable", **division)


def parts_of(divided: Divided, root: Path) -> list[tuple[TablePart, int]]:
    opened = [(TablePart(part, str(root / "in"), False, lambda message: None), part) for part in divided.parts]
    return [(table, index) for table, part in opened for index in range(part.first, part.first + part.count)]


def frames(divided: Divided, root: Path) -> list[Any]:
    """What the workers get, mini-batch by mini-batch, without empty ones."""
    return [frame for table, index in parts_of(divided, root) if (frame := table.load(index)) is not None]


def whole(tmp_path: Path, transformations: str, files: dict[str, bytes | str] | None = None, **division: Any) -> Any:
    return pd.concat(frames(divide(tmp_path, transformations, files, **division), tmp_path), ignore_index=True)


def values(column: Any) -> list[object]:
    """A column as a list, every spelling of "missing" as None."""
    return [None if value is None or value != value else value for value in column.tolist()]  # noqa: PLR0124


@pytest.mark.parametrize("division", SIZES)
@pytest.mark.parametrize(
    ("transformations", "expected"),
    [
        ("skip: 10\ntake: 20", range(10, 30)),
        ("skip: 3\ntake: 5", range(3, 8)),
        ("take: 15\nskip: 10", range(10, 15)),
        ("take: 5\nskip: 10", []),
        ("take: 0", []),
        ("filter: 'col(\"n\") > 3'\nskip: 2\ntake: 4", range(6, 10)),
        ("take: 20\nfilter: 'n % 2 == 1'\nskip: 1\ntake: 3", [3, 5, 7]),
        ("filter: 'n >= 10'\ntake: 5\nfilter: 'n % 2 == 0'\nskip: 1", [12, 14]),
    ],
)
def test_45_skip_and_take_are_of_the_whole_table(
    tmp_path: Path, transformations: str, expected: Any, division: dict[str, Any]
) -> None:
    files: dict[str, bytes | str] = {
        "a.csv": "n\n" + "".join(f"{number}\n" for number in range(12)),
        "b.csv": "n\n" + "".join(f"{number}\n" for number in range(12, 40)),
    }
    found = frames(divide(tmp_path, transformations, files, **division), tmp_path)
    assert [n for frame in found for n in frame["n"]] == list(expected)


def test_45_parts_are_cut_before_rows_are_skipped_and_taken(tmp_path: Path) -> None:
    rows = "n\n" + "".join(f"{number:03}\n" for number in range(50))  # parts of 25 rows
    found = frames(divide(tmp_path, "skip: 10\ntake: 20", {"a.csv": rows}, unit="bytes", size=102), tmp_path)
    assert [frame["n"].tolist() for frame in found] == [list(range(10, 26)), list(range(26, 30))]


@pytest.mark.parametrize("division", SIZES)
@pytest.mark.parametrize(
    ("filter_", "expected"),
    [
        ('col("a") > 90', [1, 2, 3]),
        ("a > 90 and b == 'x'", [3]),
        ('not (col("a") > 90)', [0]),
        ('col("b") != "x"', [1]),
        ('not col("b") == "x"', [1]),
        ('col("d") < 2 or col("d") > 2', [0, 2, 3]),
        ('col("b") == "y" or col("d") > 2', [1, 2, 3]),
        ('col("c") > datetime(2021, 1, 1)', [1, 2]),
        ('col("a") > col("d")', [2, 3]),
        ('-col("a") < -99', [3]),
        ('col("a") // 2 == 47 or col("a") % 100 == 0', [1, 3]),
        ('col("t")', [0, 2]),
        ('not col("t")', [1]),
        ("t == False", [1]),
        ("not (t and a == 1)", [1, 2]),
        ("not (t and a == 2)", [0, 1, 2]),
        ("not (a == 2 and t)", [0, 1, 2, 3]),
        ("not (t or a == 2)", [1]),
        ("t or a == 100", [0, 2, 3]),
        ("True", [0, 1, 2, 3]),
        ("'x' == b", [0, 3]),
    ],
)
def test_46_only_the_rows_of_a_filter_arrive(
    tmp_path: Path, filter_: str, expected: list[int], division: dict[str, Any]
) -> None:
    text = "k,a,b,c,d,t\n0,1,x,2020-01-01,1.5,true\n1,95,y,2021-02-03,,false\n2,91,,2022-01-01,2.5,true\n3,100,x,,3.5,\n"
    quoted = filter_.replace("'", "''")
    found = frames(divide(tmp_path, f"filter: '{quoted}'", {"a.csv": text}, **division), tmp_path)
    assert [k for frame in found for k in frame["k"]] == expected


@pytest.mark.parametrize(
    ("filter_", "message"),
    [
        ('col("z") > 1', "there is no column 'z'"),
        ('col("n") == "1"', "compares a number with a text"),
        ('col("t") > datetime(2020, 1, 1)', "compares a text with a date"),
        ('col("n") and col("t") == "x"', "needs a truth on every side"),
        ('col("t") + 1 > 2', "needs a number on every side"),
    ],
)
def test_a_filter_that_can_never_be_true_is_refused(tmp_path: Path, filter_: str, message: str) -> None:
    with pytest.raises(MLTableError, match=message):
        divide(tmp_path, f"filter: '{filter_}'")


@pytest.mark.parametrize(
    ("transformations", "columns"),
    [
        ("drop_columns: a1", ["A2", "b", "xa"]),
        ("drop_columns: [a1, b]", ["A2", "xa"]),
        ("drop_columns: {pattern: a}", ["A2", "b", "xa"]),
        ("drop_columns: {pattern: a, ignore_case: true}", ["b", "xa"]),
        ("drop_columns: {pattern: a, invert: true}", ["a1"]),
        ("keep_columns: [xa, a1]", ["a1", "xa"]),
        ("keep_columns: {pattern: '.*a'}", ["a1", "xa"]),
    ],
)
def test_columns_that_are_dropped_or_kept(tmp_path: Path, transformations: str, columns: list[str]) -> None:
    assert list(whole(tmp_path, transformations, {"a.csv": "a1,A2,b,xa\n1,2,3,4\n"})) == columns


def test_a_column_that_is_not_there_is_noticed_and_no_column_at_all_is_refused(tmp_path: Path) -> None:
    assert divide(tmp_path / "1", "drop_columns: [t, z]").notices == [
        "drop_columns names the column 'z', which the table does not have"
    ]
    with pytest.raises(MLTableError, match="keep_columns leaves no column; the table has the columns n, t"):
        divide(tmp_path / "2", "keep_columns: z")


TABLE = "i,f,b,s,d,c\n1,1.5,true,10,2020-01-01,007\n0,2.0,false,x,2021-05-06 10:20:30,20210506\n,,,,,\n"


@pytest.mark.parametrize(
    ("column", "type_", "expected"),
    [
        ("f", "int", [1, 2, None]),
        ("b", "int", [None, None, None]),
        ("s", "int", [10, None, None]),
        ("d", "int", [None, None, None]),
        ("i", "float", [1.0, 0.0, None]),
        ("s", "float", [10.0, None, None]),
        ("i", "string", ["1", "0", None]),
        ("f", "string", ["1.5", "2.0", None]),
        ("c", "string", ["007", "20210506", None]),
        ("d", "string", ["2020-01-01", "2021-05-06 10:20:30", None]),
        ("i", "boolean", [True, False, None]),
        ("f", "boolean", [True, True, None]),
        ("b", "boolean", [True, False, None]),
        ("s", "boolean", [None, None, None]),
        ("s", "{boolean: {true_values: ['10'], false_values: [y], mismatch_as: error}}", [True, None, None]),
        ("s", "{boolean: {true_values: ['10'], false_values: [y], mismatch_as: 'true'}}", [True, True, None]),
        ("s", "{boolean: {true_values: ['y'], false_values: [x], mismatch_as: 'false'}}", [False, False, None]),
        ("c", "{datetime: {formats: ['%d/%m/%Y', '%Y%m%d']}}", [None, pd.Timestamp("2021-05-06"), None]),
        ("d", "{datetime: {formats: '%Y%m%d'}}", [pd.Timestamp("2020-01-01"), pd.Timestamp("2021-05-06 10:20:30"), None]),
    ],
)
def test_conversions(tmp_path: Path, column: str, type_: str, expected: list[object]) -> None:
    made = whole(tmp_path, f"convert_column_types: [{{columns: {column}, column_type: {type_}}}]", {"a.csv": TABLE})
    assert values(made[column]) == expected
    assert list(made) == ["i", "f", "b", "s", "d", "c"]


def test_a_text_that_a_filter_has_used_as_a_number_becomes_the_text_of_that_number(tmp_path: Path) -> None:
    steps = "filter: 'c > 1'\nconvert_column_types: [{columns: [c, f, b], column_type: string}]"
    made = whole(tmp_path, steps, {"a.csv": TABLE.replace("\n,,,,,", "")})
    assert made["c"].tolist() == ["7", "20210506"]
    assert made["f"].tolist() == ["1.5", "2.0"]


def test_a_sample_is_the_same_at_every_attempt_and_about_as_large_as_asked(tmp_path: Path) -> None:
    rows = "n\n" + "".join(f"{number}\n" for number in range(2000))
    divided = divide(tmp_path, "take_random_sample: {probability: 0.2, seed: 3}", {"a.csv": rows}, unit="rows", size=100)
    first = [frame["n"].tolist() for frame in frames(divided, tmp_path)]
    assert first == [frame["n"].tolist() for frame in frames(divided, tmp_path)]
    assert 300 < sum(map(len, first)) < 500
    assert len({tuple(n % 100 for n in sample) for sample in first}) > 15
    for probability, count in ((0, 0), (1, 2000)):
        step = f"take_random_sample: {{probability: {probability}, seed: 3}}"
        assert sum(map(len, frames(divide(tmp_path / str(count), step, {"a.csv": rows}), tmp_path / str(count)))) == count


STORES: dict[str, bytes | str] = {"1000/dom/a.csv": "x\n1\n", "1001/tro/b.csv": "x\n2\n3\n", "2/dom/c.csv": "x\n4\n"}


def extract(format_: str) -> str:
    return f"extract_columns_from_partition_format: {{partition_format: '{format_}'}}"


def test_40_values_out_of_a_path_are_texts(tmp_path: Path) -> None:
    made = whole(tmp_path, extract("{Store}/{Brand}/{file}.{end}"), STORES)
    assert made.to_dict("list") == {
        "x": [1, 2, 3, 4],
        "Store": ["1000", "1001", "1001", "2"],
        "Brand": ["dom", "tro", "tro", "dom"],
        "file": ["a", "b", "b", "c"],
        "end": ["csv"] * 4,
    }


@pytest.mark.parametrize(
    ("format_", "expected"),
    [
        ("{Brand}/*.csv", {"Brand": ["dom", "tro", "tro", "dom"]}),
        ("/{Store}/{Brand}/a.csv", {"Store": ["1000", None, None, None], "Brand": ["dom", None, None, None]}),
        ("{Store}/*/{f}.csv", {"Store": ["1000", "1001", "1001", "2"], "f": ["a", "b", "b", "c"]}),
        ("{a}-{b}", {"a": [None] * 4, "b": [None] * 4}),
    ],
)
def test_the_format_is_matched_against_the_end_of_the_path(
    tmp_path: Path, format_: str, expected: dict[str, list[object]]
) -> None:
    made = whole(tmp_path, extract(format_), STORES)
    assert {name: values(made[name]) for name in made if name != "x"} == expected


def test_41_a_date_of_a_path_is_a_datetime_and_comes_last(tmp_path: Path) -> None:
    files: dict[str, bytes | str] = {"d/2020/01/05/a.csv": "x\n1\n", "d/2021/13/30/b.csv": "x\n2\n"}
    made = whole(tmp_path, extract("{day:yyyy/MM/dd}/{f}.csv"), files)
    assert list(made) == ["x", "f", "day"]
    assert str(made["day"].dtype).startswith("datetime64")
    assert values(made["day"]) == [pd.Timestamp("2020-01-05"), None]


@pytest.mark.parametrize(
    ("path", "format_", "expected"),
    [
        ("p_2020-01-05_x.csv", "p_{d:yyyy-MM-dd}_{n}.csv", "2020-01-05"),
        ("20200105.csv", "{d:yyyyMMdd}.csv", "2020-01-05"),
        ("2020/01/05/10/20/30/x.csv", "{d:yyyy/MM/dd/HH/mm/ss}/x.csv", "2020-01-05 10:20:30"),
        ("2020/02/x.csv", "{d:yyyy/MM}/x.csv", "2020-02-01"),
    ],
)
def test_41_forms_of_dates(tmp_path: Path, path: str, format_: str, expected: str) -> None:
    assert whole(tmp_path, extract(format_), {path: "x\n1\n"})["d"].tolist() == [pd.Timestamp(expected)]


@pytest.mark.parametrize(
    ("format_", "message"),
    [
        ("{d:MM/dd}/{f}.csv", "lacks the year"),
        ("{d:yyyy}/{e:yyyy}/x.csv", "has 2 dates"),
        ("{d:yyyy/qq}/x.csv", "not 'q'"),
        ("{a}/{a}.csv", "the column 'a' twice"),
        ("*.csv", "names no column"),
        ("{a/x.csv", "a brace that is not closed"),
        ("{}/x.csv", "a column without a name"),
        ("{x}/*.csv", "two columns named 'x'"),
    ],
)
def test_41_a_format_that_makes_no_sense_is_refused(tmp_path: Path, format_: str, message: str) -> None:
    with pytest.raises(MLTableError, match=message):
        divide(tmp_path, extract(format_), {"2020/01/x.csv": "x\n1\n"})


def test_braces_in_a_path(tmp_path: Path) -> None:
    assert whole(tmp_path, extract("{{s}}/{n}.csv"), {"{s}/a.csv": "x\n1\n"})["n"].tolist() == ["a"]


def test_columns_of_the_path_come_first_when_they_are_extracted_first(tmp_path: Path) -> None:
    made = whole(tmp_path, extract("{Store}/{Brand}/*.csv") + "\nread_delimited\nfilter: 'Store == \"1001\"'", STORES)
    assert made.to_dict("list") == {"Store": ["1001", "1001"], "Brand": ["tro", "tro"], "x": [2, 3]}


def test_the_path_and_its_columns_can_be_dropped(tmp_path: Path) -> None:
    steps = (
        "read_delimited: {include_path_column: true}\n" + extract("{Store}/{Brand}/{f}.csv") + "\ndrop_columns: [Path, f]"
    )
    assert list(whole(tmp_path, steps, STORES)) == ["x", "Store", "Brand"]


def test_36_37_a_mini_batch_holds_all_rows_of_one_combination_of_keys(tmp_path: Path) -> None:
    files = dict(STORES) | {"1000/dom/z.csv": "x\n9\n"}
    steps = extract("{Store}/{Brand}/*.csv")
    for keys, expected in (
        (["Store", "Brand"], [({"Store": "1000", "Brand": "dom"}, [1, 9]), ({"Store": "1001", "Brand": "tro"}, [2, 3]),
                              ({"Store": "2", "Brand": "dom"}, [4])]),
        (["Brand"], [({"Brand": "dom"}, [1, 4, 9]), ({"Brand": "tro"}, [2, 3])]),
    ):  # fmt: skip
        root = tmp_path / str(len(keys))
        divided = divide(root, steps, files, partition_keys=keys)
        found = [(table.key_of(index), table.load(index)["x"].tolist()) for table, index in parts_of(divided, root)]
        assert found == expected


def test_36_a_combination_of_a_date(tmp_path: Path) -> None:
    files: dict[str, bytes | str] = {"2020/02/x.csv": "x\n1\n", "2020/01/x.csv": "x\n2\n"}
    divided = divide(tmp_path, extract("{d:yyyy/MM}/x.csv"), files, partition_keys=["d"])
    keys = [table.key_of(index) for table, index in parts_of(divided, tmp_path)]
    assert keys == [{"d": pd.Timestamp("2020-01-01")}, {"d": pd.Timestamp("2020-02-01")}]


def test_36_keys_with_filter_skip_and_take(tmp_path: Path) -> None:
    steps = extract("{Store}/{Brand}/*.csv") + "\nfilter: 'x != 2'\nskip: 1\ntake: 2"
    divided = divide(tmp_path, steps, STORES, partition_keys=["Brand"])
    assert [frame["x"].tolist() for frame in frames(divided, tmp_path)] == [[4], [3]]


@pytest.mark.parametrize("steps", ["drop_columns: t", extract("{Store}/*.csv")])
def test_38_keys_that_split_no_files_are_invalid(tmp_path: Path, steps: str) -> None:
    with pytest.raises(InputError, match=r"\['Nope'\] are invalid partition keys"):
        divide(tmp_path, steps, partition_keys=["Nope"])
    with pytest.raises(InputError, match="no partition columns"):
        run_division(tmp_path / "in", tmp_path / "step", partition_keys=["Nope"])


@pytest.mark.parametrize("division", SIZES)
def test_52_first_rows_are_numbered_over_the_whole_table(tmp_path: Path, division: dict[str, Any]) -> None:
    from prs_agent.division.job import Limits

    files: dict[str, bytes | str] = {
        name: "n\n\n" + "".join(f"{number}\n\n" * (1 + number % 2) for number in range(start, start + 20))
        for name, start in (("a.csv", 0), ("b.csv", 20), ("c.csv", 40))
    }
    limits = Limits(first_part=1, growth=1, largest_part=1)
    divided = divide(tmp_path, "drop_columns: zz", files, limits=limits, **division)
    assert len(divided.parts) >= 3
    row = 0
    expected, asked = [], []
    for table, index in parts_of(divided, tmp_path):
        frame = table.load(index)
        if frame is not None:
            expected.append(row)
            asked.append(table.first_row(index))
            row += len(frame)
    assert asked == expected
