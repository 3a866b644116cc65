"""`python -m tests.oracle --engine PYTHON [--tables N] [--seed S]`: compare, print counts, fail for what has no name."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.oracle.cases import make_case
from tests.oracle.compare import differences
from tests.oracle.ours import answer

_PARTS_EVERY = 4


def main() -> int:
    """0 when every difference has a name."""
    parser = argparse.ArgumentParser(prog="python -m tests.oracle")
    parser.add_argument("--engine", required=True, help="an interpreter with mltable, azureml-dataprep and pandas")
    parser.add_argument("--tables", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, help="one table, by its number")
    arguments = parser.parse_args()
    numbers = range(arguments.tables) if arguments.only is None else [arguments.only]
    program = Path(__file__).with_name("engine.py")
    folder = Path(tempfile.mkdtemp(prefix="oracle-"))
    subjects: Counter[str] = Counter()
    kept: Counter[str] = Counter()
    wrong = parts = 0
    with subprocess.Popen(
        [arguments.engine, str(program)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=(folder / "engine.txt").open("w"),
        text=True,
        bufsize=1,
    ) as engine:
        assert engine.stdin is not None
        assert engine.stdout is not None
        for number in numbers:
            case = make_case(arguments.seed, number)
            table = folder / str(number)
            case.write(table)
            with_parts = not case.steps and "read_parquet" not in case.read and number % _PARTS_EVERY in (0, 1)
            engine.stdin.write(f"{table}{'+' if with_parts else ''}\n")
            theirs = json.loads(engine.stdout.readline())
            subjects.update(set(case.subjects))
            parts += with_parts
            for found in differences(case, theirs, answer(table)):
                if found.startswith("!"):
                    wrong += 1
                    print(f"{table} ({', '.join(case.subjects)}): {found}")
                else:
                    kept[found] += 1
        engine.stdin.close()
    print(f"seed {arguments.seed}: {len(numbers)} tables, {parts} of them by partitions; {wrong} differences without a name")
    for name, count in sorted(subjects.items()):
        print(f"{count:6}  {name}")
    print("differences that are kept on purpose:")
    for name, count in kept.most_common():
        print(f"{count:6}  {name}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
