"""Many worlds, in one process or several, and what they came to together."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

from tests.simulation.run import MARKS, run_world


@dataclass(frozen=True)
class Outcome:
    """What one world came to."""

    seed: int
    counts: Counter[str]
    seconds: float
    problem: str = ""


@dataclass
class Sum:
    """What many worlds came to."""

    worlds: int = 0
    failed: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    virtual_s: float = 0.0

    def add(self, outcome: Outcome) -> None:
        """One world more."""
        self.worlds += 1
        self.failed += bool(outcome.problem)
        self.counts.update(outcome.counts)
        self.virtual_s += outcome.seconds

    def text(self, real_s: float) -> str:
        """A table of everything that happened."""
        hours = self.virtual_s / 3600
        lines = [f"{self.worlds} worlds, {self.failed} failed, {hours:.1f} virtual hours in {real_s:.1f} s"]
        for name in sorted(self.counts):
            count, mark = self.counts[name], " (mark)" if name in MARKS else ""
            lines.append(f"  {name:32} {count:>9}  {1000 * count / self.worlds:>10.1f} per 1,000 worlds{mark}")
        missing = [mark for mark in MARKS if not self.counts[mark]]
        return "\n".join([*lines, f"  marks that never occurred: {', '.join(missing) or 'none'}"])


def outcomes(seeds: range, ledgers: bool | None, jobs: int) -> Iterator[Outcome]:
    """Those of all these worlds, in order."""
    call = partial(outcome, ledgers=ledgers)
    if jobs == 1:
        yield from map(call, seeds)
        return
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        yield from pool.imap(call, seeds, chunksize=20)


def outcome(seed: int, ledgers: bool | None) -> Outcome:
    """Run one world and never raise."""
    try:
        ending = run_world(seed, ledgers=ledgers)
    except Exception as problem:
        return Outcome(seed, Counter(), 0.0, f"{type(problem).__name__}: {problem}")
    return Outcome(seed, ending.counts, ending.seconds)
