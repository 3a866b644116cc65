"""Statements 36 to 41, 45 to 47 and 52: partition keys, transformations and what the context says of a mini-batch."""

from __future__ import annotations

import json

import pytest

from tests.conformance.conftest import Bench
from tests.conformance.test_division import sizes

KEYED = """
import json
def run(mini_batch, context):
    trace("ran")
    return [json.dumps({"key": context.partition_key_value, "rows": len(mini_batch),
                        "distinct": [mini_batch[name].nunique() for name in context.partition_key_value],
                        "columns": list(mini_batch.columns)})]
"""
STORES, BRANDS = [str(number) for number in range(1000, 1033)], ["dominicks", "minute.maid", "tropicana"]


def sales(bench: Bench, *more: str) -> None:
    """33 stores times 3 brands, one file each of 121 weeks: what the command step of the many-models example writes."""
    table = bench.folder / "table"
    for number, store in enumerate(STORES):
        for brand in BRANDS:
            folder = table / "data" / store / brand
            folder.mkdir(parents=True)
            rows = "".join(f"{week},{store},{brand},{number * week}\n" for week in range(121))
            (folder / "sales.csv").write_text("Week,Shop,Label,Quantity\n" + rows)
    steps = ["read_delimited: {delimiter: ','}", EXTRACT, *more]
    lines = "".join(f"  - {step}\n" for step in steps)
    (table / "MLTable").write_text(f"paths:\n  - folder: ./data\ntransformations:\n{lines}")
    bench.data, bench.size = {"type": "mltable", "path": "./table", "mode": "direct"}, 0


EXTRACT = "extract_columns_from_partition_format: {partition_format: '{Store}/{Brand}/{file}.csv'}"


def test_s36_one_mini_batch_for_each_store_and_brand(bench: Bench) -> None:
    sales(bench)
    bench.step = {"partition_keys": ["Store", "Brand"]}
    step = bench.run(KEYED)
    assert sizes(step) == [121] * 99
    rows = [json.loads(row) for row in step.rows]
    assert [row["key"] for row in rows] == [{"Store": store, "Brand": brand} for store in STORES for brand in BRANDS]
    assert all(row["rows"] == 121 and row["distinct"] == [1, 1] for row in rows)
    assert rows[0]["columns"] == ["Week", "Shop", "Label", "Quantity", "Store", "Brand", "file"]


def test_s37_a_subset_of_keys_merges(bench: Bench) -> None:
    sales(bench)
    bench.step = {"partition_keys": ["Store"]}
    step = bench.run(KEYED)
    assert sizes(step) == [363] * 33


@pytest.mark.parametrize("kind", ["table", "files"])
def test_s38_keys_that_the_input_does_not_have(bench: Bench, kind: str) -> None:
    if kind == "table":
        sales(bench)
    bench.step = {"partition_keys": ["Nope"]}
    step = bench.run(KEYED)
    assert step.outcome.exit_code == 3
    assert "invalid partition keys" in step.error
    assert not step.trace


def test_s39_keys_beat_the_size_with_a_warning(bench: Bench) -> None:
    sales(bench)
    bench.size = "1kb"
    bench.step = {"partition_keys": ["Store"]}
    step = bench.run(KEYED)
    assert sizes(step) == [363] * 33
    assert "mini_batch_size is not used" in step.outcome.stderr


def test_s40_the_context_has_the_keys_as_texts_of_files_too(bench: Bench) -> None:
    sales(bench)
    table = bench.folder / "table" / "MLTable"
    table.write_text(f"paths:\n  - folder: ./data\ntransformations:\n  - {EXTRACT}\n  - filter: 'Brand == \"dominicks\"'\n")
    bench.data = {"type": "mltable", "path": "./table", "mode": "eval_mount"}
    bench.step = {"partition_keys": ["Store", "Brand"]}
    step = bench.run(
        "def run(mini_batch, context):\n"
        "    assert all(type(value) is str for value in context.partition_key_value.values())\n"
        "    return [f'{context.partition_key_value} {mini_batch[0][-24:]}']\n"
    )
    assert step.rows[0] == "{'Store': '1000', 'Brand': 'dominicks'} 1000/dominicks/sales.csv"
    assert len(step.rows) == 33


