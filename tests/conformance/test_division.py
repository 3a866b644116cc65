"""Statements 28 to 35, 42 to 44: how the input is cut. The finer points have unit tests beside the code."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.conformance.conftest import Bench, Step

LENGTHS = "def run(mini_batch):\n    trace(len(mini_batch))\n    return [str(row) for row in range(len(mini_batch))]\n"
ROWS = """
def run(mini_batch):
    return [f"{len(mini_batch)}:{','.join(str(value) for value in row)}" for row in mini_batch.itertuples(index=False)]
"""
TEN_BYTES = b"header,xx\n" + b"".join(b"%04d,wxyz\n" % number for number in range(20))


def sizes(step: Step) -> list[int]:
    """Items of each mini-batch, in order, of those that were run."""
    return [int(row["Total"]) for row in step.attempts() if row["Status"] == "RUN_DONE"]


def test_s28_files_by_count_in_stable_order_with_sub_folders(bench: Bench) -> None:
    bench.files, bench.size = 20, 5
    for name in ("b", "a", "a-b"):
        (bench.folder / "input" / name).mkdir(parents=True)
        (bench.folder / "input" / name / "x.txt").write_text("x")
    step = bench.run("def run(mini_batch):\n    return ['/'.join(path.split('/')[-2:]) for path in mini_batch]\n")
    assert sizes(step) == [5, 5, 5, 5, 3]
    assert step.rows[-3:] == ["a/x.txt", "a-b/x.txt", "b/x.txt"]


def test_s30_twenty_rows_of_ten_bytes_in_parts_of_fifteen(bench: Bench) -> None:
    bench.table(TEN_BYTES, "15")
    step = bench.run(ROWS)
    assert sizes(step) == [1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 1]
    assert [row.split(":")[1] for row in step.rows] == [f"{number},wxyz" for number in range(20)]


def test_s31_an_empty_part_is_not_run_and_not_counted(bench: Bench) -> None:
    bench.table(TEN_BYTES, "10")
    step = bench.run(ROWS)
    assert sizes(step) == [1] * 20
    assert step.batches == {"total": 20, "succeeded": 20, "failed": 0, "retried": 0}


def test_s32_no_mini_batch_holds_rows_of_two_files(bench: Bench) -> None:
    bench.table(b"", "1000")
    table = bench.folder / "table"
    for name, rows in (("1.csv", 3), ("2.csv", 100), ("3.csv", 2)):
        (table / name).write_text("n,t\n" + "".join(f"{row},{'x' * 40}\n" for row in range(rows)))
    (table / "MLTable").write_text(
        "paths:\n  - pattern: ./[123].csv\ntransformations:\n  - read_delimited: {delimiter: ','}\n"
    )
    step = bench.run(ROWS)
    assert sum(sizes(step)) == 105
    assert sizes(step)[0] == 3
    assert sizes(step)[-1] == 2


def test_s33_no_row_is_lost_or_doubled_with_crlf(bench: Bench) -> None:
    bench.table(b"a,b\r\n" + b"".join(b"%d,%s\r\n" % (number, b"y" * (number % 13)) for number in range(200)), "37")
    step = bench.run(ROWS)
    assert [int(row.split(":")[1].split(",")[0]) for row in step.rows] == list(range(200))


def test_s29_the_article_s_table_of_84032_bytes_in_parts_of_10kb(bench: Bench) -> None:
    """74 records about as long as the article's: nine mini-batches, the last one with a single row."""
    lengths = [1122] * 66 + [1123] * 8
    text = b"h" * 995 + b"\n" + b"".join(b"x" * (length - 1) + b"\n" for length in lengths)
    assert len(text) == 84032
    bench.table(text, "10kb")
    step = bench.run(LENGTHS)
    assert sizes(step) == [9, 9, 9, 9, 9, 9, 9, 10, 1]


def test_s34_row_groups_cover_all_rows_exactly_once(bench: Bench) -> None:
    table = bench.folder / "table"
    table.mkdir()
    pq.write_table(pa.table({"n": range(1000), "t": ["x" * 10] * 1000}), table / "a.parquet", row_group_size=100)
    (table / "MLTable").write_text("paths:\n  - file: ./a.parquet\ntransformations:\n  - read_parquet\n")
    bench.data = {"type": "mltable", "path": "./table", "mode": "direct"}
    group_bytes = pq.ParquetFile(table / "a.parquet").metadata.row_group(0).total_byte_size
    for size, mini_batches in (("1mb", 1), (str(3 * group_bytes), 4), (str(group_bytes), 10), ("300 rows", 4)):
        bench.size = size
        step = bench.run(ROWS)
        assert len(sizes(step)) == mini_batches
        assert [int(row.split(":")[1].split(",")[0]) for row in step.rows] == list(range(1000))


