"""read_delta_lake: a version of a table, its partition columns, and what cannot be read exactly."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from prs_agent.division.problems import InputError, MLTableError
from tests.unit.division.test_transformations import frames, parts_of, values
from tests.unit.division.writing import run_division

deltalake = pytest.importorskip("deltalake")


def write_delta(folder: Path, read: str) -> Path:
    """A table in three versions: two stores, then a third, then a new column; and an MLTable that reads it."""
    folder.mkdir()
    first = pa.table({"store": [1, 1, 2], "x": [10, 11, 20]})
    deltalake.write_deltalake(str(folder / "table"), first, partition_by=["store"])
    deltalake.write_deltalake(str(folder / "table"), pa.table({"store": [3], "x": [30]}), mode="append")
    wider = pa.table({"store": [3], "x": [31], "z": ["new"]})
    deltalake.write_deltalake(str(folder / "table"), wider, mode="append", schema_mode="merge")
    (folder / "MLTable").write_text(f"paths:\n  - folder: ./table\ntransformations:\n  - read_delta_lake: {{{read}}}\n")
    return folder


def test_a_version_has_its_files_only(tmp_path: Path) -> None:
    table = write_delta(tmp_path / "in", "version_as_of: 0")
    found = frames(run_division(table, tmp_path / "step", type="mltable"), tmp_path)
    assert sorted((row.store, row.x) for frame in found for row in frame.itertuples()) == [(1, 10), (1, 11), (2, 20)]
    assert {tuple(frame.columns) for frame in found} == {("store", "x")}


def test_columns_of_a_later_version_are_nulls_before(tmp_path: Path) -> None:
    table = write_delta(tmp_path / "in", "version_as_of: 2")
    found = frames(run_division(table, tmp_path / "step", type="mltable"), tmp_path)
    assert {frozenset(frame.columns) for frame in found} == {frozenset(("store", "x", "z"))}
    assert sorted(str(value) for frame in found for value in values(frame["z"])) == ["None"] * 4 + ["new"]
    assert {str(frame["store"].dtype) for frame in found} == {"int64"}


def test_a_time_is_the_version_of_then(tmp_path: Path) -> None:
    table = write_delta(tmp_path / "in", "timestamp_as_of: '2999-01-01T00:00:00Z'")
    found = frames(run_division(table, tmp_path / "step", type="mltable"), tmp_path)
    assert sum(map(len, found)) == 5


def test_36_partition_columns_are_partition_keys_with_their_types(tmp_path: Path) -> None:
    table = write_delta(tmp_path / "in", "version_as_of: 2")
    divided = run_division(table, tmp_path / "step", type="mltable", partition_keys=["store"])
    found = [(part.key_of(index), sorted(part.load(index)["x"])) for part, index in parts_of(divided, tmp_path)]
    assert found == [({"store": 1}, [10, 11]), ({"store": 2}, [20]), ({"store": 3}, [30, 31])]


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    table = write_delta(tmp_path / "in", "version_as_of: 7")
    with pytest.raises(InputError, match="cannot be read as Delta Lake"):
        run_division(table, tmp_path / "step", type="mltable")
    with pytest.raises(InputError, match=r"\['x'\] are invalid partition keys"):
        run_division(
            write_delta(tmp_path / "b", "version_as_of: 0"), tmp_path / "step", type="mltable", partition_keys=["x"]
        )
    (table / "MLTable").write_text(
        "paths:\n  - pattern: ./table/*\ntransformations:\n  - read_delta_lake: {version_as_of: 0}\n"
    )
    with pytest.raises(MLTableError, match="exactly one entry in paths"):
        run_division(table, tmp_path / "step", type="mltable")
