"""What was measured, and the little arithmetic on it. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

OURS = "prs"


@dataclass(frozen=True, slots=True)
class Sample:
    """One measured value of one tool; its figure's unit is in `figures`."""

    figure: str
    tool: str
    round: int
    value: float


@dataclass(frozen=True, slots=True)
class Failure:
    """A tool that did not come through a round; it takes part in no ratio."""

    figure: str
    tool: str
    round: int
    reason: str


@dataclass(frozen=True, slots=True)
class Summary:
    median: float
    low: float
    high: float
    rounds: int


def summary(values: Sequence[float]) -> Summary:
    """Median and spread; ValueError without values."""
    if not values:
        raise ValueError("nothing was measured, so there is no median")
    return Summary(statistics.median(values), min(values), max(values), len(values))


def values_of(samples: Iterable[Sample], figure: str, tool: str) -> dict[int, float]:
    """By round."""
    return {each.round: each.value for each in samples if (each.figure, each.tool) == (figure, tool)}


def summary_of(samples: Iterable[Sample], figure: str, tool: str) -> Summary | None:
    values = list(values_of(samples, figure, tool).values())
    return summary(values) if values else None


def ratio(samples: Sequence[Sample], figure: str, over: str, under: str = OURS) -> float | None:
    """The median of the ratios `under`/`over` of each round: rounds are interleaved, so a slow moment of the machine that
    lasts longer than a round is in both. None where they have no round in common."""
    ours, theirs = values_of(samples, figure, under), values_of(samples, figure, over)
    ratios = [ours[each] / theirs[each] for each in ours.keys() & theirs.keys() if theirs[each]]
    return statistics.median(ratios) if ratios else None


def best(samples: Sequence[Sample], figure: str, tools: Iterable[str], *, higher_is_better: bool) -> str | None:
    """The tool with the best median."""
    medians = {tool: found.median for tool in tools if (found := summary_of(samples, figure, tool)) is not None}
    if not medians:
        return None
    return (max if higher_is_better else min)(medians, key=lambda tool: medians[tool])
