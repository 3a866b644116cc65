"""The reactor: events and the time in, commands out. After every event `_advance` looks at the whole state: workers to
start, frames to give, reports that are due, a Sync when the daemon should know something, the agent's own fence."""

from __future__ import annotations

from typing import assert_never

from prs_agent.ledger import draining, leasing, reporting, sessions, steps, workers
from prs_agent.ledger.books import Books
from prs_agent.ledger.commands import Command
from prs_agent.ledger.events import (
    Acknowledged,
    AttemptFailed,
    AttemptStopped,
    CloseAsked,
    CommitFinished,
    DivisionAdvanced,
    DrainAsked,
    Echoed,
    Event,
    LeaseGranted,
    LeaseRevoked,
    RangeFinished,
    StepBroken,
    StepDelayed,
    StepOpened,
    StreamLost,
    TakeBackAsked,
    Ticked,
    Welcomed,
    WorkerExited,
    WorkerGaveBack,
    WorkerReady,
    WorkerStartFailed,
)
from prs_agent.ledger.vocabulary import HeldLease, StepId


class Ledger:
    """Everything that the agent knows. One event at a time."""

    def __init__(self) -> None:
        self.books = Books()

    def handle(self, event: Event, now: float) -> list[Command]:
        """What follows from an event. `now`: seconds on a monotonic clock, never smaller than before."""
        self.books.commands = []
        self._dispatch(event, now)
        # An echo may wait behind this event: only time that went by with nothing left to be read may fence.
        if isinstance(event, Ticked):
            self._fence_when_due(now)
        self._advance(now)
        return self.books.commands

    def held(self) -> tuple[HeldLease, ...]:
        """What a Hello offers: every lease with something unsettled."""
        return self.books.leases.offer()

    def open_steps(self) -> tuple[StepId, ...]:
        return tuple(self.books.instances)

    def next_deadline(self) -> float | None:
        """When `Ticked` is due if nothing else happens."""
        session = self.books.session
        if session is None:
            return None
        deadlines = [] if self.books.is_fenced else [session.fence_at]
        if session.is_connected:
            deadlines += reporting.deadlines(self.books, session)
        return min(deadlines, default=None)

    def _dispatch(self, event: Event, now: float) -> None:  # noqa: C901, PLR0912 - one branch per event
        books = self.books
        match event:
            case Welcomed():
                sessions.on_welcomed(books, event, now)
            case StreamLost():
                sessions.on_stream_lost(books)
            case Echoed(sent_at):
                sessions.on_echoed(books, sent_at)
            case StepOpened():
                steps.on_opened(books, event)
            case LeaseGranted(lease):
                leasing.on_granted(books, lease)
            case LeaseRevoked(token, ranges):
                leasing.on_revoked(books, token, ranges)
            case TakeBackAsked(token):
                leasing.on_take_back_asked(books, token)
            case CloseAsked(step, kill):
                steps.on_close_asked(books, step, kill)
            case Acknowledged(number):
                reporting.on_acknowledged(books, number)
            case WorkerReady(step, number):
                workers.on_ready(books, step, number)
            case WorkerStartFailed(step, number, error):
                workers.on_start_failed(books, step, number, error)
            case StepBroken(step, error):
                steps.on_broken(books, step, error)
            case StepDelayed(step, reason):
                steps.on_delayed(books, step, reason)
            case RangeFinished():
                workers.on_range_finished(books, event, now)
            case AttemptFailed():
                workers.on_attempt_failed(books, event, now)
            case WorkerGaveBack():
                workers.on_gave_back(books, event)
            case WorkerExited():
                workers.on_exited(books, event)
            case DivisionAdvanced(progress):
                reporting.on_phase_news(books, progress.token, progress, progress.ended)
            case CommitFinished(done):
                reporting.on_phase_news(books, done.token, done, True)
            case AttemptStopped(token):
                books.attempts.pop(token, None)
            case DrainAsked():
                draining.on_drain_asked(books)
            case Ticked():
                pass
            case _:
                assert_never(event)

    def _fence_when_due(self, now: float) -> None:
        session = self.books.session
        if session is not None and not self.books.is_fenced and now >= session.fence_at:
            sessions.fence(self.books)

    def _advance(self, now: float) -> None:
        books, session = self.books, self.books.session
        for instance in books.instances.values():
            instance.top_up()
            instance.feed(now)
        if session is not None and session.is_connected:
            reporting.flush(books, session, now)
            steps.close_instances(books)
            if reporting.sync_is_due(books, session, now):
                reporting.sync(books, session, now)
        draining.leave_when_drained(books)
