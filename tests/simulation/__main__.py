"""python -m tests.simulation --worlds 2000"""

from __future__ import annotations

import argparse
import sys
import time

from tests.simulation.many import Outcome, Sum, outcomes
from tests.simulation.run import run_world


def main() -> int:
    """Run many worlds, or one again with its whole story."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--worlds", type=int, default=2000, help="how many seeds")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--seed", type=int, help="run this seed alone")
    parser.add_argument("--agents", choices=("ledger", "model"), help="these agents alone; otherwise the seed decides")
    parser.add_argument("--trace", action="store_true", help="print everything that happens")
    parser.add_argument("--keep-going", action="store_true", help="count failures instead of stopping at the first")
    parser.add_argument("--jobs", type=int, default=1, help="how many processes")
    given = parser.parse_args()
    ledgers = None if given.agents is None else given.agents == "ledger"
    if given.seed is not None:
        ending = run_world(given.seed, given.trace, ledgers)
        print(f"seed {ending.seed}: {ending.seconds:.1f} virtual seconds, story {ending.story:08x}")
        return 0
    started = time.monotonic()
    total = Sum()
    for outcome in outcomes(range(given.first_seed, given.first_seed + given.worlds), ledgers, given.jobs):
        total.add(outcome)
        if outcome.problem:
            _print_failure(outcome, given.agents)
            if not given.keep_going:
                return 1
    print(total.text(time.monotonic() - started))
    return 1 if total.failed else 0


def _print_failure(outcome: Outcome, agents: str | None) -> None:
    print(f"seed {outcome.seed}: {outcome.problem}")
    flavour = f" --agents {agents}" if agents else ""
    print(f"  replay: python -m tests.simulation --seed {outcome.seed}{flavour} --trace", flush=True)


if __name__ == "__main__":
    sys.exit(main())
