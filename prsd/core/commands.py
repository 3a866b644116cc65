"""What the core asks for, in the imperative. Facts come before the effects that follow from them: a shell carries out a
command only after every `Record` before it in the list is durable."""

from __future__ import annotations

from dataclasses import dataclass

from prsd.core.facts import Fact
from prsd.core.vocabulary import Lease, ManifestPart, Range, State, StepId


@dataclass(frozen=True, slots=True)
class Record:
    fact: Fact


@dataclass(frozen=True, slots=True)
class Welcome:
    """Answer to AgentJoined: of what it held, the agent goes on with the tokens in `kept` and drops the rest."""

    session: str
    kept: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Grant:
    """`parts`: for RUN the manifest parts that the range lies in, for DIVIDE those already recorded.

    `publish` and `outcome` are for COMMIT: whether the output is wanted, and how the step will end.
    """

    session: str
    lease: Lease
    parts: tuple[ManifestPart, ...] = ()
    publish: bool = False
    outcome: State | None = None


@dataclass(frozen=True, slots=True)
class Revoke:
    session: str
    token: int
    ranges: tuple[Range, ...]


@dataclass(frozen=True, slots=True)
class TakeBack:
    """Ask for what has not been started of a lease; the agent answers with GivenBack, possibly of nothing."""

    session: str
    token: int


@dataclass(frozen=True, slots=True)
class Open:
    """Take part in a step with this many workers; `node` numbers the instances of the step from 0."""

    session: str
    step: StepId
    workers: int
    node: int


@dataclass(frozen=True, slots=True)
class Close:
    session: str
    step: StepId
    kill: bool


@dataclass(frozen=True, slots=True)
class Acknowledge:
    session: str
    number: int


@dataclass(frozen=True, slots=True)
class Dismiss:
    """End a session from the daemon's side: it was replaced or has timed out."""

    session: str
    reason: str


Command = Record | Welcome | Grant | Revoke | TakeBack | Open | Close | Acknowledge | Dismiss
