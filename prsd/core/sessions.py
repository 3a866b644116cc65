"""Agents that come, are heard from, go, or vanish."""

from __future__ import annotations

from prsd.core import instances, leases, placement, takeover
from prsd.core.agents import Session
from prsd.core.board import Board
from prsd.core.commands import Dismiss
from prsd.core.events import AgentJoined, AgentSynced
from prsd.core.facts import FailureRecorded, LossRecorded, SessionClosed, SessionOpened
from prsd.core.ranges import IntervalSet
from prsd.core.vocabulary import Failure, Phase, Range
from prsd.core.work import Work


def on_joined(board: Board, event: AgentJoined) -> None:
    """A Hello: a new agent, or a boot that is back and takes over what it held."""
    if event.session in board.sessions:
        return
    former = board.session_of_boot(event.boot)
    recorded = _recorded_of(board, event.boot)
    session = Session(
        event.session,
        event.agent,
        event.boot,
        event.compute,
        event.slots,
        heard_at=board.now,
        deadline=board.now + board.settings.session_timeout_s,
    )
    board.record(SessionOpened(event.session, event.agent, event.boot))
    for old in recorded:
        board.record(SessionClosed(old))
    board.sessions[session.id] = session
    if former:
        if former.is_attached:
            board.emit(Dismiss(former.id, "replaced by a new session of the same agent process"))
        del board.sessions[former.id]
    was_awaited = [old for old in recorded if board.awaited.pop(old, None) is not None]
    takeover.take_over(board, event, session, former, may_adopt=bool(was_awaited))
    resume_when_all_are_back(board)
    board.is_placement_due = True


def on_synced(board: Board, event: AgentSynced) -> None:
    """A heartbeat renews everything that the agent holds; what it has seen and does not hold is free."""
    session = board.sessions.get(event.session)
    if session is None:
        return
    session.heard_at = board.now
    session.deadline = board.now + board.settings.session_timeout_s
    if event.draining and not session.is_draining:
        session.is_draining = board.is_placement_due = True
    held = set(event.held)
    for lease in [lease for token, lease in session.leases.items() if token <= event.seen and token not in held]:
        leases.release(board, board.works[lease.step], lease)
    wants = {want.step: want for want in event.wants}
    for step, instance in session.instances.items():
        want = wants.get(step)
        if instance.is_closing:
            continue
        instance.want = want.count if want else 0
        work = board.works[step]
        work.to_serve[session.id] = None
        if want and want.ready_workers:
            instance.ready_workers = want.ready_workers
            instances.note_ready(board, work)


def on_stream_ended(board: Board, session_id: str) -> None:
    """No Goodbye: the session lives on until its deadline, but nothing can be sent to it."""
    session = board.sessions.get(session_id)
    if session:
        session.is_attached = False


def on_left(board: Board, session_id: str) -> None:
    """Goodbye: what the agent held was not running any more, so it is freed without a loss."""
    session = board.sessions.get(session_id)
    if session is None:
        return
    board.record(SessionClosed(session_id))
    for lease in list(session.leases.values()):
        leases.release(board, board.works[lease.step], lease)
    _remove(board, session)


def lose(board: Board, session: Session) -> None:
    """An agent was not heard from in time: its leases are lost, each of its mini-batches one step nearer to giving up."""
    board.marks["agent_lost"] += 1
    board.record(SessionClosed(session.id))
    for step in dict.fromkeys(lease.step for lease in session.leases.values()):
        _lose_leases(board, session, board.works[step])
    _remove(board, session)
    silence_s = board.now - session.heard_at
    board.emit(Dismiss(session.id, f"nothing was heard from {session.agent} for {silence_s:.0f} s"))


def stop_waiting_for(board: Board, session_id: str) -> None:
    """A session of the life before did not come back in time."""
    del board.awaited[session_id]
    board.record(SessionClosed(session_id))
    resume_when_all_are_back(board)


def _recorded_of(board: Board, boot: str) -> list[str]:
    return [opened.session for opened in board.recorded.sessions.values() if opened.boot == boot]


def resume_when_all_are_back(board: Board) -> None:
    """Once nobody of the life before is missing, what nobody claimed is free and phases may be granted."""
    if board.awaited:
        return
    for work in board.works.values():
        if work.is_resuming:
            work.release_held_back()
            board.touch(work.step.id)
    board.is_placement_due = True


def _remove(board: Board, session: Session) -> None:
    for instance in list(session.instances.values()):
        placement.remove(board, instance)
    del board.sessions[session.id]
    board.is_placement_due = True


def _lose_leases(board: Board, session: Session, work: Work) -> None:
    lost = IntervalSet()
    for lease in [lease for lease in session.leases.values() if lease.step == work.step.id]:
        if lease.phase is Phase.RUN:
            for piece in lease.remaining:
                lost.add(*piece)
        else:
            _lose_phase(board, session, work, lease.phase)
        leases.end(board, work, lease)
    if not lost:
        return
    if _fail_doomed(board, session, work, lost):
        board.marks["loss_limit_reached"] += 1
        work.note_progress(board.now)
    if lost:
        ranges = tuple(Range(first, stop - first) for first, stop in lost)
        board.record(LossRecorded(work.step.id, ranges, session.agent))
    for piece in lost:
        work.put_back(*piece)
    board.touch(work.step.id)


def _fail_doomed(board: Board, session: Session, work: Work, lost: IntervalSet) -> bool:
    """Record what has lost its last agent as failed, where every reader of the facts looks for failures."""
    step = work.step
    doomed = [piece for first, stop in lost for piece in step.last_chances(first, stop)]
    message = step.loss_message(session.agent)
    for first, stop in doomed:
        lost.remove(first, stop)
        for index in range(first, stop):
            attempt = step.attempt_of(index)
            failure = Failure(step.id, 0, Phase.RUN, index, "agent lost", message, attempt=attempt, permanent=True)
            board.record(FailureRecorded(failure, final=True))
    return bool(doomed)


def _lose_phase(board: Board, session: Session, work: Work, phase: Phase) -> None:
    """A divide or commit attempt that takes agent after agent with it must end too."""
    work.phase_losses += 1
    if work.phase_losses >= board.settings.loss_limit:
        message = f"{work.phase_losses} agents were lost during the {phase.value}, the last one was {session.agent}"
        failure = Failure(work.step.id, 0, phase, 0, "agent lost", message, permanent=True)
        board.record(FailureRecorded(failure, final=True))
        work.phase_losses = 0
