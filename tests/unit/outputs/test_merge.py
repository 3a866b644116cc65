"""The merge: statements 81 to 85 as far as the agent carries them, and every format."""

from __future__ import annotations

import hashlib
import io
import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prs_agent.outputs.merge import Merged, Output, Progress, merge
from prs_agent.outputs.plan import CommitRange
from prs_agent.outputs.problems import PlanError, PublishError, RowsError, SegmentError
from prsd.base.columns import Column
from tests.unit.outputs.segment_files import Segments, csv, jsonl, text, with_header


@pytest.fixture
def segments(tmp_path: Path) -> Segments:
    return Segments(tmp_path / "segments")


def run_merge(segments: Segments, ranges: Iterable[CommitRange], format_name: str = "text", name: str = "out") -> Merged:
    output = Output(segments.folder.parent / "data" / name, format_name, 3)
    return merge(iter(ranges), segments.folder, output, Progress(lambda _: None))


def published(segments: Segments, name: str = "out") -> bytes:
    return (segments.folder.parent / "data" / name).read_bytes()


def test_81_one_line_per_element_in_the_very_file(segments: Segments) -> None:
    ranges = [segments.add(0, text("{'k': 1}", "('f', 3)"), b"", text("None", "ä"))]

    merged = run_merge(segments, ranges)

    assert published(segments) == "{'k': 1}\n('f', 3)\nNone\nä\n".encode()
    assert merged.rows == 4
    assert merged.file == (len(published(segments)), hashlib.sha256(published(segments)).hexdigest())


def test_85_rows_come_in_mini_batch_order_whatever_order_they_were_finished_in(segments: Segments) -> None:
    rows = {index: text(*(f"{index} {number} {'x' * 500}" for number in range(5))) for index in range(24)}
    outputs = set()
    for round_number, order in enumerate(itertools.islice(itertools.permutations(range(0, 24, 6)), 6)):
        here = Segments(segments.folder / str(round_number) / "segments")
        blocks = {
            first: here.add(first, *(rows[first + i] for i in range(6)), worker=f"process{round_number * first % 4:03d}")
            for first in order
        }
        merged = run_merge(here, [blocks[first] for first in sorted(blocks)])
        outputs.add((merged.file, published(here)))

    [(_, data)] = outputs
    assert [line.split()[0] for line in data.decode().splitlines()] == [str(i) for i in range(24) for _ in range(5)]


def test_only_the_recorded_part_of_a_block_is_used(segments: Segments) -> None:
    late = segments.add(0, *(text(f"late {index}") for index in range(10)), worker="process000")
    other = segments.add(3, text("first 3"), b"", text("first 5"), worker="process001")

    run_merge(segments, [late._replace(size=3), other, late._replace(first=6, size=2), late._replace(first=9, size=1)])

    assert published(segments).decode().splitlines() == [
        "late 0", "late 1", "late 2", "first 3", "first 5", "late 6", "late 7", "late 9"
    ]  # fmt: skip


def test_ranges_without_rows_and_gaps_of_failed_mini_batches(segments: Segments) -> None:
    merged = run_merge(segments, [CommitRange(0, 5), segments.add(7, text("a")), CommitRange(8, 1)])

    assert published(segments) == b"a\n"
    assert merged.rows == 1


def test_nothing_at_all_gives_an_empty_file(segments: Segments) -> None:
    for format_name in ("text", "csv", "jsonl"):
        assert run_merge(segments, [], format_name).rows == 0
        assert published(segments) == b""
    run_merge(segments, [], "parquet")
    assert pq.read_table(io.BytesIO(published(segments))).num_rows == 0


def test_83_one_header_line_at_the_top(segments: Segments) -> None:
    ranges = [segments.add(0, with_header("a b", "1 2"), with_header("a b", "3 4")), segments.add(2, with_header("a b"))]

    merged = run_merge(segments, ranges)

    assert published(segments) == b"a b\n1 2\n3 4\n"
    assert (merged.rows, merged.notices) == (2, [])


def test_83_the_header_is_at_the_top_even_when_it_comes_late(segments: Segments) -> None:
    ranges = [
        segments.add(0, text("plain" * 400_000), text("x"), with_header("a", "1")),
        segments.add(3, with_header("b", "2")),
    ]

    merged = run_merge(segments, ranges)

    lines = published(segments).decode().splitlines()
    assert [lines[0], *lines[2:]] == ["a", "x", "1", "2"]
    assert merged.file.digest == hashlib.sha256(published(segments)).hexdigest()
    assert merged.notices == ["mini-batch 3 returned other columns than mini-batch 2, whose header the output has"]
    assert [path.name for path in (segments.folder.parent / "data").iterdir()] == ["out"]


def test_csv_columns_are_matched_by_name(segments: Segments) -> None:
    ranges = [segments.add(0, b"", csv(["a", 'b"', "c"], "1,2,3"), csv(["c", "a", 'b"'], '"x,\ny",1,', "9,8,7"))]

    merged = run_merge(segments, ranges, "csv")

    assert published(segments).decode() == 'a,"b""",c\n1,2,3\n1,,"x,\ny"\n8,7,9\n'
    assert merged.file.size_bytes == len(published(segments))


@pytest.mark.parametrize(("format_name", "payload"), [("csv", csv), ("jsonl", jsonl)])
def test_a_differing_set_of_columns_names_both_mini_batches(segments: Segments, format_name: str, payload: Any) -> None:
    ranges = [segments.add(4, payload(["a", "b"]), payload(["b", "a"])), segments.add(9, payload(["a", "c"]))]

    message = "mini-batch 9 returned other columns than mini-batch 4: it lacks b and has c more"
    with pytest.raises(RowsError, match=message) as raised:
        run_merge(segments, ranges, format_name)
    assert raised.value.permanent
    assert list((segments.folder.parent / "data").iterdir()) == []


