"""Sessions of agents, as far as the core knows them."""

from __future__ import annotations

from dataclasses import dataclass, field

from prsd.core.vocabulary import Phase, StepId
from prsd.core.work import Holding, Instance


@dataclass(slots=True)
class Session:
    """One Hello of one boot. It lives until its deadline, also while no stream is attached."""

    id: str
    agent: str
    boot: str
    compute: str
    slots: int
    heard_at: float
    deadline: float
    is_attached: bool = True
    is_draining: bool = False
    leases: dict[int, Holding] = field(default_factory=dict)  # by token, of every phase
    instances: dict[StepId, Instance] = field(default_factory=dict)

    @property
    def free_slots(self) -> int:
        return self.slots - sum(instance.workers for instance in self.instances.values())

    @property
    def takes_new_work(self) -> bool:
        return self.is_attached and not self.is_draining

    def serves(self, compute: str) -> bool:
        """Whether a step of this compute may run here; "" is any agent."""
        return compute in ("", self.compute)

    def held(self, step: StepId) -> int:
        """How many mini-batches of this step it holds."""
        return sum(len(lease.remaining) for lease in self.leases.values() if lease.step == step and lease.phase is Phase.RUN)
