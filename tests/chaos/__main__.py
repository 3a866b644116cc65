"""python -m tests.chaos --runs 200 --seed 1"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial

from tests.chaos.faults import KINDS
from tests.chaos.pool import each
from tests.chaos.run import Verdict, run

MINI_BATCHES = 1500


def main() -> int:
    """Run many seeds, or one again; 1 when anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="Chaos over the real programs.")
    parser.add_argument("--runs", type=int, default=200, help="how many seeds")
    parser.add_argument("--seed", type=int, default=1, help="the first of them")
    parser.add_argument("--mini-batches", type=int, default=MINI_BATCHES)
    parser.add_argument("--only-seed", type=int, help="run this seed alone, and keep its folder")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time")
    given = parser.parse_args()
    started = time.monotonic()
    if given.only_seed is not None:
        verdicts = [run(given.only_seed, given.mini_batches, keep=True)]
        _print_story(verdicts[0])
    else:
        verdicts = _run_all(range(given.seed, given.seed + given.runs), given.mini_batches, given.jobs)
    print_table(verdicts)
    print(f"{len(verdicts)} runs in {time.monotonic() - started:.0f} s")
    return 1 if any(verdict.findings for verdict in verdicts) else 0


def _run_all(seeds: Sequence[int], mini_batches: int, jobs: int) -> list[Verdict]:
    verdicts = []
    for verdict in each(partial(run, mini_batches=mini_batches), seeds, jobs):
        verdicts.append(verdict)
        if verdict.findings:
            _print_failure(verdict, mini_batches)
        if len(verdicts) % 20 == 0:
            print_table(verdicts)
    return verdicts


def _print_failure(verdict: Verdict, mini_batches: int) -> None:
    print(
        f"seed {verdict.plan.seed}: {len(verdict.findings)} findings, {verdict.state or 'no end'}, kept in {verdict.folder}"
    )
    for finding in verdict.findings[:5]:
        print(f"  {finding}")
    print(f"  {verdict.evidence}")
    print(f"  replay: python -m tests.chaos --only-seed {verdict.plan.seed} --mini-batches {mini_batches}", flush=True)


def _print_story(verdict: Verdict) -> None:
    for fault in verdict.plan.faults:
        print(f"  {fault}")
    print(f"  {verdict.state}, {verdict.evidence}")
    print(f"  ended by themselves: {dict(verdict.exits) or 'none'}; took {verdict.took_s:.1f} s; kept in {verdict.folder}")
    for finding in verdict.findings:
        print(f"  {finding}")


def print_table(verdicts: Sequence[Verdict]) -> None:
    """What was injected and what it changed, then what the judge found."""
    injected: Counter[str] = Counter(kind for verdict in verdicts for kind in verdict.struck)
    print(f"{'fault':18} {'injected':>8} {'in runs':>8} {'changed':>8} {'alone in':>9} {'changed':>8}")
    for kind in KINDS:
        runs = [verdict for verdict in verdicts if kind in verdict.struck]
        alone = [verdict for verdict in runs if set(verdict.struck) == {kind}]
        changed, changed_alone = (sum(verdict.is_changed for verdict in group) for group in (runs, alone))
        print(f"{kind:18} {injected[kind]:8} {len(runs):8} {changed:8} {len(alone):9} {changed_alone:8}")
    quiet = [verdict for verdict in verdicts if not verdict.struck]
    print(f"{'no fault':18} {0:8} {len(quiet):8} {sum(verdict.is_changed for verdict in quiet):8}")
    kinds = Counter(finding.kind for verdict in verdicts for finding in verdict.findings)
    good = sum(not verdict.findings for verdict in verdicts)
    states = Counter(verdict.state or "no end" for verdict in verdicts)
    excused = sum(len(verdict.evidence.excused) for verdict in verdicts)
    print(f"{good} of {len(verdicts)} runs verified ({', '.join(f'{count} {state}' for state, count in states.items())})")
    print(f"rows lost {kinds['missing'] + kinds['torn']}, doubled {kinds['doubled']}, all findings: {dict(kinds) or 'none'}")
    print(f"proven by `job verify`: {sum(verdict.is_proven for verdict in verdicts)}")
    print(f"mini-batches that lost three agents, and may fail by that: {excused}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
