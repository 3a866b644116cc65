"""The reactor: events and the time in, commands out. Read `__init__` first, then this file from top to bottom."""

from __future__ import annotations

from typing import assert_never

from prsd.core import check, deadlines, endings, granting, instances, jobs, placement, reports, sessions, succession, views
from prsd.core.board import Board
from prsd.core.commands import Command
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
    RoomNoted,
    Stalled,
    StreamEnded,
)
from prsd.core.facts import DaemonStarted, Fact, JobRecorded
from prsd.core.vocabulary import CoreSettings, State

_NO_SETTINGS = CoreSettings()


class Core:
    """Who runs what, and what is true.

    Life: `apply` every recorded fact, `start` once, then `handle` for ever. Commands are in order: an effect may be
    carried out only after every `Record` before it in the list is durable.
    """

    def __init__(self, settings: CoreSettings = _NO_SETTINGS) -> None:
        self._board = Board(settings)

    def apply(self, fact: Fact) -> None:
        """Fold one recorded fact, before `start`. KeyError when the log is not whole."""
        self._board.recorded.apply(fact)

    def start(self, now: float) -> list[Command]:
        """Begin a new life: sessions of the former one have one timeout to come back, unfinished jobs go on."""
        board = self._board
        board.now = now
        board.record(DaemonStarted(board.recorded.incarnation + 1))
        until = now + board.settings.session_timeout_s
        board.awaited = dict.fromkeys(board.recorded.sessions, until)
        for job in board.recorded.jobs.values():
            if job.state.is_final:
                continue
            board.touch_job(job.id)
            for step in job.steps.values():
                if step.state is not State.QUEUED and not step.state.is_final:
                    jobs.start_work(board, step, is_resuming=True)
        sessions.resume_when_all_are_back(board)
        self._settle()
        return self._taken()

    def handle(self, event: Event, now: float) -> list[Command]:
        """What follows from an event. Time only goes forward: an earlier `now` counts as the latest one seen."""
        self._board.now = max(now, self._board.now)
        self._dispatch(event)
        self._settle()
        return self._taken()

    def next_deadline(self) -> float | None:
        """When to call `handle(DeadlinePassed())` at the latest; what was received before is to be handled first."""
        return deadlines.next_deadline(self._board)

    def job_view(self, job: str) -> views.JobView | None:
        """What a person wants to know of a job; None when it is unknown."""
        return views.job_view(self._board, job)

    def unfinished_jobs(self) -> list[str]:
        """The jobs that go on, in the order in which they were submitted."""
        return [job.id for job in self._board.recorded.jobs.values() if not job.state.is_final]

    def agent_views(self) -> tuple[views.AgentView, ...]:
        """The live sessions."""
        return views.agent_views(self._board)

    def marks(self) -> dict[str, int]:
        """How often rare branches were taken since the start, by name."""
        return dict(self._board.marks)

    def forget(self, job: str) -> None:
        """Drop an ended job from memory; ValueError while it goes on."""
        record = self._board.recorded.jobs.get(job)
        if record is not None and not record.state.is_final:
            raise ValueError(f"job {job} is {record.state}; only an ended job can be forgotten")
        self._board.recorded.jobs.pop(job, None)

    def check(self) -> None:
        """Prove every invariant; AssertionError names the one that does not hold."""
        check.check(self._board)

    def durable_digest(self) -> str:
        """A digest of everything that facts determine: equal for equal facts."""
        return check.durable_digest(self._board.recorded)

    def _taken(self) -> list[Command]:
        commands, self._board.commands = self._board.commands, []
        return commands

    def _dispatch(self, event: Event) -> None:  # noqa: C901  one case per event, nothing else
        board = self._board
        match event:
            case JobSubmitted():
                self._on_submitted(event)
            case CancelRequested():
                jobs.request_cancel(board, event.job)
            case AgentJoined():
                sessions.on_joined(board, event)
            case AgentSynced():
                sessions.on_synced(board, event)
            case AttemptsReported():
                reports.on_attempts(board, event)
            case InstanceReported():
                instances.on_instance(board, event)
            case RoomNoted():
                board.has_room = event.is_there
                board.is_placement_due = True
            case StreamEnded():
                sessions.on_stream_ended(board, event.session)
            case AgentLeft():
                sessions.on_left(board, event.session)
            case Stalled():
                deadlines.postpone(board, event.duration_s)
            case DeadlinePassed():
                deadlines.expire(board)
            case _:
                assert_never(event)

    def _on_submitted(self, event: JobSubmitted) -> None:
        if event.job not in self._board.recorded.jobs:
            self._board.record(JobRecorded(event.job, event.steps, event.continue_on_step_failure))
            succession.take_over(self._board, event)
            self._board.touch_job(event.job)

    def _settle(self) -> None:
        """Until nothing is left to follow from the event: advance steps, then jobs, then place, then grant."""
        board = self._board
        while True:
            if board.touched_steps:
                step = next(iter(board.touched_steps))
                del board.touched_steps[step]
                if step in board.works:
                    endings.advance(board, board.works[step])
            elif board.touched_jobs:
                job = next(iter(board.touched_jobs))
                del board.touched_jobs[job]
                if job in board.recorded.jobs:
                    jobs.advance(board, board.recorded.jobs[job])
            elif board.is_placement_due:
                placement.place(board)
            else:
                granting.serve(board)
                if not (board.touched_steps or board.touched_jobs or board.is_placement_due):
                    return