def test_s41_a_date_in_the_path_is_a_datetime_and_needs_a_year(bench: Bench) -> None:
    folder = bench.folder / "table" / "2024" / "02"
    folder.mkdir(parents=True)
    (folder / "a.csv").write_text("n\n1\n")
    text = "paths:\n  - folder: ./\ntransformations:\n  - read_delimited\n  - extract_columns_from_partition_format:\n"
    table = bench.folder / "table" / "MLTable"
    bench.data, bench.size = {"type": "mltable", "path": "./table", "mode": "direct"}, 0
    table.write_text(text + "      partition_format: '{d:yyyy/MM}/{f}.csv'\n")
    step = bench.run("def run(mini_batch):\n    return [str(mini_batch.d.dtype)[:10], str(mini_batch.d[0])]\n")
    assert step.rows == ["datetime64", "2024-02-01 00:00:00"]
    table.write_text(text + "      partition_format: '{d:MM}/{f}.csv'\n")
    step = bench.run("def run(mini_batch):\n    return ['x']\n")
    assert step.outcome.exit_code == 9
    assert "lacks the year" in step.outcome.stderr


NUMBERS = "def run(mini_batch):\n    return [str(n) for n in mini_batch.n]\n"


def numbers(bench: Bench, *steps: str) -> None:
    """Rows 0 to 49 of two files in parts of 25 rows, with these transformations."""
    bench.table(b"n\n" + b"".join(b"%03d\n" % number for number in range(50)), "102")
    table = bench.folder / "table"
    text = table.joinpath("MLTable").read_text()
    (table / "MLTable").write_text(text + "".join(f"  - {step}\n" for step in steps))


def test_s45_skip_and_take_are_of_the_whole_table(bench: Bench) -> None:
    numbers(bench, "skip: 10", "take: 20")
    step = bench.run(NUMBERS)
    assert step.rows == [str(number) for number in range(10, 30)]
    assert len(sizes(step)) == 2


def test_s46_only_the_rows_of_a_filter_arrive_and_empty_parts_are_not_run(bench: Bench) -> None:
    numbers(bench, "filter: 'col(\"n\") > 30'")
    step = bench.run(NUMBERS)
    assert step.rows == [str(number) for number in range(31, 50)]
    assert sizes(step) == [19]
    assert step.batches["total"] == 1


@pytest.mark.parametrize("strict", [False, True])
def test_s47_a_text_that_inference_missed_is_said_or_fails(bench: Bench, strict: bool) -> None:
    """A block of text between the blocks of a large table that are looked at."""
    row = b"1,%s\n" % (b"x" * 60)
    bench.table(b"n,t\n" + row * 19_104 + b"str,y\n" + row * 148_896, "1mb")
    bench.arguments = "--strict_types True" if strict else ""
    bench.step = {"mini_batch_error_threshold": 0} if strict else {}
    step = bench.run("def run(mini_batch):\n    return [str(set(map(type, mini_batch.n)))]\n")
    if strict:
        assert step.outcome.exit_code == 3
        assert "column 'n'" in step.error
        return
    assert sum("str" in row for row in step.rows) == 1
    said = (step.logs / "job_result.txt").read_text() + "".join(
        file.read_text(errors="replace") for file in step.logs.rglob("*.txt") if "user" not in str(file)
    )
    assert "column 'n' was inferred as int64" in said


def test_s52_the_context_says_what_a_mini_batch_is(bench: Bench) -> None:
    table = bench.folder / "table"
    table.mkdir()
    for name in "ab":
        (table / f"{name}.csv").write_text("n\n" + "".join(f"{number:03}\n" for number in range(50)))
    (table / "MLTable").write_text("paths:\n  - pattern: ./*.csv\ntransformations:\n  - read_delimited\n")
    bench.data, bench.size = {"type": "mltable", "path": "./table", "mode": "direct"}, "62"
    step = bench.run(
        "def run(mini_batch, context):\n"
        "    assert context.dataset.to_pandas_dataframe() is mini_batch\n"
        "    return [[context.minibatch_index, context.retry_count, context.partition_key_value, len(mini_batch), "
        "context.global_row_index_lower_bound, [path[-5:] for path in context.dataset.paths]]]\n"
    )
    found = [json.loads(row.replace("'", '"').replace("None", "null")) for row in step.rows]
    row = 0
    for number, (index, retry, key, rows, first, paths) in enumerate(found):
        assert (index, retry, key, first, paths) == (number, 0, None, row, ["a.csv" if row < 50 else "b.csv"])
        row += rows
    assert row == 100


def test_compressed_tables_are_cut_by_rows(bench: Bench) -> None:
    import gzip

    table = bench.folder / "table"
    table.mkdir()
    (table / "a.csv.gz").write_bytes(gzip.compress(b"n\n" + b"".join(b"%d\n" % number for number in range(50))))
    (table / "MLTable").write_text("paths:\n  - file: ./a.csv.gz\ntransformations:\n  - read_delimited\n")
    bench.data, bench.size = {"type": "mltable", "path": "./table", "mode": "direct"}, "20 rows"
    step = bench.run(NUMBERS)
    assert sizes(step) == [20, 20, 10]
    assert step.rows == [str(number) for number in range(50)]
