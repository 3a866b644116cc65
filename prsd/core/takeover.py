"""A boot that is back under a new session: what it says it holds, against what the books say.

Within one life of the daemon the books of the former session decide. After a restart there are none: then what the agent
lists is adopted, as far as nobody else can have a claim to it.
"""

from __future__ import annotations

from prsd.core import leases, placement
from prsd.core.agents import Session
from prsd.core.board import Board
from prsd.core.commands import Close, Revoke, Welcome
from prsd.core.events import AgentJoined
from prsd.core.jobs import step_work
from prsd.core.ranges import IntervalSet
from prsd.core.vocabulary import HeldLease, Phase, Range, State, StepId
from prsd.core.work import Instance


def take_over(board: Board, event: AgentJoined, session: Session, former: Session | None, may_adopt: bool) -> None:
    """Reconcile what the agent says it holds with the books, and answer with Welcome before anything else."""
    if former:
        _move(board, former, session)
    revokes: list[Revoke] = []
    listed = {held.token: held for held in event.held}
    for lease in list(session.leases.values()):
        held = listed.get(lease.token)
        work = board.works[lease.step]
        if held is None:
            leases.release(board, work, lease)
        elif lease.phase is Phase.RUN:
            leases.release(board, work, lease, _beyond(lease.remaining, held))
    if may_adopt:
        for held in event.held:
            _adopt(board, event, session, held)
    for held in event.held:
        kept = session.leases.get(held.token)
        surplus = _surplus(held, kept.remaining) if kept and kept.phase is Phase.RUN else ()
        if surplus:
            revokes.append(Revoke(session.id, held.token, surplus))
    board.emit(Welcome(session.id, tuple(token for token in listed if token in session.leases)))
    for revoke in revokes:
        board.emit(revoke)
    _reopen(board, event, session, may_adopt)


def _move(board: Board, former: Session, session: Session) -> None:
    session.is_draining = former.is_draining
    session.leases, session.instances = former.leases, former.instances
    for lease in session.leases.values():
        lease.session = session.id
    for step, instance in session.instances.items():
        work = board.works[step]
        del work.instances[former.id]
        instance.session = session.id
        instance.want = 0
        instance.is_hungry = False
        work.instances[session.id] = instance


def _beyond(remaining: IntervalSet, held: HeldLease) -> list[tuple[int, int]]:
    """What the books say remains of a lease, but the agent does not list."""
    listed = IntervalSet((part.first, part.stop) for part in held.ranges)
    return [piece for first, stop in remaining for piece in listed.gaps(first, stop)]


def _surplus(held: HeldLease, remaining: IntervalSet) -> tuple[Range, ...]:
    """What the agent lists, but is settled or someone else's."""
    pieces = [piece for part in held.ranges for piece in remaining.gaps(part.first, part.stop)]
    return tuple(Range(first, stop - first) for first, stop in pieces)


def _adopt(board: Board, event: AgentJoined, session: Session, held: HeldLease) -> None:
    """Take a lease of the life before back into the books, as far as nobody else has a claim to it."""
    step = board.recorded.step(held.step)
    work = board.works.get(held.step)
    if step is None or work is None or held.token in session.leases or held.token >> 32 >= board.recorded.incarnation:
        return
    if held.phase is not Phase.RUN:
        is_due = held.phase is (Phase.DIVIDE if step.is_live else Phase.COMMIT)
        if is_due and work.phase_lease is None and not (step.is_live and step.division_ended):
            leases.hold_phase(work, session, held.token, held.phase)
        return
    ranges = IntervalSet(piece for part in held.ranges for piece in work.held_back.overlap(part.first, part.stop))
    # Where the step is not open the agent only waits for acknowledgements: these results are accepted without a lease.
    if ranges and held.step in event.open_steps and _is_due(board, session, held.step):
        for piece in ranges:
            work.held_back.remove(*piece)
        leases.hold(board, work, session, held.token, ranges)


def _reopen(board: Board, event: AgentJoined, session: Session, may_adopt: bool) -> None:
    """Bring the agent's open steps in line: keep, close, or open again."""
    for position, step in enumerate(event.open_steps):
        instance = session.instances.get(step)
        if instance is None and may_adopt and _is_due(board, session, step):
            _adopt_instance(board, event, session, position)
        elif instance is None or instance.is_closing:
            _close_again(board, event, session, position)
    for instance in [one for one in session.instances.values() if one.step not in event.open_steps]:
        # Open never arrived, or the report that all is closed was lost: placement opens it again where it is due.
        for lease in [lease for lease in session.leases.values() if lease.step == instance.step]:
            if lease.phase is Phase.RUN:
                leases.release(board, board.works[lease.step], lease)
        placement.remove(board, instance)


def _is_due(board: Board, session: Session, step: StepId) -> bool:
    """Whether this step may be open on this agent."""
    work = step_work(board, step)
    return work is not None and _was_begun(board, step) and session.serves(work.step.terms.compute)


def _was_begun(board: Board, step: StepId) -> bool:
    """Whether anybody was ever asked to open it: that is durable before Open leaves."""
    work = board.works.get(step)
    return work is not None and work.step.state is not State.QUEUED


def _adopt_instance(board: Board, event: AgentJoined, session: Session, position: int) -> Instance:
    """Take an instance of the life before into the books as the agent describes it."""
    step = event.open_steps[position]
    work = board.works[step]
    is_described = position < min(len(event.open_nodes), len(event.open_workers))
    node = event.open_nodes[position] if is_described else work.next_node
    workers = event.open_workers[position] if is_described else work.step.terms.workers_per_instance or session.slots
    work.next_node = max(work.next_node, node + 1)
    instance = Instance(step, session.id, workers, node, is_adopted=True)
    placement.enter(board, work, session, instance)
    return instance


def _close_again(board: Board, event: AgentJoined, session: Session, position: int) -> None:
    step = event.open_steps[position]
    record = board.recorded.step(step)
    kill = record is None or record.ending is not State.COMPLETED
    instance = session.instances.get(step)
    if instance is None and not _was_begun(board, step):
        board.emit(Close(session.id, step, kill))
        return
    if instance is None:
        instance = _adopt_instance(board, event, session, position)
        instance.kill = kill
    placement.close(board, instance, instance.kill)