def test_json_lines_stay_as_they_are(segments: Segments) -> None:
    ranges = [
        segments.add(0, jsonl(["a", "b"], {"a": 1, "b": 2}), jsonl([], {"x": 1}, {"y": "ä"}), jsonl(["b", "a"], {"b": 3}))
    ]

    merged = run_merge(segments, ranges, "jsonl")

    assert published(segments).decode().splitlines() == ['{"a": 1, "b": 2}', '{"x": 1}', '{"y": "\\u00e4"}', '{"b": 3}']
    assert merged.rows == 4


@pytest.mark.parametrize("format_name", ["text", "csv", "jsonl", "parquet"])
def test_rows_of_another_format_are_refused(segments: Segments, format_name: str) -> None:
    with pytest.raises(RowsError, match=f"mini-batch 5 .* kind 9.* format {format_name}"):
        run_merge(segments, [segments.add(5, b"\x09rows")], format_name)


def parquet(**columns: Any) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return b"\4" + buffer.getvalue()


def test_parquet_files_become_one(segments: Segments) -> None:
    text_column = pa.array(["x", "y"]).dictionary_encode()
    ranges = [
        segments.add(0, parquet(a=[1, 2], t=text_column), b"", parquet(t=["z"], a=[0.5])),
        segments.add(3, parquet(a=pa.array([None], pa.null()), t=["w"])),
    ]

    merged = run_merge(segments, ranges, "parquet")

    table = pq.read_table(io.BytesIO(published(segments)))
    assert table.to_pydict() == {"a": [1.0, 2.0, 0.5, None], "t": ["x", "y", "z", "w"]}
    assert merged.rows == 4
    assert merged.file == run_merge(segments, ranges, "parquet", "again").file


def test_parquet_columns_that_do_not_fit_name_both_mini_batches(segments: Segments) -> None:
    with pytest.raises(RowsError, match="mini-batch 1 returned other columns than mini-batch 0"):
        run_merge(segments, [segments.add(0, parquet(a=[1]), parquet(b=[1]))], "parquet")
    with pytest.raises(RowsError, match="mini-batch 3 and mini-batch 2"):
        run_merge(segments, [segments.add(2, parquet(a=[1]), parquet(a=["x"]))], "parquet")
    with pytest.raises(RowsError, match="mini-batch 5"):
        run_merge(segments, [segments.add(4, parquet(a=[0.5]), parquet(a=[2**60 + 1]))], "parquet")


@pytest.mark.parametrize("second", [(0, 3), (4, 2), (5, 0)])
def test_a_plan_out_of_order_is_refused(segments: Segments, second: tuple[int, int]) -> None:
    with pytest.raises(PlanError, match="after mini-batch 4"):
        run_merge(segments, [CommitRange(2, 3), CommitRange(*second)])


def test_a_plan_that_contradicts_its_block_is_refused(segments: Segments) -> None:
    block = segments.add(10, text("a"), text("b"))

    for wrong in (block._replace(block_first=9), block._replace(first=9), block._replace(size=3)):
        with pytest.raises(PlanError, match="holds 2 mini-batches from 10"):
            run_merge(segments, [wrong])
    with pytest.raises(PlanError, match="add up to 8"):
        run_merge(segments, [block._replace(lengths=Column.repeat(4, 2).to_bytes())])
    with pytest.raises(PlanError, match="packed column"):
        run_merge(segments, [block._replace(lengths=b"B\1")])


def test_a_missing_segment_leaves_the_target_as_it_was(segments: Segments) -> None:
    block = segments.add(0, text("new"))
    (segments.folder.parent / "data").mkdir()
    (segments.folder.parent / "data" / "out").write_text("old")
    (segments.folder / "agent.boot.process000.seg").unlink()

    with pytest.raises(SegmentError, match=r"cannot open .*process000\.seg"):
        run_merge(segments, [block])
    assert published(segments) == b"old"
    assert len(list((segments.folder.parent / "data").iterdir())) == 1


def test_a_target_that_is_a_folder_cannot_be_replaced(segments: Segments) -> None:
    (segments.folder.parent / "data" / "out").mkdir(parents=True)

    with pytest.raises(PublishError, match="Is a directory") as raised:
        run_merge(segments, [segments.add(0, text("a"))])
    assert raised.value.permanent


def test_a_full_disk_may_be_empty_later(segments: Segments) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full here")
    folder = segments.folder.parent / "data"
    folder.mkdir()
    mark = hashlib.sha256(b"out").hexdigest()[:16]
    (folder / f".prs-{mark}-3.tmp").symlink_to(full)

    with pytest.raises(PublishError, match="No space left") as raised:
        run_merge(segments, [segments.add(0, text("a" * 2_000_000))])
    assert not raised.value.permanent
    assert list(folder.iterdir()) == []


def test_what_killed_attempts_left_is_removed_and_nothing_else(segments: Segments) -> None:
    folder = segments.folder.parent / "data"
    folder.mkdir()
    mark = hashlib.sha256(b"out").hexdigest()[:16]
    for name in (f".prs-{mark}-1.tmp", f".prs-{mark}-2.copy.tmp", ".prs-of-another-2.tmp"):
        (folder / name).write_text("left")

    run_merge(segments, [segments.add(0, text("a"))])

    assert sorted(path.name for path in folder.iterdir()) == [".prs-of-another-2.tmp", "out"]


def test_an_unknown_format(segments: Segments) -> None:
    with pytest.raises(PlanError, match="unknown format 'xml'"):
        run_merge(segments, [], "xml")
