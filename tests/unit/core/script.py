"""A short way to write scripts: what happens when, and which commands follow."""

from __future__ import annotations

from itertools import count

from prsd.base.columns import Column
from prsd.core.commands import Command, Grant, Open, Record, Revoke
from prsd.core.core import Core
from prsd.core.events import (
    AgentJoined,
    AgentSynced,
    AttemptsReported,
    DeadlinePassed,
    Event,
    InstanceReported,
    JobSubmitted,
)
from prsd.core.facts import Fact
from prsd.core.views import StepView
from prsd.core.vocabulary import (
    CommitDone,
    CoreSettings,
    DivisionProgress,
    Failure,
    GivenBack,
    HeldLease,
    InstanceState,
    Lease,
    ManifestPart,
    Phase,
    Range,
    Results,
    StartError,
    State,
    StepId,
    StepKind,
    StepTerms,
    Want,
)

STEP = StepId("job", "step")


def parallel(name: str = "step", **terms: object) -> StepTerms:
    """The terms of a parallel step with 1 worker on 1 agent, unless said otherwise."""
    return StepTerms(name, StepKind.PARALLEL, **{"workers_per_instance": 1, **terms})  # type: ignore[arg-type]


def token(number: int, incarnation: int = 1) -> int:
    """The token of the n-th grant of an incarnation."""
    return incarnation << 32 | number


def part(first: int, size: int, digest: str = "same") -> ManifestPart:
    return ManifestPart(f"part-{first}", first, size, size * 10, digest)


