"""The attempt log and the reports made of it."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path
from typing import Any

import pytest

from prs_agent.outputs import attempts as attempts_module
from prs_agent.outputs.attempts import AttemptLog, AttemptRange, sorted_attempts
from prs_agent.outputs.report import in_mini_batch_order, utc_time, write_report
from prsd.base.columns import Column
from tests.unit.division.writing import run_division, write_table

COLUMNS = (
    "Mini-batch Id,Picked Count,Ip Address,Process,Start Time,Total,Succeeded,Failed,Elapsed Seconds,Process Seconds,"
    "Run Method Seconds,Status,Error Category,Error Message,Mini-batch Detail"
).split(",")


def attempt(first: int | None, count: int = 1, **values: Any) -> AttemptRange:
    given: dict[str, Any] = {
        "worker": "process000",
        "node": 0,
        "agent": "node-a",
        "token": 5,
        "attempt": 1,
        "started_at": 1_700_000_000.25,
        "load_us": 500_000,
        "run_us": 1_500_000,
        "items_total": 10,
        "items_succeeded": 10,
        "outcome": "RUN_DONE",
        **values,
    }
    return AttemptRange(first=first, count=count, **given)


def write_log(storage: Path, *ranges: AttemptRange, name: str = "a.b.process000") -> None:
    (storage / "attempts").mkdir(parents=True, exist_ok=True)
    log = AttemptLog(storage / "attempts" / f"{name}.jsonl")
    for found in ranges:
        log.append(found)
    log.close()


def report(storage: Path, name: str = "processed_mini-batches") -> list[dict[str, str]]:
    with (storage / "logs" / "sys" / "job_report" / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_one_row_per_attempt_with_the_documented_columns(tmp_path: Path) -> None:
    write_log(
        tmp_path,
        attempt(None, 0, outcome="LOAD_DONE", run_us=0, items_total=0, items_succeeded=0),
        attempt(0, 2, run_us=Column.of([1_000_000, 2_000_000]), items_succeeded=[10, 8]),
        attempt(2, outcome="RUN_EXCEPTION", message='ValueError: "bad", pixel\nin line', items_succeeded=0),
        attempt(2, attempt=2, worker="process001"),
    )

    assert write_report(tmp_path) == []

    rows = report(tmp_path)
    assert list(rows[0]) == COLUMNS
    assert [(row["Mini-batch Id"], row["Picked Count"], row["Status"]) for row in rows] == [
        ("", "1", "LOAD_DONE"),
        ("0", "1", "RUN_DONE"),
        ("1", "1", "RUN_DONE"),
        ("2", "1", "RUN_EXCEPTION"),
        ("2", "2", "RUN_DONE"),
    ]
    assert rows[1]["Start Time"] == "2023-11-14T22:13:20.250000"
    assert rows[2]["Start Time"] == "2023-11-14T22:13:21.750000"
    assert (rows[2]["Total"], rows[2]["Succeeded"], rows[2]["Failed"]) == ("10", "8", "2")
    assert (rows[2]["Elapsed Seconds"], rows[2]["Run Method Seconds"]) == ("2.500000", "2.000000")
    assert (rows[3]["Error Category"], rows[3]["Error Message"]) == ("Entry Script", 'ValueError: "bad", pixel\nin line')
    assert json.loads(rows[3]["Mini-batch Detail"]) == {"id": 2, "minibatch": []}


def test_sums_by_process_and_node(tmp_path: Path) -> None:
    write_log(tmp_path, attempt(0, 3), attempt(3, outcome="RUN_TIMEOUT", items_succeeded=0))
    write_log(tmp_path, attempt(3, attempt=2, worker="process001", node=1, agent="node-b"), name="other")

    write_report(tmp_path)

    processes = report(tmp_path, "process_summary")
    assert [(row["Node Id"], row["Process"], row["Mini-batches"], row["Attempts"]) for row in processes] == [
        ("0", "process000", "3", "4"),
        ("1", "process001", "1", "1"),
    ]
    assert processes[0]["Failed Attempts"] == "1"
    assert processes[0]["Elapsed Seconds"] == "8.000000"
    assert [(row["Node Id"], row["Ip Address"], row["Total"]) for row in report(tmp_path, "node_summary")] == [
        ("0", "node-a", "40"),
        ("1", "node-b", "10"),
    ]


def test_details_name_files_relative_to_the_input_folder(tmp_path: Path) -> None:
    for name in ("sub/0000001.txt", "0000000.txt", 'a"b,c.txt'):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    run_division(tmp_path / "in", tmp_path / "step", unit="plain", size=2)
    write_log(tmp_path / "step", attempt(0, 2))

    write_report(tmp_path / "step")

    assert [json.loads(row["Mini-batch Detail"]) for row in report(tmp_path / "step")] == [
        {"id": 0, "minibatch": ["0000000.txt", 'a"b,c.txt']},
        {"id": 1, "minibatch": ["sub/0000001.txt"]},
    ]


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("bytes", {"id": 2, "minibatch": [0], "location": "b", "partition_size": 8}),
        ("rows", {"id": 1, "minibatch": [1], "location": "b", "start": 2, "end": 8}),
    ],
)
def test_details_of_tables_say_where_they_lie(tmp_path: Path, unit: str, expected: dict[str, Any]) -> None:
    table = write_table(tmp_path / "in", {"a": "n\n" + "11\n" * 4, "b": "n\n11\n11\n"})
    run_division(table, tmp_path / "step", type="mltable", unit=unit, size=8)
    write_log(tmp_path / "step", attempt(0, 3 if unit == "bytes" else 2))

    write_report(tmp_path / "step")

    assert json.loads(report(tmp_path / "step")[-1]["Mini-batch Detail"]) == expected


def test_attempts_come_in_order_of_mini_batch_and_attempt_over_all_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts_module, "_LINES_PER_RUN", 7)  # Small runs, so that the sort is an external one.
    monkeypatch.setattr(attempts_module, "_OPEN_RUNS", 3)
    random_numbers = random.Random(4)
    expected = []
    for number in range(60):
        first, count, tries = random_numbers.randrange(50), random_numbers.randrange(1, 20), random_numbers.randrange(1, 4)
        write_log(tmp_path, attempt(first, count, attempt=tries), name=f"worker{number % 5}")
        expected += [(first + position, tries) for position in range(count)]

    found = [
        ((stretch.attempts.first or 0) + stretch.start + position, stretch.attempts.attempt)
        for stretch in in_mini_batch_order(sorted_attempts(tmp_path / "attempts"))
        for position in range(stretch.size)
    ]

    assert found == sorted(expected)


def test_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    write_log(tmp_path, attempt(0), attempt(1))
    path = tmp_path / "attempts" / "a.b.process000.jsonl"
    path.write_bytes(path.read_bytes()[:-40])

    write_report(tmp_path)

    assert [row["Mini-batch Id"] for row in report(tmp_path)] == ["0"]


def test_a_report_that_cannot_be_written_is_a_notice(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("in the way")

    [notice] = write_report(tmp_path)

    assert "could not be written" in notice


def test_columns_are_stored_as_short_as_they_can_be(tmp_path: Path) -> None:
    write_log(tmp_path, attempt(0, 1000, run_us=Column.repeat(7, 1000), load_us=Column.of(range(1000))))

    [found] = sorted_attempts(tmp_path / "attempts")
    assert found.run_us == 7
    assert found.load_us == list(range(1000))


def test_times_are_utc_with_microseconds() -> None:
    assert utc_time(100_000) == "1970-01-01T00:00:00.100000"
    assert utc_time(1_600_000_001_000_000) == "2020-09-13T12:26:41.000000"
