"""Which faults, when and for how long: a pure function of a seed."""

from __future__ import annotations

import random
from dataclasses import dataclass

KILLS = ("daemon_kill", "agent_kill", "worker_kill", "spawner_kill")
FREEZES = ("daemon_freeze", "agent_freeze", "worker_freeze")
PARTITIONS = ("partition_stall", "partition_drop", "partition_reset")
DISKS = ("daemon_disk_full", "agent_disk_full")
KINDS = (*KILLS, *FREEZES, *PARTITIONS, *DISKS)

_LOSES_AGENTS = {*KINDS} - {"daemon_kill", "worker_kill", "daemon_freeze", "worker_freeze"}
_DIRECTIONS = (frozenset({"up"}), frozenset({"down"}), frozenset({"up", "down"}))


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. `at_s` counts from the submission; `lasts_s` is the time to the restart or the healing."""

    at_s: float
    kind: str
    agent: int
    lasts_s: float
    directions: frozenset[str] = frozenset()
    choice: float = 0.0  # in [0, 1): which of the workers

    def __str__(self) -> str:
        where = f" {'+'.join(sorted(self.directions))}" if self.directions else ""
        return f"{self.at_s:.2f} s {self.kind}{where} (agent {self.agent}) for {self.lasts_s:.2f} s"


@dataclass(frozen=True, slots=True)
class Plan:
    """What one seed asks for. `spare`: failed mini-batches that are tolerated beyond those that always fail; None: all."""

    seed: int
    agents: int
    is_of_files: bool
    spare: int | None
    faults: tuple[Fault, ...]

    def has(self, *kinds: str) -> bool:
        return any(fault.kind in kinds for fault in self.faults)


def plan(seed: int, mini_batches: int, has_disks: bool) -> Plan:
    """Draw a run. A third of the seeds use one kind of fault alone, the others mix several."""
    drawn = random.Random(seed)
    agents = drawn.choice((2, 2, 3))
    is_of_files = drawn.random() < 0.5
    kinds = drawn.sample(KINDS, drawn.choice((1, 1, 2, 3, 5, len(KINDS))))
    spare = drawn.choice((None, None, None, 0, -1))
    # The job alone would take about so long; faults make it longer.
    span_s = (mini_batches * 0.006 / (2 * agents) + 0.5) * drawn.choice((1, 2))
    faults = [_fault(drawn, drawn.choice(kinds), agents, span_s) for _ in range(drawn.randint(3, 8))]
    if not has_disks:
        faults = [fault for fault in faults if fault.kind not in DISKS]
    if spare is not None:
        faults = _sparing(faults)
    return Plan(seed, agents, is_of_files, spare, tuple(sorted(faults, key=lambda fault: fault.at_s)))


def _fault(drawn: random.Random, kind: str, agents: int, span_s: float) -> Fault:
    longest_s = 1.0 if kind in KILLS else 2.0 if kind in DISKS else drawn.choice((0.5, 2.0, 5.0))
    at_s = drawn.uniform(0, 0.5) if kind == "agent_disk_full" else drawn.uniform(0, span_s)
    directions = drawn.choice(_DIRECTIONS) if kind in PARTITIONS else frozenset()
    return Fault(at_s, kind, drawn.randrange(agents), drawn.uniform(0.0, longest_s), directions, drawn.random())


def _sparing(faults: list[Fault]) -> list[Fault]:
    """Where every failed mini-batch counts, at most two agents are lost: the third loss fails a mini-batch for good."""
    losing = [fault for fault in faults if fault.kind in _LOSES_AGENTS]
    return [fault for fault in faults if fault.kind not in _LOSES_AGENTS] + [f for f in losing if f.kind not in DISKS][:2]
