"""Hypothesis over the same core: any event at any time, with any token ever issued. It shrinks what it finds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from prsd.base.columns import Column
from prsd.core.commands import Command, Dismiss, Grant, Record
from prsd.core.core import Core
from prsd.core.events import (
    AgentJoined,
    AgentLeft,
    AgentSynced,
    AttemptsReported,
    CancelRequested,
    DeadlinePassed,
    Event,
    InstanceReported,
    JobSubmitted,
    Stalled,
    StreamEnded,
)
from prsd.core.facts import Fact
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
    StepId,
    StepKind,
    StepTerms,
    Want,
)
from tests.simulation.oracle import Oracle

SETTINGS = CoreSettings(reserve_ahead=3)
SLOTS = {"x": 1, "y": 2, "z": 3}  # by boot: what a machine has does not change while it is up
TERMS = st.builds(
    StepTerms,
    name=st.just("first"),
    kind=st.sampled_from((StepKind.PARALLEL, StepKind.PARALLEL, StepKind.COMMAND)),
    instance_count=st.integers(1, 3),
    workers_per_instance=st.integers(0, 2),
    max_retries=st.integers(0, 2),
    error_threshold=st.sampled_from((-1, 3)),
    mini_batch_error_threshold=st.sampled_from((-1, 1)),
    allowed_failed_percent=st.sampled_from((100.0, 30.0)),
    first_task_creation_timeout_s=st.sampled_from((600.0, 10.0)),
    progress_update_timeout_s=st.sampled_from((1980.0, 20.0)),
    appends_rows=st.booleans(),
    rank_mini_batch_count=st.sampled_from((0, 5)),
)


class CoreMachine(RuleBasedStateMachine):
    """A shell without manners: sessions, tokens and indexes are real, everything else is arbitrary."""

    def __init__(self) -> None:
        super().__init__()
        self.oracle = Oracle(SETTINGS.loss_limit)
        self.log: list[Fact] = []
        self.leases: list[Lease] = []
        self.sessions: list[str] = []
        self.steps: list[StepId] = []
        self.jobs = self.names = self.numbers = 0
        self.now = 0.0
        self.start()

    def start(self) -> None:
        self.core = Core(SETTINGS)
        for fact in self.log:
            self.core.apply(fact)
        self.pending: list[Command] = self.core.start(self.now)

    def feed(self, event: Event) -> None:
        self.pending += self.core.handle(event, self.now)

    def report(self, session: str, **parts: Any) -> None:
        self.numbers += 1
        self.feed(AttemptsReported(session, self.numbers, **parts))

    def some_session(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from(self.sessions[-4:]))

    def some_lease(self, data: st.DataObject) -> Lease:
        return data.draw(st.sampled_from(self.leases))

    @rule(terms=TERMS, second=st.booleans(), go_on=st.booleans())
    def submit(self, terms: StepTerms, second: bool, go_on: bool) -> None:
        self.jobs += 1
        job = f"job{self.jobs}"
        steps = (terms, StepTerms("second", StepKind.PARALLEL, ("first",))) if second else (terms,)
        self.steps += [StepId(job, step.name) for step in steps]
        self.feed(JobSubmitted(job, steps, go_on))

    @rule(boot=st.sampled_from(sorted(SLOTS)), data=st.data())
    def join(self, boot: str, data: st.DataObject) -> None:
        self.names += 1
        self.sessions.append(f"s{self.names}")
        claimed = data.draw(st.lists(st.sampled_from(self.leases), max_size=3)) if self.leases else []
        held = tuple(HeldLease(one.token, one.step, one.phase, (one.range,)) for one in dict.fromkeys(claimed))
        is_open = data.draw(st.lists(st.sampled_from(self.steps), max_size=2)) if self.steps else []
        self.feed(AgentJoined(self.sessions[-1], boot, boot, "", SLOTS[boot], held, tuple(dict.fromkeys(is_open))))

    @precondition(lambda self: self.sessions)
    @rule(data=st.data(), want=st.integers(0, 6), honest=st.booleans(), draining=st.just(False) | st.booleans())
    def sync(self, data: st.DataObject, want: int, honest: bool, draining: bool) -> None:
        tokens = [lease.token for lease in self.leases]
        held = tokens if honest or not tokens else data.draw(st.lists(st.sampled_from(tokens), max_size=4))
        wants = tuple(Want(step, want, ready_workers=1) for step in self.steps)
        self.feed(AgentSynced(self.some_session(data), tuple(held), max(tokens, default=0), wants, draining))

    @precondition(lambda self: self.leases and self.sessions)
    @rule(
        data=st.data(), offset=st.integers(-1, 2), count=st.integers(1, 4), returned=st.integers(0, 3), empty=st.booleans()
    )
    def succeed(self, data: st.DataObject, offset: int, count: int, returned: int, empty: bool) -> None:
        lease = self.some_lease(data)
        columns = Column.repeat(2, count), Column.repeat(returned, count), Column.repeat(1, count)
        results = Results(lease.step, lease.token, max(0, lease.first + offset), *columns, empty=empty)
        self.report(self.some_session(data), results=(results,))

    @precondition(lambda self: self.leases and self.sessions)
    @rule(data=st.data(), offset=st.integers(0, 2), permanent=st.booleans())
    def fail(self, data: st.DataObject, offset: int, permanent: bool) -> None:
        lease = self.some_lease(data)
        failure = Failure(
            lease.step,
            lease.token,
            lease.phase,
            lease.first + offset,
            "exception",
            "bad",
            items_total=2,
            attempt=lease.attempt,
            permanent=permanent,
        )
        self.report(self.some_session(data), failures=(failure,))

    @precondition(lambda self: self.leases and self.sessions)
    @rule(data=st.data(), offset=st.integers(0, 2), count=st.integers(0, 3))
    def give_back(self, data: st.DataObject, offset: int, count: int) -> None:
        lease = self.some_lease(data)
        self.report(self.some_session(data), given_back=(GivenBack(lease.token, (Range(lease.first + offset, count),)),))

    @precondition(lambda self: self.sessions and any(lease.phase is Phase.DIVIDE for lease in self.leases))
    @rule(data=st.data(), size=st.integers(0, 6), ended=st.booleans(), first=st.none() | st.integers(0, 6))
    def divide(self, data: st.DataObject, size: int, ended: bool, first: int | None) -> None:
        lease = data.draw(st.sampled_from([lease for lease in self.leases if lease.phase is Phase.DIVIDE]))
        view = self.core.job_view(lease.step.job)
        known = next((step.total + step.empty for step in view.steps if step.id == lease.step.step), 0) if view else 0
        parts = (ManifestPart("part", known if first is None else first, size, 0, "digest"),) if size else ()
        self.report(self.some_session(data), divisions=(DivisionProgress(lease.step, lease.token, parts, ended),))

    @precondition(lambda self: self.leases and self.sessions)
    @rule(data=st.data())
    def commit(self, data: st.DataObject) -> None:
        lease = self.some_lease(data)
        self.report(self.some_session(data), commits=(CommitDone(lease.step, lease.token),))

    @precondition(lambda self: self.steps and self.sessions)
    @rule(data=st.data(), state=st.sampled_from(InstanceState), permanent=st.booleans())
    def say(self, data: st.DataObject, state: InstanceState, permanent: bool) -> None:
        is_error = state in (InstanceState.START_FAILED, InstanceState.GAVE_UP)
        error = StartError("init", "no model", permanent=permanent) if is_error else None
        step = data.draw(st.sampled_from(self.steps))
        self.feed(InstanceReported(self.some_session(data), step, state, error))

    @precondition(lambda self: self.sessions)
    @rule(data=st.data(), is_goodbye=st.booleans())
    def go(self, data: st.DataObject, is_goodbye: bool) -> None:
        session = self.some_session(data)
        self.feed(AgentLeft(session) if is_goodbye else StreamEnded(session))

    @rule(seconds=st.sampled_from((0.1, 3.0, 16.0)))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.feed(DeadlinePassed())

    @rule(seconds=st.sampled_from((1.0, 30.0)))
    def stall(self, seconds: float) -> None:
        self.now += seconds
        self.feed(Stalled(seconds))

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        self.feed(CancelRequested(f"job{data.draw(st.integers(1, self.jobs))}"))

    @rule()
    def flush(self) -> None:
        """Everything decided becomes durable, and its effects leave."""
        for command in self.pending:
            if isinstance(command, Record):
                self.log.append(command.fact)
                self.oracle.on_durable(command.fact)
            elif isinstance(command, Grant):
                self.oracle.on_granted(command.lease.token)
                self.leases.append(command.lease)
            elif isinstance(command, Dismiss) and command.session in self.sessions:
                self.sessions.remove(command.session)
        self.pending = []

    @rule(data=st.data())
    def restart(self, data: st.DataObject) -> None:
        """Any prefix of what was not durable survives; no effect of it has left."""
        facts = [command.fact for command in self.pending if isinstance(command, Record)]
        for fact in facts[: data.draw(st.integers(0, len(facts)))]:
            self.log.append(fact)
            self.oracle.on_durable(fact)
        self.start()

    @invariant()
    def adds_up(self) -> None:
        self.core.check()

    @invariant()
    def deadlines_lie_ahead_after_they_were_acted_on(self) -> None:
        deadline = self.core.next_deadline()
        if deadline is not None and deadline <= self.now:
            self.feed(DeadlinePassed())
            later = self.core.next_deadline()
            assert later is None or later > self.now

    def teardown(self) -> None:
        replayed = Core(SETTINGS)
        for fact in [*self.log, *(command.fact for command in self.pending if isinstance(command, Record))]:
            replayed.apply(fact)
        assert replayed.durable_digest() == self.core.durable_digest()


CoreMachine.TestCase.settings = settings(
    max_examples=100,
    stateful_step_count=50,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
TestCore = pytest.mark.timeout(900)(CoreMachine.TestCase)  # what fails is made small, which takes minutes
