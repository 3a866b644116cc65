"""The same table, divided and read by us: the answer has the form of the engine's."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from prs_agent.division.problems import DivisionError
from prs_agent.host.table_part import TablePart
from tests.oracle.engine import plain
from tests.unit.division.writing import run_division


def answer(folder: Path) -> dict[str, Any]:
    """Columns, rows and the number of rows of each part, empty ones included where they are known."""
    with tempfile.TemporaryDirectory() as storage:
        try:
            divided = run_division(folder, Path(storage), type="mltable")
        except DivisionError as error:
            return {"error": f"{type(error).__name__}: {error}"}
        columns: list[str] = []
        rows: list[list[object]] = []
        parts: list[int] = []
        for part in divided.parts:
            table = TablePart(part, str(folder), False, lambda message: None)
            for index in range(part.first, part.first + part.count):
                frame = table.load(index)
                parts.append(0 if frame is None else len(frame))
                if frame is not None:
                    columns = [str(name) for name in frame.columns]
                    rows += [[plain(value) for value in row] for row in frame.itertuples(index=False, name=None)]
    return {"columns": columns, "rows": rows, "parts": parts}
