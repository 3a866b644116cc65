"""Statement 34 and spec section 12 e: row groups together up to the size, larger ones sliced by rows; one schema for all."""

from __future__ import annotations

import datetime as dt
import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prs_agent.division.problems import InputError, MLTableError
from tests.unit.division.test_transformations import divide, frames, parts_of, values, whole


def parquet(table: pa.Table, rows: int = 1000) -> bytes:
    """The bytes of a file with row groups of that many rows."""
    written = io.BytesIO()
    pq.write_table(table, written, row_group_size=rows)
    return written.getvalue()


def numbers(count: int, first: int = 0) -> pa.Table:
    return pa.table({"n": range(first, first + count), "t": [f"{number:08}" for number in range(first, first + count)]})


@pytest.mark.parametrize(("groups", "mini_batches"), [(0, 1), (1000, 1), (3, 4), (1, 10)])
def test_34_row_groups_are_together_up_to_the_size(tmp_path: Path, groups: int, mini_batches: int) -> None:
    """The size is that of `groups` row groups; 0: the default of 1 MiB."""
    content = parquet(numbers(1000), 100)
    size = groups * max(group_sizes(content))
    division = {"unit": "bytes" if size else "default", "size": size}
    found = frames(divide(tmp_path, "read_parquet", {"a.parquet": content}, **division), tmp_path)
    assert len(found) == mini_batches
    assert [n for frame in found for n in frame["n"]] == list(range(1000))


def group_sizes(content: bytes) -> list[int]:
    metadata = pq.ParquetFile(io.BytesIO(content)).metadata
    return [metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups)]


def test_34_a_row_group_larger_than_the_size_is_sliced_by_rows(tmp_path: Path) -> None:
    content = parquet(numbers(1000), 500)
    size = -(-max(group_sizes(content)) // 5)
    found = frames(divide(tmp_path, "read_parquet", {"a": content, "b": content}, unit="bytes", size=size), tmp_path)
    assert {len(frame) for frame in found} == {100}
    assert [n for frame in found for n in frame["n"]] == [*range(1000), *range(1000)]
    assert len(found) == 20


def test_no_mini_batch_holds_rows_of_two_files(tmp_path: Path) -> None:
    files: dict[str, bytes | str] = {"a": parquet(numbers(3)), "b": parquet(numbers(2, 3))}
    assert [len(frame) for frame in frames(divide(tmp_path, "read_parquet", files), tmp_path)] == [3, 2]


def test_types_are_the_same_in_every_mini_batch_when_only_one_has_nulls(tmp_path: Path) -> None:
    table = pa.table({"i": [1, 2, None, 4], "b": [True, False, None, True], "s": ["a", "b", None, "d"]})
    found = frames(divide(tmp_path, "read_parquet", {"a": parquet(table)}, unit="rows", size=2), tmp_path)
    assert [str(each) for each in found[0].dtypes] == [str(each) for each in found[1].dtypes]
    assert str(found[0]["i"].dtype) == "float64"
    assert values(found[0]["b"]) == [True, False]


def test_files_with_other_columns_and_wider_numbers(tmp_path: Path) -> None:
    a = pa.table({"i": pa.array([1], pa.int32()), "f": pa.array([1.5], pa.float32())})
    b = pa.table({"i": pa.array([2**40], pa.int64()), "z": ["x"]})
    made = whole(tmp_path, "read_parquet", {"a": parquet(a), "b": parquet(b)})
    assert {name: values(made[name]) for name in made} == {"i": [1, 2**40], "f": [1.5, None], "z": [None, "x"]}


def test_files_that_cannot_be_one_table_are_named(tmp_path: Path) -> None:
    files: dict[str, bytes | str] = {"a": parquet(pa.table({"i": [1]})), "b": parquet(pa.table({"i": ["x"]}))}
    with pytest.raises(InputError, match="b and a have different columns"):
        divide(tmp_path / "1", "read_parquet", files)
    with pytest.raises(InputError, match=r"a cannot be read as Parquet"):
        divide(tmp_path / "2", "read_parquet", {"a": b"no parquet"})


def test_transformations_of_parquet(tmp_path: Path) -> None:
    table = pa.table({"n": range(10), "d": [dt.datetime(2020, 1, day + 1) for day in range(10)], "l": [[1]] * 10})  # noqa: DTZ001
    steps = (
        "read_parquet: {include_path_column: true}\nskip: 2\ntake: 7\nfilter: 'd > datetime(2020, 1, 5)'\ndrop_columns: l"
    )
    made = whole(tmp_path, steps, {"x/a.parquet": parquet(table, 3)}, unit="rows", size=2)
    assert made["n"].tolist() == [5, 6, 7, 8]
    assert set(made["Path"]) == {str(tmp_path / "in" / "x" / "a.parquet")}
    with pytest.raises(MLTableError, match="'l' holds values of several types"):
        divide(tmp_path / "2", "read_parquet\nfilter: 'l == 1'", {"a": parquet(table)})


def test_36_partition_keys_of_parquet(tmp_path: Path) -> None:
    files: dict[str, bytes | str] = {f"{store}/{name}": parquet(numbers(2, store)) for store in (7, 8) for name in "ab"}
    steps = "read_parquet\nextract_columns_from_partition_format: {partition_format: '{Store}/*'}"
    divided = divide(tmp_path, steps, files, partition_keys=["Store"])
    found = [(table.key_of(index), table.load(index)["n"].tolist()) for table, index in parts_of(divided, tmp_path)]
    assert found == [({"Store": "7"}, [7, 8, 7, 8]), ({"Store": "8"}, [8, 9, 8, 9])]


def test_52_rows_of_parquet_have_numbers(tmp_path: Path) -> None:
    divided = divide(tmp_path, "read_parquet", {"a": parquet(numbers(10)), "b": parquet(numbers(5))}, unit="rows", size=4)
    assert [table.first_row(index) for table, index in parts_of(divided, tmp_path)] == [0, 4, 8, 10, 14]
