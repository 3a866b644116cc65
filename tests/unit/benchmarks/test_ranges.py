"""The byte ranges that the peers read: together they are the table."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.contenders.work import CHOSEN_ABOVE, rows_of_csv_range


@pytest.mark.parametrize("step", [7, 40, 64, 1000])
def test_every_line_is_in_one_range(tmp_path: Path, step: int) -> None:
    path = tmp_path / "table.csv"
    lines = [f"{number},{CHOSEN_ABOVE},0.5,name{number}\n" for number in range(30)]
    path.write_text("number,a,b,name\n" + "".join(lines))
    size = path.stat().st_size
    found = [row for at in range(0, size, step) for row in rows_of_csv_range((str(path), at, min(at + step, size)))]
    assert found == [f"{number},{CHOSEN_ABOVE:.6f}" for number in range(30)]
