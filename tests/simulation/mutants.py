"""python -m tests.simulation.mutants: planted bugs, and the first seed whose world notices each of them.

A mutant replaces one method of the core, the ledger or a shell while a world runs. One that no seed catches means that an
oracle is blind. `--without-checks` turns the core's own invariants off: then what is seen from outside must do.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

from tests.simulation.planted_agent import AGENT_MUTANTS
from tests.simulation.planted_core import CORE_MUTANTS
from tests.simulation.run import run_world

Mutant = Callable[[ExitStack], None]
MUTANTS: dict[str, Mutant] = {**CORE_MUTANTS, **AGENT_MUTANTS}


def caught(name: str, seed: int, checks: bool = True) -> str:
    """What notices the mutant in this world; empty when nothing does."""
    with ExitStack() as patches:
        MUTANTS[name](patches)
        if not checks:
            patches.enter_context(patch("prsd.core.core.Core.check", lambda _: None))
        try:
            run_world(seed, ledgers=True)
        except Exception as problem:
            return f"{type(problem).__name__}: {problem}".splitlines()[0]
    return ""


def first_catch(name: str, seeds: range, checks: bool = True) -> tuple[int, str]:
    """The first seed that catches the mutant, and how; (-1, "") when none does."""
    for seed in seeds:
        how = caught(name, seed, checks)
        if how:
            return seed, how
    return -1, ""


def main() -> int:
    """Try them all, or those that are named."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.mutants", description=__doc__)
    parser.add_argument("names", nargs="*", help="these mutants alone")
    parser.add_argument("--worlds", type=int, default=1000, help="how many seeds to try for each")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--without-checks", action="store_true", help="turn the core's own invariants off")
    arguments: Any = parser.parse_args()
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.worlds)
    missed = 0
    for name in arguments.names or MUTANTS:
        seed, how = first_catch(name, seeds, not arguments.without_checks)
        missed += seed < 0
        print(f"{name:44} {'NOT CAUGHT' if seed < 0 else f'seed {seed}':>12}  {how[:150]}", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
