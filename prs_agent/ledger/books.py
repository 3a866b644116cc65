"""Everything that the agent knows, and the commands of the event at hand. Every module of the ledger works on it."""

from __future__ import annotations

from dataclasses import dataclass

from prs_agent.ledger.commands import Command, SendInstance
from prs_agent.ledger.instance import Instance, Worker
from prs_agent.ledger.leases import Leases
from prs_agent.ledger.outbox import Item, Outbox
from prs_agent.ledger.vocabulary import InstanceState, Lease, StartError, StepId, Want


@dataclass(slots=True)
class Session:
    """Times are seconds on the agent's monotonic clock."""

    timeout_s: float
    heartbeat_s: float
    is_connected: bool
    last_echo_at: float
    last_sync_at: float = float("-inf")
    seen: int = 0

    @property
    def fence_at(self) -> float:
        """When the agent must have stopped its workers: the daemon gives its leases away soon after."""
        return self.last_echo_at + self.timeout_s - min(2.0, 0.2 * self.timeout_s)


class Books:
    """What is held, who works on it, and what the daemon has not heard of yet."""

    def __init__(self) -> None:
        self.commands: list[Command] = []
        self.session: Session | None = None
        self.leases = Leases()
        self.instances: dict[StepId, Instance] = {}
        self.attempts: dict[int, Lease] = {}  # divide, commit and command attempts that have a process
        self.outbox = Outbox()
        self.synced_wants: tuple[Want, ...] = ()
        self.is_low = False  # the daemon should grant more now
        self.is_urgent = False  # something pending should not wait for the interval
        self.is_fenced = False
        self.is_draining = False
        self.has_left = False

    def emit(self, command: Command) -> None:
        self.commands.append(command)

    def report(self, item: Item, urgent: bool = True) -> None:
        self.outbox.add(item)
        self.is_urgent = self.is_urgent or urgent

    def tell(self, instance: Instance, error: StartError | None = None) -> None:
        """Says what state an instance is in."""
        self.tell_state(instance, state_of(instance), error or instance.error)

    def tell_state(self, instance: Instance, state: InstanceState, error: StartError | None = None) -> None:
        self.emit(SendInstance(instance.step, state, error, instance.waiting_reason))

    def find(self, step: StepId, number: int) -> tuple[Instance | None, Worker | None]:
        instance = self.instances.get(step)
        return instance, instance.workers.get(number) if instance else None


def state_of(instance: Instance) -> InstanceState:
    if instance.gave_up:
        return InstanceState.GAVE_UP
    return InstanceState.READY if instance.was_ready else InstanceState.OPENED


def takes_leases(instance: Instance) -> bool:
    return not (instance.is_closing or instance.gave_up or instance.is_paused)
