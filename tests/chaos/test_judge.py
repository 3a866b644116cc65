"""The judge must name what is wrong: a judge that sees nothing makes every run look well."""

from __future__ import annotations

from typing import Any

import pytest

from tests.chaos.entry_script import rows_of
from tests.chaos.judge import Expectation, judge, judge_rows

ROWS = {index: [f"{row}\n".encode() for row in rows_of(7, index)] for index in range(40)}
LINES = [row for index in sorted(ROWS) for row in ROWS[index]]
WHOLE = b"".join(LINES)


def job(state: str = "Completed", total: int = 42, failed: int = 2) -> dict[str, Any]:
    counts = {"total": total, "succeeded": total - failed, "failed": failed, "retried": 0}
    return {"state": state, "error": "", "steps": [{"mini_batches": counts, "error": ""}]}


EXPECTED = Expectation(ROWS, failing={40, 41})


def kinds(published: bytes) -> list[str]:
    return [finding.kind for finding in judge_rows(ROWS, published)]


def test_what_is_right_is_found_right() -> None:
    assert judge_rows(ROWS, WHOLE) == []
    assert judge(EXPECTED, job(), WHOLE) == []


def without(number: int, count: int = 1) -> bytes:
    return b"".join(LINES[:number] + LINES[number + count :])


def flipped(at: int) -> bytes:
    return WHOLE[:at] + bytes([WHOLE[at] ^ 1]) + WHOLE[at + 1 :]


@pytest.mark.parametrize(
    ("damaged", "expected"),
    [
        (flipped(30), ["altered"]),
        (WHOLE + LINES[5], ["doubled"]),
        (b"".join([*LINES[:6], LINES[5], *LINES[6:]]), ["doubled"]),
        (without(9), ["missing"]),
        (without(0, 3), ["missing"] * 3),
        (WHOLE[: -len(LINES[-1]) // 2], ["torn"]),
        (WHOLE[10:], ["torn"]),
        (b"".join([*LINES[:4], LINES[5], LINES[4], *LINES[6:]]), ["swapped"]),
        (WHOLE + b"0000040 0/1 of one that always fails\n", ["foreign"]),
        (b"", ["missing"] * len(LINES)),
    ],
    ids=[
        "flipped",
        "doubled_late",
        "doubled",
        "missing",
        "missing_3",
        "torn_end",
        "torn_start",
        "swapped",
        "foreign",
        "empty",
    ],
)
def test_each_damage_of_the_rows_is_named(damaged: bytes, expected: list[str]) -> None:
    assert kinds(damaged) == expected


def test_a_finding_names_row_and_mini_batch() -> None:
    number = next(n for n, line in enumerate(LINES) if line.startswith(b"0000008 1/"))
    assert [str(finding) for finding in judge_rows(ROWS, without(number))] == ["missing: row 1 of mini-batch 8 is not there"]


@pytest.mark.parametrize(
    ("shown", "published", "expected"),
    [
        (job(failed=3), WHOLE, ["count"]),
        (job(total=41), WHOLE, ["count", "count"]),
        (job("Failed"), None, ["state"]),
        (job("Running"), WHOLE, ["state"]),
        (job(), None, ["output"]),
    ],
    ids=["failed_too_many", "total", "failed", "unfinished", "unpublished"],
)
def test_counts_and_state_are_judged(shown: dict[str, Any], published: bytes | None, expected: list[str]) -> None:
    assert [finding.kind for finding in judge(EXPECTED, shown, published)] == expected


def test_a_threshold_that_is_exceeded_must_fail_the_job_and_publish_nothing() -> None:
    strict = Expectation(ROWS, failing={40, 41}, threshold=1)
    assert judge(strict, job("Failed"), None) == []
    assert [finding.kind for finding in judge(strict, job("Failed"), WHOLE)] == ["output"]
    assert [finding.kind for finding in judge(strict, job(), WHOLE)] == ["state"]
    assert [finding.kind for finding in judge(strict, job("Failed", failed=1), None)] == ["count"]


def test_an_excused_mini_batch_is_absent_as_a_whole_and_counted_or_there_as_a_whole() -> None:
    excused = Expectation(ROWS, failing={40, 41}, excused={8})
    assert len(ROWS[8]) > 1
    kept = b"".join(row for index in sorted(ROWS) if index != 8 for row in ROWS[index])
    half = kept.replace(LINES[0], LINES[0] + ROWS[8][0])

    def found(shown: dict[str, Any], published: bytes) -> set[str]:
        return {finding.kind for finding in judge(excused, shown, published)}

    assert found(job(failed=3), kept) == set()
    assert found(job(), WHOLE) == set()
    assert found(job(), kept) == {"count"}
    assert "missing" in found(job(), half)
