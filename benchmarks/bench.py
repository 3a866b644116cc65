"""What workloads are given: folders, tools, sizes; and where they put what they measure."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from benchmarks import peer
from benchmarks.environments import Peer
from benchmarks.fleet import Fleet
from benchmarks.peer import Done, RoundFailedError
from benchmarks.samples import OURS, Failure, Sample


@dataclass
class Bench:
    """`pythons`: the interpreter of each peer that takes part, by its name."""

    work: Path
    quick: bool
    rounds: int
    peers: tuple[Peer, ...]
    pythons: dict[str, Path]
    samples: list[Sample] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    def size(self, quick: int, full: int) -> int:
        return quick if self.quick else full

    def fleet(self) -> Fleet:
        return Fleet(self.work / "prs")

    def peer_round(
        self, each: Peer, spec: dict[str, Any], timeout_s: float = 300, meanwhile: Callable[[], None] | None = None
    ) -> Done:
        spec = {"output": str(self.work / "peer.rows"), **spec}
        command = peer.command_of(self.pythons[each.name], each.adapter, spec)
        return peer.round_of(command, self.work / "peers.log", timeout_s, meanwhile)

    @property
    def rows_of_peer(self) -> Path:
        return self.work / "peer.rows"

    def note(self, figure: str, tool: str, number: int, value: float) -> None:
        self.samples.append(Sample(figure, tool, number, value))
        print(f"  {figure:20} {tool:8} {value:,.3f}", file=sys.stderr, flush=True)

    def attempt(self, figure: str, tool: str, number: int, work: Callable[[], None]) -> None:
        """One round of one tool; that it failed is a result too."""
        try:
            work()
        except RoundFailedError as failed:
            self.failures.append(Failure(figure, tool, number, str(failed)))
            print(f"  {figure:20} {tool:8} {failed}", file=sys.stderr, flush=True)


class Workload(Protocol):
    """One of W1 to W8. `peers` are the names of those that can take part; `most_rounds` bounds what is slow."""

    key: str
    title: str
    figure: str  # under which a failed round is noted
    peers: frozenset[str]
    most_rounds: int

    def prepare(self, bench: Bench) -> None: ...
    def ours(self, bench: Bench, number: int) -> None: ...
    def theirs(self, bench: Bench, peer: Peer, number: int) -> None: ...


def run(bench: Bench, workload: Workload) -> None:
    """Interleaved: each round goes through all tools before the next round begins."""
    print(f"{workload.key}: {workload.title}", file=sys.stderr, flush=True)
    workload.prepare(bench)
    for number in range(min(bench.rounds, workload.most_rounds)):
        bench.attempt(workload.figure, OURS, number, lambda number=number: workload.ours(bench, number))  # type: ignore[misc]
        for each in bench.peers:
            if each.name in workload.peers:
                bench.attempt(
                    workload.figure,
                    each.name,
                    number,
                    lambda each=each, number=number: workload.theirs(bench, each, number),  # type: ignore[misc]
                )


def require(condition: bool, what: str) -> None:
    """The independent count of an output."""
    if not condition:
        raise RoundFailedError(what)
