"""Everything that happens because time has passed. Deadlines belong to sessions and steps, never to leases."""

from __future__ import annotations

from collections.abc import Iterator

from prsd.core import endings, placement, sessions
from prsd.core.board import Board
from prsd.core.vocabulary import State
from prsd.core.work import Work


def next_deadline(board: Board) -> float | None:
    """The earliest time at which `expire` has something to do."""
    return min(_all(board), default=None)


def expire(board: Board) -> None:
    """Act on every deadline that has come."""
    for session_id in [session for session, deadline in board.awaited.items() if deadline <= board.now]:
        sessions.stop_waiting_for(board, session_id)
    for session in [one for one in board.sessions.values() if one.deadline <= board.now]:
        sessions.lose(board, session)
    for work in list(board.works.values()):
        _expire_step(board, work)


def postpone(board: Board, duration_s: float) -> None:
    """The daemon stood still: nobody may be blamed for that time."""
    board.awaited = {session: deadline + duration_s for session, deadline in board.awaited.items()}
    for session in board.sessions.values():
        session.deadline += duration_s
    for work in board.works.values():
        clocks = work.clocks
        if clocks.first_task_deadline is not None:
            clocks.first_task_deadline += duration_s
        if clocks.progress_since is not None:
            clocks.progress_since += duration_s
        if clocks.opened_at is not None:
            clocks.opened_at += duration_s
        for instance in work.instances.values():
            instance.close_deadline += duration_s


def _all(board: Board) -> Iterator[float]:
    yield from board.awaited.values()
    for session in board.sessions.values():
        yield session.deadline
    for work in board.works.values():
        if work.step.is_live:
            yield from (at for at in (work.clocks.first_task_deadline, _progress_deadline(work)) if at is not None)
        if work.instances:
            yield from (one.close_deadline for one in work.instances.values() if one.is_closing)


def _progress_deadline(work: Work) -> float | None:
    since = work.clocks.progress_since
    if since is None:
        return None
    return since + work.step.terms.progress_update_timeout_s - work.clocks.progress_spent_s


def _expire_step(board: Board, work: Work) -> None:
    _kill_slow_closers(board, work)
    if not work.step.is_live:
        return
    first_task, progress = work.clocks.first_task_deadline, _progress_deadline(work)
    terms = work.step.terms
    if first_task is not None and first_task <= board.now:
        endings.end_step(
            board,
            work,
            State.FAILED,
            f"no mini-batch was known {terms.first_task_creation_timeout_s:g} s after the division of the input began; "
            "raise --first_task_creation_timeout if listing the input takes longer",
        )
    elif progress is not None and progress <= board.now:
        endings.end_step(board, work, State.FAILED, _no_progress(work))


def _no_progress(work: Work) -> str:
    for_long = f"for {work.step.terms.progress_update_timeout_s:g} s"
    if not work.has_been_ready and not work.step.outcomes:
        return f"no worker has finished init() {for_long}; raise --progress_update_timeout if init() takes longer"
    return (
        f"no mini-batch has finished {for_long} ({work.step.outcomes} processed so far); "
        "raise --progress_update_timeout if run() takes longer"
    )


def _kill_slow_closers(board: Board, work: Work) -> None:
    for instance in work.instances.values():
        if instance.is_closing and instance.close_deadline <= board.now:
            placement.close(board, instance, kill=True)
