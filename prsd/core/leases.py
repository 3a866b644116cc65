"""Leases: issued, shrunk, ended. Everything that moves a mini-batch out of or into a lease goes through here."""

from __future__ import annotations

from prsd.core.agents import Session
from prsd.core.board import Board
from prsd.core.commands import Grant, Revoke
from prsd.core.facts import IndexesReserved
from prsd.core.ranges import Interval, IntervalSet
from prsd.core.vocabulary import Lease, ManifestPart, Phase, Range, State
from prsd.core.work import Holding, Issued, Piece, Work


def issue_run(board: Board, work: Work, session: Session, piece: Piece) -> None:
    """Grant a piece that `Work.take` returned. What was never granted before is reserved durably first."""
    _reserve(board, work, piece.stop)
    lease = Lease(board.next_token(), work.step.id, Phase.RUN, piece.first, piece.stop - piece.first, piece.attempt)
    hold(board, work, session, lease.token, IntervalSet([(piece.first, piece.stop)]), is_alone=piece.is_alone)
    work.issued[lease.token] = Issued(session.boot, piece.first, piece.stop)
    work.forget_settled_tokens()
    board.emit(Grant(session.id, lease, work.step.parts_of(piece.first, piece.stop)))


def hold(board: Board, work: Work, session: Session, token: int, ranges: IntervalSet, *, is_alone: bool = False) -> None:
    """Enter a RUN lease into the books: a new one, or one that is adopted after a restart."""
    holding = Holding(token, work.step.id, Phase.RUN, session.id, ranges, is_alone)
    work.leases[token] = holding
    work.keep_progress_clock(board.now)
    session.leases[token] = holding


def issue_phase(
    board: Board, work: Work, session: Session, phase: Phase, *, publish: bool = False, outcome: State | None = None
) -> None:
    """Grant the divide or commit attempt of a step."""
    parts: tuple[ManifestPart, ...] = tuple(work.step.parts) if phase is Phase.DIVIDE else ()
    attempt = 1 + work.step.phase_failures[phase] + work.phase_losses
    lease = Lease(board.next_token(), work.step.id, phase, 0, 1, attempt)
    hold_phase(work, session, lease.token, phase)
    board.emit(Grant(session.id, lease, parts, publish, outcome))


def hold_phase(work: Work, session: Session, token: int, phase: Phase) -> None:
    """Enter a divide or commit lease into the books."""
    holding = Holding(token, work.step.id, phase, session.id, IntervalSet([(0, 1)]))
    work.phase_lease = holding
    session.leases[token] = holding


def shrink(board: Board, work: Work, holding: Holding, first: int, stop: int) -> int:
    """Take indexes out of a lease, and end it when nothing remains; returns how many were in it."""
    removed = holding.remaining.remove(first, stop)
    if removed and not holding.remaining:
        end(board, work, holding)
    return removed


def end(board: Board, work: Work, holding: Holding) -> None:
    """Strike a lease out of the books; what remains of it is the caller's to place."""
    session = board.sessions.get(holding.session)
    if session:
        session.leases.pop(holding.token, None)
    if holding is work.phase_lease:
        work.phase_lease = None
        board.touch(work.step.id)
        board.is_placement_due = True
        return
    del work.leases[holding.token]
    issued = work.issued.get(holding.token)
    if issued and work.step.settled.covers(issued.first, issued.stop):
        del work.issued[holding.token]
    work.keep_progress_clock(board.now)


def release(board: Board, work: Work, holding: Holding, ranges: list[Interval] | None = None) -> None:
    """Free a lease, or these of its indexes: nothing is charged and nothing counted."""
    if holding.phase is not Phase.RUN:
        end(board, work, holding)
        return
    for first, stop in list(holding.remaining) if ranges is None else ranges:
        for piece in holding.remaining.overlap(first, stop):
            shrink(board, work, holding, *piece)
            work.put_back(*piece)


def settle(board: Board, work: Work, own: Holding | None, first: int, stop: int) -> None:
    """These are settled now: take them from wherever they are, most likely from the reporter's `own` lease.

    Another agent that runs a copy stops.
    """
    left = stop - first
    if own is not None and own.token in work.leases:
        left -= shrink(board, work, own, first, stop)
    if left:
        left -= work.withdraw(first, stop)
    if left:
        _settle_elsewhere(board, work, first, stop)


def revoke(board: Board, work: Work, holding: Holding) -> None:
    """End a lease and tell its agent to stop."""
    board.emit(Revoke(holding.session, holding.token, holding.ranges()))
    end(board, work, holding)


def _settle_elsewhere(board: Board, work: Work, first: int, stop: int) -> None:
    for holding in list(work.leases.values()):
        pieces = holding.remaining.overlap(first, stop)
        if pieces:
            ranges = tuple(Range(start, end_ - start) for start, end_ in pieces)
            board.emit(Revoke(holding.session, holding.token, ranges))
            shrink(board, work, holding, first, stop)
            work.to_serve[holding.session] = None


def _reserve(board: Board, work: Work, stop: int) -> None:
    step = work.step
    if stop > step.reserved:
        ahead = min(step.divided, step.reserved + board.settings.reserve_ahead)
        board.record(IndexesReserved(step.id, max(stop, ahead)))
