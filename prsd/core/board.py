"""The core's whole state, and the commands of the event at hand. Every module of the core works on it.

Durable state changes through `record` alone. `touch` marks a step whose progress must be looked at again before the event
is over; the loop that does so is `core.Core._settle`.
"""

from __future__ import annotations

from collections import Counter

from prsd.core.agents import Session
from prsd.core.commands import Command, Record
from prsd.core.facts import Fact
from prsd.core.restore import JobRecord, Recorded
from prsd.core.vocabulary import CoreSettings, StepId
from prsd.core.work import Work


class Board:
    """What is recorded, what is at work, and who is there."""

    def __init__(self, settings: CoreSettings) -> None:
        self.settings = settings
        self.recorded = Recorded(settings.loss_limit)
        self.works: dict[StepId, Work] = {}
        self.sessions: dict[str, Session] = {}
        self.awaited: dict[str, float] = {}  # recorded sessions of the life before, with their deadlines
        self.now = 0.0
        self.commands: list[Command] = []
        self.touched_steps: dict[StepId, None] = {}
        self.touched_jobs: dict[str, None] = {}
        self.is_placement_due = False
        self.has_room = True  # on the disk: without it no divide or commit attempt begins
        self.marks: Counter[str] = Counter()  # how often rare branches were taken; metrics and the simulation read it
        self._tokens = 0

    def record(self, fact: Fact) -> None:
        """Make a fact true, and ask for it to be made durable."""
        self.recorded.apply(fact)
        self.commands.append(Record(fact))

    def emit(self, command: Command) -> None:
        """Ask for an effect. Everything recorded so far comes before it."""
        self.commands.append(command)

    def next_token(self) -> int:
        """Incarnation and counter: tokens grow over all steps and restarts."""
        self._tokens += 1
        return self.recorded.incarnation << 32 | self._tokens

    @property
    def last_token(self) -> int:
        return self.recorded.incarnation << 32 | self._tokens

    def touch(self, step: StepId) -> None:
        """Look at this step again before the event is over."""
        self.touched_steps[step] = None

    def touch_job(self, job: str) -> None:
        """Look at this job again before the event is over."""
        self.touched_jobs[job] = None

    def job_of(self, step: StepId) -> JobRecord:
        return self.recorded.jobs[step.job]

    def session_of_boot(self, boot: str) -> Session | None:
        """The live session of this life of an agent process."""
        return next((session for session in self.sessions.values() if session.boot == boot), None)