def test_s35_json_lines_are_cut_like_delimited_text(bench: Bench) -> None:
    table = bench.folder / "table"
    table.mkdir()
    text = "".join(f'{{"i":{number},"v":"abcd{number}"}}\n' for number in range(50))
    assert len(text) == 1080
    (table / "a.jsonl").write_text(text)
    (table / "MLTable").write_text("paths:\n  - file: ./a.jsonl\ntransformations:\n  - read_json_lines\n")
    bench.data, bench.size = {"type": "mltable", "path": "./table", "mode": "direct"}, "100"
    step = bench.run(ROWS)
    assert sizes(step) == [6, 5, 4, 5, 4, 5, 4, 5, 4, 5, 3]
    assert [row.split(":")[1] for row in step.rows] == [f"{number},abcd{number}" for number in range(50)]


def test_s42_an_mltable_without_a_read_transformation_is_a_list_of_files(bench: Bench) -> None:
    folder = bench.folder / "table"
    folder.mkdir()
    for name in ("a.bin", "b.bin"):
        (folder / name).write_bytes(b"\0")
    (folder / "MLTable").write_text("type: mltable\npaths:\n  - folder: ./\n")
    bench.data = {"type": "mltable", "path": "./table", "mode": "eval_mount"}
    step = bench.run(
        "def run(mini_batch):\n    return [type(mini_batch[0]).__name__ + os.path.basename(path) for path in mini_batch]\n"
    )
    assert step.rows == ["stra.bin", "strb.bin"]


def test_s43_an_unknown_transformation_is_refused_before_any_worker_starts(bench: Bench) -> None:
    bench.table(TEN_BYTES, "10")
    table = bench.folder / "table" / "MLTable"
    table.write_text(table.read_text() + "  - drop_colums: a\n")
    step = bench.run(ROWS)
    assert step.outcome.exit_code == 9
    assert "drop_colums" in step.outcome.stderr
    assert "did you mean 'drop_columns'" in step.outcome.stderr
    assert not step.trace


def test_s44_patterns_do_not_descend_unless_they_say_so(bench: Bench) -> None:
    folder = bench.folder / "table"
    (folder / "sub").mkdir(parents=True)
    for name in ("10.csv", "2.csv", "B.csv", "a.csv", "sub/3.csv"):
        (folder / name).write_text("x\n")
    for pattern, expected in (
        ("./*.csv", ["10.csv", "2.csv", "B.csv", "a.csv"]),
        ("./**/*.csv", ["10.csv", "2.csv", "B.csv", "a.csv", "3.csv"]),
    ):
        (folder / "MLTable").write_text(f"paths:\n  - pattern: {pattern}\n")
        bench.data = {"type": "mltable", "path": "./table", "mode": "eval_mount"}
        step = bench.run("import os\ndef run(mini_batch):\n    return [os.path.basename(path) for path in mini_batch]\n")
        assert sorted(step.rows) == sorted(expected)


def test_column_types_are_those_of_the_whole_table_in_every_mini_batch(bench: Bench) -> None:
    bench.table(
        b"n,f,t\n" + b"".join(b"%d,%s,%s\n" % (row, b"1.5" if row == 190 else b"2", b"t") for row in range(200)), "200"
    )
    step = bench.run(
        "def run(mini_batch):\n    return [' '.join(str(kind) for kind in mini_batch.dtypes[:2])] * len(mini_batch)\n"
    )
    assert set(step.rows) == {"int64 float64"}


def test_download_mode_gives_a_copy(bench: Bench) -> None:
    data = bench.folder / "input"
    data.mkdir()
    (data / "x.txt").write_text("x")
    bench.data = {"type": "uri_folder", "path": "./input", "mode": "download"}
    step = bench.run("def run(mini_batch):\n    return [mini_batch[0]]\n")
    assert step.state == "Completed"
    assert not Path(step.rows[0]).is_relative_to(bench.folder)
