"""Is what was published what had to be? Standard library only: nothing of the product may help to judge it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

_MOST_FLIPPED_BYTES = 8

ROW_FINDINGS = frozenset({"missing", "doubled", "torn", "altered", "swapped", "foreign"})
"""The kinds of findings that are about the published rows themselves."""

Place = tuple[int, int]
"""A mini-batch's index, and the number of the row in it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong. `kind`: one of ROW_FINDINGS, or state, count, output, process, stuck, verify."""

    kind: str
    what: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.what}"


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a job has to publish.

    `rows` are those of every mini-batch that the script lets succeed, each with its newline and unlike any other.
    `failing` always fail. `excused` may be absent: three agents were lost under them, which fails a mini-batch for good.
    `threshold` is the number of failed mini-batches that is tolerated; -1: all.
    """

    rows: Mapping[int, Sequence[bytes]]
    failing: AbstractSet[int]
    threshold: int = -1
    excused: AbstractSet[int] = frozenset()

    @property
    def total(self) -> int:
        return len(self.rows) + len(self.failing)


def judge(expected: Expectation, job: Mapping[str, Any], published: bytes | None) -> list[Finding]:
    """Everything that is wrong with a finished job: `job` is what the client shows of it, `published` the output's bytes."""
    is_over = 0 <= expected.threshold < len(expected.failing)
    may_be_over = 0 <= expected.threshold < len(expected.failing) + len(expected.excused)
    state = job["state"]
    if state == "Failed" and may_be_over:
        return _judge_failed(expected, job, published)
    if state != "Completed" or is_over:
        wanted = "Failed" if is_over else "Completed"
        return [Finding("state", f"the job is {state} and not {wanted}: {_reason(job)}")]
    if published is None:
        return [Finding("output", "the job is Completed and nothing was published")]
    absent = _absent(expected, published)
    kept = {index: rows for index, rows in expected.rows.items() if index not in absent}
    failed = int(_counts(job)["failed"])
    findings = judge_rows(kept, published) + _judge_counts(expected, job, len(expected.failing), len(absent))
    if 0 <= expected.threshold < failed:
        findings.append(Finding("state", f"{failed} mini-batches failed, {expected.threshold} are tolerated, yet Completed"))
    return findings


def _absent(expected: Expectation, published: bytes) -> set[int]:
    """The excused mini-batches of which nothing is there. (One without rows is told by the counts alone.)"""
    lines = set(published.splitlines(keepends=True))
    return {index for index in expected.excused if not lines.intersection(expected.rows.get(index, ()))}


def _judge_failed(expected: Expectation, job: Mapping[str, Any], published: bytes | None) -> list[Finding]:
    findings = []
    failed = int(_counts(job)["failed"])
    if not expected.threshold < failed <= len(expected.failing) + len(expected.excused):
        findings.append(Finding("count", f"Failed with {failed} failed mini-batches at a threshold of {expected.threshold}"))
    if published is not None:
        findings.append(Finding("output", "the job is Failed and something was published"))
    return findings


def _judge_counts(expected: Expectation, job: Mapping[str, Any], failing: int, absent: int) -> list[Finding]:
    counts = _counts(job)
    rowless = sum(1 for index in expected.excused if not expected.rows.get(index))
    findings = []
    if counts["total"] != expected.total:
        findings.append(Finding("count", f"{counts['total']} mini-batches in total, not {expected.total}"))
    # An excused mini-batch without rows looks the same in the output whether it failed or not.
    if not failing + absent - rowless <= counts["failed"] <= failing + absent:
        findings.append(Finding("count", f"{counts['failed']} failed mini-batches, not {failing + absent}"))
    if counts["succeeded"] + counts["failed"] != expected.total:
        findings.append(Finding("count", f"succeeded and failed do not add up: {dict(counts)}"))
    return findings


def _counts(job: Mapping[str, Any]) -> Mapping[str, int]:
    counts: Mapping[str, int] = job["steps"][0]["mini_batches"]
    return counts


def _reason(job: Mapping[str, Any]) -> str:
    return str(job["steps"][0].get("error") or job.get("error") or "no reason given")[:500]


def judge_rows(expected: Mapping[int, Sequence[bytes]], published: bytes) -> list[Finding]:
    """Every expected row is there exactly once, whole, in order, and nothing else is."""
    ordered = [(index, number) for index in sorted(expected) for number in range(len(expected[index]))]
    place_of = {expected[index][number]: (index, number) for index, number in ordered}
    assert len(place_of) == len(ordered), "two expected rows are alike"
    lines = published.splitlines(keepends=True)
    found = [place_of[line] for line in lines if line in place_of]
    counts = Counter(found)
    missing = {place: expected[place[0]][place[1]] for place in ordered if place not in counts}
    findings = [Finding("doubled", f"{_named(place)} is there {n} times") for place, n in counts.items() if n > 1]
    findings += _swapped(found)
    findings += [_unknown(line, missing) for line in lines if line not in place_of]
    findings += [Finding("missing", f"{_named(place)} is not there") for place in missing]
    return findings


def _swapped(found: Sequence[Place]) -> list[Finding]:
    firsts = list(dict.fromkeys(found))
    return [
        Finding("swapped", f"{_named(second)} comes after {_named(first)}")
        for first, second in pairwise(firsts)
        if second < first
    ]


def _unknown(line: bytes, missing: dict[Place, bytes]) -> Finding:
    """What a line that nobody returned may be; the row that it was is taken from `missing`."""
    bare = line.rstrip(b"\n")
    for place, row in missing.items():
        if len(row) == len(line) and sum(a != b for a, b in zip(row, line, strict=True)) <= _MOST_FLIPPED_BYTES:
            del missing[place]
            return Finding("altered", f"{_named(place)} reads {bare[:60]!r}")
        if bare and (row.startswith(bare) or row.endswith(line)):
            del missing[place]
            return Finding("torn", f"{_named(place)}: only {len(bare)} of {len(row) - 1} bytes, {bare[:60]!r}")
    return Finding("foreign", f"no mini-batch that may be there returned {bare[:60]!r}")


def _named(place: Place) -> str:
    return f"row {place[1]} of mini-batch {place[0]}"
