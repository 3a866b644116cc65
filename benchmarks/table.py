"""The results as Markdown. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.figures import FIGURES, Figure
from benchmarks.samples import OURS, Failure, Sample, Summary, ratio, summary_of
from benchmarks.targets import Verdict, verdicts


def number(value: float) -> str:
    """Three significant digits, thousands separated."""
    if abs(value) >= 100:
        digits = len(str(int(abs(value)))) - 3
        return f"{round(value, -digits):,.0f}"
    return f"{value:.3g}"


def cell(found: Summary) -> str:
    """Median and, when there is one, the spread."""
    if found.rounds == 1:
        return number(found.median)
    return f"{number(found.median)} ({number(found.low)}–{number(found.high)})"


def results_table(samples: Sequence[Sample], failures: Sequence[Failure]) -> str:
    """A row for each measured figure, a column for each tool: median (spread); beneath a peer's median, ours over theirs."""
    tools = _tools(samples, failures)
    lines = ["| workload | figure | " + " | ".join(tools) + " |", "|---" * (2 + len(tools)) + "|"]
    for figure in FIGURES:
        if any(each.figure == figure.key for each in samples):
            cells = [_cell(figure, tool, samples, failures) for tool in tools]
            unit = f", {figure.unit}" if figure.unit else ""
            lines.append(f"| {figure.workload} | {figure.title}{unit} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def targets_table(samples: Sequence[Sample]) -> str:
    lines = ["| workload | target | reached | |", "|---|---|---|---|"]
    lines += [_target_line(each) for each in verdicts(samples)]
    return "\n".join(lines) + "\n"


def _target_line(verdict: Verdict) -> str:
    met = "met" if verdict.is_met else "**not met**"
    return f"| {verdict.target.workload} | {verdict.target.text} | {number(verdict.reached)} | {met} |"


def _tools(samples: Sequence[Sample], failures: Sequence[Failure]) -> list[str]:
    """Ours first, the others in the order in which they came."""
    seen = dict.fromkeys([*(each.tool for each in samples), *(each.tool for each in failures)])
    return [OURS, *(tool for tool in seen if tool != OURS)]


def _cell(figure: Figure, tool: str, samples: Sequence[Sample], failures: Sequence[Failure]) -> str:
    found = summary_of(samples, figure.key, tool)
    reasons = [each.reason for each in failures if (each.figure, each.tool) == (figure.key, tool)]
    if found is None:
        return reasons[0].partition(":")[0] if reasons else "–"
    text = cell(found)
    if tool != OURS and (ours_over := ratio(samples, figure.key, tool)) is not None:
        text += f" · {number(ours_over)}×"
    return f"{text}; {len(reasons)} failed" if reasons else text
