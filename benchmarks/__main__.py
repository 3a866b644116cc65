"""`make bench`: W1 to W8 side by side with other tools, interleaved in one run."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks import environments, machine, picture, processes, table
from benchmarks.bench import Bench, run
from benchmarks.environments import PEERS, Peer, UnavailableError
from benchmarks.targets import verdicts
from benchmarks.workloads import WORKLOADS

_KEYS = tuple(workload.key for workload in WORKLOADS)
_NAMES = tuple(peer.name for peer in PEERS)


def _names(known: Sequence[str]) -> object:
    def parse(text: str) -> tuple[str, ...]:
        chosen = tuple(filter(None, text.split(",")))
        if unknown := [each for each in chosen if each not in known]:
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: not one of {', '.join(known)}")
        return chosen

    return parse


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__, allow_abbrev=False)
    parser.add_argument("--quick", action="store_true", help="a few minutes: small sizes, 3 rounds, bare, pool and ray")
    parser.add_argument("--only", type=_names(_KEYS), default=_KEYS, metavar="W1,W3", help="these workloads")  # type: ignore[arg-type]
    parser.add_argument("--peers", type=_names(_NAMES), metavar="pool,ray", help=f"of {', '.join(_NAMES)}")  # type: ignore[arg-type]
    parser.add_argument("--rounds", type=int, help="how often each tool has its turn (default: 3 when quick, else 5)")
    parser.add_argument("--cache", type=Path, default=Path(".bench"), help="environments, inputs and results")
    return parser.parse_args(argv)


def main() -> None:
    given = parse()
    cache: Path = given.cache.resolve()
    (cache / "work").mkdir(parents=True, exist_ok=True)
    chosen = [
        peer for peer in PEERS if (peer.name in given.peers if given.peers is not None else peer.quick or not given.quick)
    ]
    pythons, versions = _installed(chosen, cache / "environments")
    described = machine.describe()
    # With it every process would compile our sources anew, while those of the installed tools are compiled already.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    processes.become_reaper()
    rounds = given.rounds or (3 if given.quick else 5)
    bench = Bench(cache / "work", given.quick, rounds, tuple(peer for peer in chosen if peer.name in pythons), pythons)
    began = time.time()
    try:
        for workload in WORKLOADS:
            if workload.key in given.only:
                run(bench, workload)
    except KeyboardInterrupt:
        print("interrupted: what was measured so far follows", file=sys.stderr)
    finally:
        processes.end_all_below()
    _write(bench, described, versions, began, cache / "results")


def _installed(chosen: Sequence[Peer], cache: Path) -> tuple[dict[str, Path], dict[str, str]]:
    """Interpreters and versions of the peers that can take part; the others are named with the reason."""
    pythons: dict[str, Path] = {}
    versions: dict[str, str] = {}
    for peer in chosen:
        try:
            pythons[peer.name] = environments.python_of(peer, cache)
            versions[peer.name] = environments.version_of(peer, pythons[peer.name])
        except UnavailableError as unavailable:
            print(f"without {peer.name}: {unavailable}", file=sys.stderr)
    return pythons, versions


def _write(bench: Bench, described: dict[str, object], versions: dict[str, str], began: float, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    mode = "quick" if bench.quick else "full"
    words = machine.in_words(described)
    document = {
        "began": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(began)),
        "mode": mode,
        "machine": described,
        "versions": versions,
        "samples": [asdict(each) for each in bench.samples],
        "failures": [asdict(each) for each in bench.failures],
        "targets": [
            {"workload": each.target.workload, "text": each.target.text, "reached": each.reached, "met": each.is_met}
            for each in verdicts(bench.samples)
        ],
    }
    (folder / f"{mode}.json").write_text(json.dumps(document, indent=1) + "\n")
    tables = [table.results_table(bench.samples, bench.failures), table.targets_table(bench.samples)]
    peers = ", ".join(f"{name} {version}" for name, version in versions.items())
    text = f"Measured on {words}; {mode}, up to {bench.rounds} rounds; {peers}.\n\n" + "\n".join(tables)
    (folder / f"{mode}.md").write_text(text)
    (folder / f"{mode}.svg").write_text(picture.svg(bench.samples, words))
    print(text)
    print(f"in {folder}: {mode}.json, {mode}.md, {mode}.svg", file=sys.stderr)


if __name__ == "__main__":
    main()
