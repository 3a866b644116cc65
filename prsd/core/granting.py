"""Mini-batches to those who want them, and from those who hold many to those who hold none."""

from __future__ import annotations

from prsd.core import leases
from prsd.core.board import Board
from prsd.core.commands import TakeBack
from prsd.core.facts import StepChanged
from prsd.core.vocabulary import State
from prsd.core.work import Holding, Instance, Work


def serve(board: Board) -> None:
    """Grant to the agents that asked in this event and, where there is new work, to those that are still hungry."""
    for work in list(board.works.values()):
        if work.to_serve or work.serve_hungry:
            _serve_step(board, work)


def _serve_step(board: Board, work: Work) -> None:
    sessions = list(work.to_serve)
    if work.serve_hungry:
        sessions += [key for key, instance in work.instances.items() if instance.is_hungry and key not in work.to_serve]
    work.to_serve.clear()
    work.serve_hungry = False
    if not work.step.is_live:
        return
    # Whoever holds least is served first: an agent without work must not wait behind one that only wants more.
    sessions.sort(key=lambda key: board.sessions[key].held(work.step.id) if key in board.sessions else 0)
    for session in sessions:
        instance = work.instances.get(session)
        if instance is not None and not instance.is_closing:
            _serve_instance(board, work, instance)


def _serve_instance(board: Board, work: Work, instance: Instance) -> None:
    session = board.sessions[instance.session]
    if not session.takes_new_work:
        return
    held = session.held(work.step.id)
    missing = instance.want - held
    holds_suspect = any(lease.is_alone for lease in session.leases.values() if lease.step == work.step.id)
    granted = 0 if holds_suspect else _grant(board, work, instance, min(missing, _share(work)), held == 0)
    instance.is_hungry = granted < missing
    if instance.is_hungry and held + granted == 0:
        _take_back(board, work, instance)


def _share(work: Work) -> int:
    """At the end of a step leases shrink, so that all agents finish together."""
    if not work.step.division_ended:
        return work.available
    sharers = 2 * max(1, len(work.open_instances()))
    return max(1, -(-work.available // sharers))


def _grant(board: Board, work: Work, instance: Instance, most: int, idle: bool) -> int:
    session = board.sessions[instance.session]
    granted = 0
    while granted < most:
        piece = work.take(most - granted, idle and granted == 0)
        if piece is None:
            break
        _mark_running(board, work)
        leases.issue_run(board, work, session, piece)
        granted += piece.stop - piece.first
        if piece.is_alone:
            break
    if granted and work.cursor == work.step.divided:
        board.touch(work.step.id)  # the percentage is checked once every index was granted
    return granted


def _mark_running(board: Board, work: Work) -> None:
    if work.step.state in (State.QUEUED, State.PREPARING):
        board.record(StepChanged(work.step.id, State.RUNNING))
        board.touch_job(work.step.id.job)


def _take_back(board: Board, work: Work, instance: Instance) -> None:
    """An agent has nothing to do while another holds several: ask that one for what it has not started."""
    every_s = board.settings.take_back_interval_s
    if instance.took_back_at is not None and board.now < instance.took_back_at + every_s:
        return
    lease = _largest(board, work, instance)
    if lease is not None:
        instance.took_back_at = lease.taken_back_at = board.now
        board.emit(TakeBack(lease.session, lease.token))


def _largest(board: Board, work: Work, hungry: Instance) -> Holding | None:
    """The lease with most remaining, the newest of equals (its mini-batches are the least likely to be started)."""
    every_s = board.settings.take_back_interval_s
    held: dict[str, int] = {}
    for lease in work.leases.values():
        held[lease.session] = held.get(lease.session, 0) + len(lease.remaining)
    candidates = [
        lease
        for lease in work.leases.values()
        if held[lease.session] > 1
        and lease.session != hungry.session
        and board.sessions[lease.session].is_attached
        and (lease.taken_back_at is None or board.now >= lease.taken_back_at + every_s)
    ]
    return max(candidates, key=lambda lease: (len(lease.remaining), lease.token), default=None)
