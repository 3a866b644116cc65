"""Which agents take part in a step, and which one divides its input or commits its output."""

from __future__ import annotations

from prsd.core import leases
from prsd.core.agents import Session
from prsd.core.board import Board
from prsd.core.commands import Close, Open
from prsd.core.facts import StepChanged
from prsd.core.vocabulary import Phase, State
from prsd.core.work import Instance, Work


def place(board: Board) -> None:
    """Open live steps on more agents where they may grow, and have undivided inputs divided; oldest steps first."""
    board.is_placement_due = False
    for work in board.works.values():
        if work.step.is_live:
            _open(board, work)
            _divide(board, work)
        if not work.step.is_live or work.gave_up:
            board.touch(work.step.id)  # a commit may wait for an agent, a start failure for the last one to leave


def choose_for_phase(board: Board, work: Work) -> Session | None:
    """The agent for a divide or commit attempt; it takes no slot. One with the step open is preferred.

    None on a full disk.
    """
    if not board.has_room:
        return None
    candidates = [session for session in _suitable(board, work) if session.takes_new_work]
    step = work.step.id
    return min(
        candidates,
        key=lambda session: (
            step not in session.instances,
            sum(_is_phase(lease.phase) for lease in session.leases.values()),
        ),
        default=None,
    )


def has_suitable_agent(board: Board, work: Work) -> bool:
    """Whether any agent of the step's compute is there, or may be back after a restart."""
    return bool(_suitable(board, work) or board.awaited)


def is_given_up_everywhere(board: Board, work: Work) -> bool:
    """No worker could be started on any agent that could serve: nothing is left to try."""
    return (
        bool(work.gave_up)
        and not work.open_instances()
        and not board.awaited
        and all(session.boot in work.gave_up for session in _suitable(board, work))
    )


def close(board: Board, instance: Instance, kill: bool) -> None:
    """Ask an agent to end its part in a step; it answers CLOSED."""
    instance.is_closing = True
    instance.kill = kill
    instance.want = 0
    instance.is_hungry = False
    instance.close_deadline = board.now + board.settings.close_timeout_s
    work = board.works.get(instance.step)
    if work:
        work.keep_progress_clock(board.now)
    board.emit(Close(instance.session, instance.step, kill))


def enter(board: Board, work: Work, session: Session, instance: Instance) -> None:
    """Enter an instance into the books."""
    work.instances[session.id] = instance
    work.keep_progress_clock(board.now)
    session.instances[instance.step] = instance


def remove(board: Board, instance: Instance) -> None:
    """Strike an instance out of the books; its slots are free."""
    session = board.sessions.get(instance.session)
    if session:
        session.instances.pop(instance.step, None)
    work = board.works.get(instance.step)
    if work:
        work.instances.pop(instance.session, None)
        work.keep_progress_clock(board.now)
    board.touch(instance.step)
    board.is_placement_due = True


def workers_on(work: Work, session: Session) -> int:
    """How many workers an instance gets here; 0 when no slot is free."""
    return min(work.step.terms.workers_per_instance or session.slots, session.free_slots)


def mark_preparing(board: Board, work: Work) -> None:
    """The first agent is asked to do something for this step."""
    if work.step.state is State.QUEUED:
        board.record(StepChanged(work.step.id, State.PREPARING))
        board.touch_job(work.step.id.job)


def _suitable(board: Board, work: Work) -> list[Session]:
    return [session for session in board.sessions.values() if session.serves(work.step.terms.compute)]


def _is_phase(phase: Phase) -> bool:
    return phase is not Phase.RUN


def _open(board: Board, work: Work) -> None:
    while _may_grow(board, work):
        candidates = [session for session in _suitable(board, work) if _can_open(work, session)]
        if not candidates:
            return
        # max() takes the first of equals: the agent that joined first.
        session = max(candidates, key=lambda session: session.free_slots)
        mark_preparing(board, work)
        if work.clocks.opened_at is None:
            work.clocks.opened_at = board.now
        instance = Instance(work.step.id, session.id, workers_on(work, session), work.next_node)
        work.next_node += 1
        enter(board, work, session, instance)
        board.emit(Open(session.id, work.step.id, instance.workers, instance.node))


def _can_open(work: Work, session: Session) -> bool:
    return (
        session.takes_new_work
        and work.step.id not in session.instances
        and session.boot not in work.gave_up
        and workers_on(work, session) > 0
    )


def _may_grow(board: Board, work: Work) -> bool:
    step = work.step
    active = [one for one in work.open_instances() if not board.sessions[one.session].is_draining]
    has_use = not step.division_ended or step.divided - step.outcomes > len(active)
    # After a restart any session that is still awaited may turn out to have the step open.
    may_be_open = len(board.awaited) if work.is_resuming else 0
    return has_use and len(active) + may_be_open < instance_limit(work)


def instance_limit(work: Work) -> int:
    """How many agents may take part; a step whose count makes no sense still gets one."""
    return max(1, work.step.terms.instance_count)


def _divide(board: Board, work: Work) -> None:
    if work.step.division_ended or work.phase_lease or work.is_resuming:
        return
    session = choose_for_phase(board, work)
    if session is None:
        return
    mark_preparing(board, work)
    if work.clocks.first_task_deadline is None and work.step.divided == 0:
        work.clocks.first_task_deadline = board.now + work.step.terms.first_task_creation_timeout_s
    leases.issue_phase(board, work, session, Phase.DIVIDE)