class Script:
    """A core and the clock. Every method returns the commands that followed; `check()` is called after each."""

    def __init__(self, settings: CoreSettings | None = None) -> None:
        self.settings = settings or CoreSettings()
        self.core = Core(self.settings)
        self.now = 0.0
        self.log: list[Fact] = []
        self._attempts: dict[int, int] = {}  # by token, of what was granted
        self._numbers = count(1)
        self.note(self.core.start(0.0))

    def note(self, commands: list[Command]) -> list[Command]:
        self.log.extend(command.fact for command in commands if isinstance(command, Record))
        self._attempts.update((lease.token, lease.attempt) for lease in grants(commands))
        self.core.check()
        return commands

    def restart(self) -> list[Command]:
        """The daemon ends without a word and comes back with everything that it had recorded."""
        self.core = Core(self.settings)
        for fact in self.log:
            self.core.apply(fact)
        return self.note(self.core.start(self.now))

    def handle(self, event: Event, at: float | None = None) -> list[Command]:
        self.now = self.now if at is None else at
        return self.note(self.core.handle(event, self.now))

    def wait(self, seconds: float) -> list[Command]:
        """Let time pass to the next deadlines, up to this long."""
        until, commands = self.now + seconds, []
        while (deadline := self.core.next_deadline()) is not None and deadline <= until:
            commands += self.handle(DeadlinePassed(), at=deadline)
        self.now = until
        return commands

    def submit(self, *steps: StepTerms, job: str = "job", go_on: bool = True) -> list[Command]:
        return self.handle(JobSubmitted(job, steps or (parallel(),), go_on))

    def join(
        self,
        agent: str = "a",
        session: str = "",
        *,
        slots: int = 1,
        compute: str = "",
        held: tuple[HeldLease, ...] = (),
        open_steps: tuple[StepId, ...] = (),
    ) -> list[Command]:
        """Agent "a" joins as boot "a-boot", in session "a1" unless said otherwise."""
        event = AgentJoined(session or f"{agent}1", agent, f"{agent}-boot", compute, slots, held, open_steps)
        return self.handle(event)

    def sync(
        self, session: str, held: tuple[int, ...] = (), want: int = 0, *, step: StepId = STEP, seen: int | None = None
    ) -> list[Command]:
        wants = (Want(step, want, ready_workers=1),) if want else ()
        return self.handle(AgentSynced(session, held, max(held, default=0) if seen is None else seen, wants))

    def report(self, session: str, **parts: object) -> list[Command]:
        return self.handle(AttemptsReported(session, next(self._numbers), **parts))  # type: ignore[arg-type]

    def divide(self, session: str, *parts_: ManifestPart, ended: bool = True, token_: int = 0) -> list[Command]:
        progress = DivisionProgress(STEP, token_ or token(1), parts_, ended)
        return self.report(session, divisions=(progress,))

    def succeed(
        self,
        session: str,
        token_: int,
        first: int,
        size: int = 1,
        *,
        items: int = 10,
        returned: int = 10,
        empty: bool = False,
    ) -> list[Command]:
        results = Results(
            STEP,
            token_,
            first,
            Column.repeat(items, size),
            Column.repeat(returned, size),
            Column.repeat(5, size),
            empty=empty,
            attempt=self._attempts.get(token_, 1),
        )
        return self.report(session, results=(results,))

    def fail(
        self,
        session: str,
        token_: int,
        index: int = 0,
        *,
        phase: Phase = Phase.RUN,
        permanent: bool = False,
        message: str = "bad",
    ) -> list[Command]:
        attempt = self._attempts.get(token_, 1)
        failure = Failure(
            STEP, token_, phase, index, "exception", message, items_total=10, attempt=attempt, permanent=permanent
        )
        return self.report(session, failures=(failure,))

    def give_back(self, session: str, token_: int, *ranges: Range) -> list[Command]:
        return self.report(session, given_back=(GivenBack(token_, ranges),))

    def commit(self, session: str, token_: int, step: StepId = STEP) -> list[Command]:
        return self.report(session, commits=(CommitDone(step, token_, 100, "sha", 7),))

    def say(
        self, session: str, state: InstanceState, message: str = "", *, permanent: bool = False, step: StepId = STEP
    ) -> list[Command]:
        error = StartError("init", message, permanent=permanent) if message else None
        return self.handle(InstanceReported(session, step, state, error))

    def running(self, size: int, agents: str = "a", slots: int = 1, **terms: object) -> None:
        """A divided step of `size` mini-batches, open on these agents; the divide lease was the first token."""
        for agent in agents:
            self.join(agent, slots=slots)
        terms.setdefault("instance_count", len(agents))
        self.submit(parallel("step", **terms))
        self.divide("a1", part(0, size))

    def finish(self, session: str = "a1") -> State:
        """Let the instances close and the commit go through; returns the step's state."""
        for agent in self.core.agent_views():
            self.say(agent.session, InstanceState.CLOSED)
        for number in range(1, 10_000):
            if self.step().state.is_final:
                break
            self.commit(session, token(number))
        return self.step().state

    def step(self, name: str = "step", job: str = "job") -> StepView:
        view = self.core.job_view(job)
        assert view is not None
        return next(step for step in view.steps if step.id == name)

    def job_state(self, job: str = "job") -> State:
        view = self.core.job_view(job)
        assert view is not None
        return view.state


def facts(commands: list[Command]) -> list[Fact]:
    """What was recorded."""
    return [command.fact for command in commands if isinstance(command, Record)]


def effects(commands: list[Command]) -> list[Command]:
    """Everything but what was recorded."""
    return [command for command in commands if not isinstance(command, Record)]


def grants(commands: list[Command]) -> list[Lease]:
    """The leases that were granted."""
    return [command.lease for command in commands if isinstance(command, Grant)]


def spans(commands: list[Command]) -> list[tuple[int, int, int]]:
    """(first, count, attempt) of the RUN leases that were granted."""
    return [(lease.first, lease.count, lease.attempt) for lease in grants(commands) if lease.phase is Phase.RUN]


def opens(commands: list[Command]) -> list[Open]:
    return [command for command in commands if isinstance(command, Open)]


def revokes(commands: list[Command]) -> list[Revoke]:
    return [command for command in commands if isinstance(command, Revoke)]
