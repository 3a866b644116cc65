"""Jobs: which steps may start, which never will, and when a job is over."""

from __future__ import annotations

from prsd.core import endings
from prsd.core.board import Board
from prsd.core.facts import JobChanged, StepChanged
from prsd.core.ranges import IntervalSet
from prsd.core.restore import JobRecord
from prsd.core.steps import StepRecord
from prsd.core.vocabulary import State, StepId
from prsd.core.work import Work


def advance(board: Board, job: JobRecord) -> None:
    """Start, stop and skip steps as the states of the others demand; end the job when all are final."""
    if job.state.is_final:
        return
    # One change may bring the next: a skipped step skips those that depend on it.
    while any(_advance_step(board, job, step) for step in job.steps.values()):
        pass
    _follow(board, job)


def start_work(board: Board, step: StepRecord, is_resuming: bool) -> None:
    """Put a step that may start, or that was at work before a restart, on the board."""
    work = Work(step, cursor=step.reserved, is_resuming=is_resuming)
    unsettled = step.settled.gaps(0, step.reserved) if step.is_live else []
    if is_resuming:
        work.held_back = IntervalSet(unsettled)
    else:
        # Between results that were taken over from an earlier job: nobody can be running these.
        for piece in unsettled:
            work.put_back(*piece)
    board.works[step.id] = work
    board.touch(step.id)
    board.is_placement_due = True


def _advance_step(board: Board, job: JobRecord, step: StepRecord) -> bool:
    """True when the step's state has changed."""
    if not step.is_live:
        return False
    outcome, reason = _fate(job, step)
    if step.state is State.QUEUED:
        if outcome is not None:
            board.works.pop(step.id, None)
            board.record(StepChanged(step.id, outcome, reason))
            return True
        if step.id not in board.works and not waits_for(job, step):
            start_work(board, step, is_resuming=False)
        return False
    if outcome in (None, State.SKIPPED):
        return False
    assert outcome is not None
    endings.end_step(board, board.works[step.id], outcome, reason)
    return True


def _fate(job: JobRecord, step: StepRecord) -> tuple[State | None, str]:
    """What must become of a step that is not ending yet because of the rest of its job."""
    if job.is_cancel_requested:
        return State.CANCELED, "the job was canceled"
    for name in step.terms.depends_on:
        state = job.steps[name].state
        if state.is_final and state is not State.COMPLETED:
            return State.SKIPPED, f"step {name} is {state}"
    failed = _first_failed(job)
    if failed is not None and not job.continue_on_step_failure:
        return State.SKIPPED if step.state is State.QUEUED else State.CANCELED, f"step {failed.id.step} failed"
    return None, ""


def waits_for(job: JobRecord, step: StepRecord) -> list[str]:
    """The steps that must complete first."""
    return [name for name in step.terms.depends_on if job.steps[name].state is not State.COMPLETED]


def _first_failed(job: JobRecord) -> StepRecord | None:
    return next((step for step in job.steps.values() if State.FAILED in (step.state, step.ending)), None)


def _follow(board: Board, job: JobRecord) -> None:
    """Set the job's state by its steps'."""
    states = [step.state for step in job.steps.values()]
    if all(state.is_final for state in states):
        failed = _first_failed(job)
        board.record(JobChanged(job.id, _outcome(job, states), failed.reason if failed else ""))
    elif job.is_cancel_requested:
        return
    elif any(state in (State.RUNNING, State.FINALIZING) for state in states):
        _change(board, job, State.RUNNING)
    elif job.state is State.QUEUED and State.PREPARING in states:
        _change(board, job, State.PREPARING)


def _change(board: Board, job: JobRecord, state: State) -> None:
    if job.state is not state:
        board.record(JobChanged(job.id, state))


def _outcome(job: JobRecord, states: list[State]) -> State:
    if State.FAILED in states:
        return State.FAILED
    # A cancel that came after the last step had completed changes nothing.
    if job.is_cancel_requested and any(state is not State.COMPLETED for state in states):
        return State.CANCELED
    return State.COMPLETED


def request_cancel(board: Board, job_id: str) -> None:
    """Cancel a job; a repetition, an unknown job or an ended one changes nothing."""
    job = board.recorded.jobs.get(job_id)
    if job is None or job.state.is_final or job.is_cancel_requested:
        return
    board.record(JobChanged(job_id, State.CANCEL_REQUESTED))
    board.touch_job(job_id)


def step_work(board: Board, step: StepId) -> Work | None:
    """The work of a step that has neither ended nor begun to end."""
    work = board.works.get(step)
    return work if work is not None and work.step.is_live else None
