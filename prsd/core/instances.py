"""What agents say of their workers in a step."""

from __future__ import annotations

from prsd.core import endings, leases, placement
from prsd.core.agents import Session
from prsd.core.board import Board
from prsd.core.events import InstanceReported
from prsd.core.facts import StartFailureRecorded, StepChanged
from prsd.core.vocabulary import InstanceState, Phase, State
from prsd.core.work import Instance, Work


def on_instance(board: Board, event: InstanceReported) -> None:
    """Note what became of an instance; one that is not on the books says nothing that matters."""
    session = board.sessions.get(event.session)
    instance = session.instances.get(event.step) if session else None
    if session is None or instance is None:
        return
    work = board.works[event.step]
    instance.waiting_reason = event.waiting_reason
    if event.error is not None and work.step.is_live:
        board.record(StartFailureRecorded(event.step, session.agent, event.error))
        board.touch(event.step)
    match event.state:
        case InstanceState.OPENED:
            pass
        case InstanceState.READY:
            note_ready(board, work)
        case InstanceState.START_FAILED:
            _stop_after_grace(board, work, instance)
        case InstanceState.GAVE_UP:
            _on_gave_up(board, session, work, instance)
        case InstanceState.CLOSED:
            _free(board, session, work)
            placement.remove(board, instance)


def note_ready(board: Board, work: Work) -> None:
    """A worker has loaded the entry script: the step runs, and no init failure stops it any more."""
    work.has_been_ready = True
    if work.step.state is State.PREPARING:
        board.record(StepChanged(work.step.id, State.RUNNING))
        board.touch_job(work.step.id.job)


def _stop_after_grace(board: Board, work: Work, instance: Instance) -> None:
    """init() fails everywhere, again and again: stop (spec section 3.6, init failure rule 2)."""
    step, opened_at = work.step, work.clocks.opened_at
    if not step.is_live or work.has_been_ready or step.outcomes or opened_at is None:
        return
    limit = 2 * placement.instance_limit(work) * max(1, instance.workers)
    if board.now - opened_at > board.settings.init_failure_grace_s and step.start_failures >= limit:
        error = step.last_start_error
        endings.end_step(
            board, work, State.FAILED, f"{step.start_failures} workers could not start: {error.message if error else ''}"
        )


def _on_gave_up(board: Board, session: Session, work: Work, instance: Instance) -> None:
    work.gave_up[session.boot] = None
    if instance.is_closing:
        return
    _free(board, session, work)
    placement.close(board, instance, kill=True)
    board.touch(work.step.id)
    board.is_placement_due = True


def _free(board: Board, session: Session, work: Work) -> None:
    for lease in [lease for lease in session.leases.values() if lease.step == work.step.id]:
        if lease.phase is Phase.RUN:
            leases.release(board, work, lease)
