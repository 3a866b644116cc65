"""python -m tests.simulation --worlds 2000"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections import Counter

from tests.simulation.run import MARKS, run_world


def main() -> int:
    """Run many worlds, or one again with its whole story."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--worlds", type=int, default=2000, help="how many seeds")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--seed", type=int, help="run this seed alone")
    parser.add_argument("--trace", action="store_true", help="print everything that happens")
    parser.add_argument("--keep-going", action="store_true", help="count failures instead of stopping at the first")
    arguments = parser.parse_args()
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.worlds)
    if arguments.seed is not None:
        seeds = range(arguments.seed, arguments.seed + 1)
    return _run(seeds, arguments.trace, arguments.keep_going)


def _run(seeds: range, is_tracing: bool, keep_going: bool) -> int:
    counts: Counter[str] = Counter()
    failed = 0
    virtual_s = 0.0
    started = time.monotonic()
    for seed in seeds:
        try:
            ending = run_world(seed, is_tracing)
        except Exception as problem:
            failed += 1
            print(f"seed {seed}: {type(problem).__name__}: {problem}")
            print(f"  replay: python -m tests.simulation --seed {seed} --trace")
            if not keep_going:
                traceback.print_exc()
                return 1
            continue
        counts.update(ending.counts)
        virtual_s += ending.seconds
    _print(len(seeds), failed, counts, virtual_s, time.monotonic() - started)
    return 1 if failed else 0


def _print(worlds: int, failed: int, counts: Counter[str], virtual_s: float, real_s: float) -> None:
    print(f"{worlds} worlds, {failed} failed, {virtual_s / 3600:.1f} virtual hours in {real_s:.1f} s")
    for name in sorted(counts):
        mark = " (mark)" if name in MARKS else ""
        print(f"  {name:32} {counts[name]:>9}  {1000 * counts[name] / worlds:>10.1f} per 1,000 worlds{mark}")


if __name__ == "__main__":
    sys.exit(main())
