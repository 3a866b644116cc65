"""What each workload should reach, and whether it did. Pure.

A target is judged by medians, and by ratios of the same rounds where it speaks of other tools.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.figures import BY_KEY
from benchmarks.samples import OURS, Sample, best, ratio, summary_of

Measure = Callable[[Sequence[Sample]], float | None]


@dataclass(frozen=True, slots=True)
class Target:
    """`reached` is compared with `bound`; for `at_most` the smaller is the better."""

    workload: str
    text: str
    measure: Measure
    bound: float
    at_most: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    target: Target
    reached: float

    @property
    def is_met(self) -> bool:
        return self.reached <= self.target.bound if self.target.at_most else self.reached >= self.target.bound


def verdicts(samples: Sequence[Sample], workload: str | None = None) -> list[Verdict]:
    """Of the targets whose figures were measured, of one workload or of all."""
    chosen = [target for target in TARGETS if workload in (None, target.workload)]
    return [Verdict(each, reached) for each in chosen if (reached := each.measure(samples)) is not None]


def _median(figure: str) -> Measure:
    def measure(samples: Sequence[Sample]) -> float | None:
        found = summary_of(samples, figure, OURS)
        return found.median if found else None

    return measure


def _over(figure: str, tool: str) -> Measure:
    return lambda samples: ratio(samples, figure, tool)


def _over_best_peer(figure: str) -> Measure:
    def measure(samples: Sequence[Sample]) -> float | None:
        peers = {each.tool for each in samples} - {OURS, "bare"}
        winner = best(samples, figure, peers, higher_is_better=BY_KEY[figure].higher_is_better)
        return ratio(samples, figure, winner) if winner else None

    return measure


def _above_import(samples: Sequence[Sample]) -> float | None:
    client, bare = _median("W6.client")(samples), _median("W6.import")(samples)
    return client - bare if client is not None and bare is not None else None


TARGETS = (
    Target("W1", "≥ 200,000 /s", _median("W1.rate"), 200_000),
    Target("W1", "moonshot: ≥ 1.5 × the Pool with chunks of 100", _over("W1.rate_chunked", "pool"), 1.5),
    Target("W1", "moonshot: whole tree ≤ 2.5 µs of CPU a mini-batch", _median("W1.cpu"), 2.5, at_most=True),
    Target("W2", "≥ 0.97 of the ideal", _median("W2.share"), 0.97),
    Target("W2", "ahead of the Pool in the same run", _over("W2.share", "pool"), 1.0),
    Target("W2", "whole tree's CPU ≤ 1.02 × run() alone", _median("W2.cpu"), 1.02, at_most=True),
    Target("W3", "CSV: ≥ the best peer", _over_best_peer("W3.csv"), 1.0),
    Target("W3", "CSV: ≥ 0.93 × two bare processes", _over("W3.csv", "bare"), 0.93),
    Target("W3", "Parquet: ≥ the best peer", _over_best_peer("W3.parquet"), 1.0),
    Target("W3", "Parquet: ≥ 0.93 × two bare processes", _over("W3.parquet", "bare"), 0.93),
    Target("W4", "≥ 20,000 mini-batches/s", _median("W4.rate"), 20_000),
    Target("W5", "≤ 1.15 × the ideal", _median("W5.time"), 1.15, at_most=True),
    Target("W5", "0 lost", _median("W5.lost"), 0, at_most=True),
    Target("W5", "0 doubled", _median("W5.doubled"), 0, at_most=True),
    Target("W6", "≤ 15 ms warm", _median("W6.warm"), 15, at_most=True),
    Target("W6", "a new client within 80 ms of `import grpc`", _above_import, 80, at_most=True),
    Target("W7", "≤ 1.0 s", _median("W7.cold"), 1.0, at_most=True),
    Target("W8", "daemon ≤ 150 MB", _median("W8.memory"), 150, at_most=True),
    Target("W8", "database ≤ 300 MB", _median("W8.database"), 300, at_most=True),
    Target("W8", "restart ≤ 15 s", _median("W8.restart"), 15, at_most=True),
)
