"""Every invariant, callable. The simulation and the state machine call it after every event.

An AssertionError names the invariant and the step or session that breaks it.
"""

from __future__ import annotations

import hashlib

from prsd.core.board import Board
from prsd.core.placement import instance_limit
from prsd.core.ranges import IntervalSet
from prsd.core.restore import Recorded
from prsd.core.steps import StepRecord
from prsd.core.vocabulary import Phase, State, StepKind
from prsd.core.work import Work


def check(board: Board) -> None:
    """Prove that the books add up."""
    is_settled = not (board.touched_steps or board.touched_jobs or board.is_placement_due)
    assert is_settled, "an event was left half handled"
    for job in board.recorded.jobs.values():
        is_over = all(step.state.is_final for step in job.steps.values())
        assert job.state.is_final == is_over, f"job {job.id} is {job.state}: final exactly when all its steps are"
        for step in job.steps.values():
            _check_presence(board, step)
            if step.state.is_final:
                _check_final(step)
            else:
                _check_step(step)
    for work in board.works.values():
        _check_leases(board, work)
        _check_instances(board, work)
        if work.step.is_live:
            _check_places(work)
            _check_limits(work)
            _check_progress(board, work)
    _check_sessions(board)


def durable_digest(recorded: Recorded) -> str:
    """Equal for equal facts, whether they were folded live or at a restart."""
    digest = hashlib.sha256(repr((recorded.incarnation, sorted(recorded.sessions))).encode())
    for job in recorded.jobs.values():
        digest.update(repr((job.id, job.state, job.reason, job.is_cancel_requested)).encode())
        for step in job.steps.values():
            digest.update(repr(sorted((name, value) for name, value in vars(step).items())).encode())
    return digest.hexdigest()


def _check_step(step: StepRecord) -> None:
    """I1, I3, I6: outcomes are disjoint, budgets are kept, counters are not negative."""
    outcomes = IntervalSet()
    for outcome in (step.done, step.empty, step.failed):
        for piece in outcome:
            assert outcomes.add(*piece) == piece[1] - piece[0], f"{step.id}: a mini-batch has two outcomes"
    assert outcomes == step.settled, f"{step.id}: settled is not done + empty + failed"
    assert len(step.settled) <= step.divided, f"{step.id}: more outcomes than mini-batches"
    assert step.reserved <= step.divided, f"{step.id}: reserved beyond what is divided"
    for index, charged in step.charges.items():
        assert index not in step.settled, f"{step.id}: a settled mini-batch {index} is charged"
        assert 0 < charged < 1 + max(0, step.terms.max_retries), f"{step.id}: {index} was charged {charged} times"
    for level in step.losses:
        for piece in level:
            assert step.settled.gaps(*piece) == [piece], f"{step.id}: a settled mini-batch of {piece} counts as lost"
    assert min(step.items_total, step.items_succeeded, step.items_failed, step.short) >= 0, f"{step.id}: counters"


def _check_final(step: StepRecord) -> None:
    """I7: Completed means that everything is settled and, where there is an output, that it is published."""
    if step.state is State.COMPLETED:
        assert step.is_all_settled, f"{step.id} is Completed, but not everything is settled"
        needs_commit = step.terms.kind is StepKind.PARALLEL and step.terms.appends_rows
        assert step.committed or not needs_commit, f"{step.id} is Completed without its output"


def _check_presence(board: Board, step: StepRecord) -> None:
    """I2c, I16: a step is at work exactly from its start until it is final."""
    is_at_work = step.id in board.works
    assert not (is_at_work and step.state.is_final), f"{step.id} is {step.state} and still at work"
    if step.state not in (State.QUEUED,) and not step.state.is_final:
        assert is_at_work, f"{step.id} is {step.state}, but nothing is done about it"
    if step.state is State.FINALIZING:
        assert step.ending is not None, f"{step.id} is Finalizing towards nothing"


def _check_places(work: Work) -> None:
    """I1: below the cursor every mini-batch is in exactly one place."""
    step = work.step
    assert step.outcomes <= work.cursor <= step.divided, f"{step.id}: cursor {work.cursor}"
    assert work.cursor <= max(step.reserved, 0), f"{step.id}: granted beyond the reservation"
    everything = IntervalSet(step.settled)
    leased = [lease.remaining for lease in work.leases.values()]
    retries = [IntervalSet([(index, index + 1)]) for index in work.retries]
    for place in (work.free, work.suspects, work.held_back, *retries, *leased):
        for first, stop in place:
            assert everything.add(first, stop) == stop - first, f"{step.id}: [{first}, {stop}) is in two places"
    assert list(everything) == ([(0, work.cursor)] if work.cursor else []), f"{step.id}: places do not add up: {everything}"
    for index in step.charges:
        assert index not in work.free, f"{step.id}: charged mini-batch {index} lies among those with attempt 1"


def _check_leases(board: Board, work: Work) -> None:
    """I2, I13: leases are on the books of a live session, and only while there is something to do."""
    step = work.step
    leases = list(work.leases.values()) + ([work.phase_lease] if work.phase_lease else [])
    for lease in leases:
        session = board.sessions.get(lease.session)
        assert session is not None, f"{step.id}: lease {lease.token} of a session that is gone"
        assert session.leases.get(lease.token) is lease, f"{step.id}: lease {lease.token} is not on its session's books"
        assert lease.remaining, f"{step.id}: lease {lease.token} of nothing"
        assert lease.token <= board.last_token, f"{step.id}: token {lease.token} was never made"
    for lease in work.leases.values():
        assert step.is_live, f"{step.id} ends, but lease {lease.token} is in force"
        assert step.id in board.sessions[lease.session].instances, f"{step.id}: lease {lease.token} without an instance"
        held = board.sessions[lease.session].held(step.id)
        assert not lease.is_alone or held == 1, f"{step.id}: a suspect is not alone"
    if work.phase_lease:
        due = Phase.DIVIDE if step.is_live else Phase.COMMIT
        assert work.phase_lease.phase is due, f"{step.id}: {work.phase_lease.phase} is not due"
    is_served = bool(work.leases or work.open_instances())
    assert is_served == (work.clocks.progress_since is not None), f"{step.id}: the progress clock is wrong"


def _check_instances(board: Board, work: Work) -> None:
    """I12: at most as many agents as the step asks for."""
    active = [one for one in work.open_instances() if not one.is_adopted and not board.sessions[one.session].is_draining]
    assert len(active) <= instance_limit(work), f"{work.step.id}: {len(active)} instances"
    for session_id, instance in work.instances.items():
        session = board.sessions[session_id]
        assert session.instances.get(instance.step) is instance, f"{work.step.id}: stray instance"
        assert work.step.is_live or instance.is_closing, f"{work.step.id} ends, but is open on {session.agent}"
    if not work.step.is_live:
        assert work.is_resuming or work.instances or work.phase_lease or work.step.ending is State.COMPLETED, (
            f"{work.step.id}: nothing is left to wait for"
        )


def _check_limits(work: Work) -> None:
    """I7b: a live step has not exceeded any threshold."""
    terms, step = work.step.terms, work.step
    assert terms.error_threshold < 0 or step.items_failed <= terms.error_threshold, f"{step.id}: over error_threshold"
    limit = terms.mini_batch_error_threshold
    assert limit < 0 or len(step.failed) <= limit, f"{step.id}: over mini_batch_error_threshold"
    assert not step.is_all_settled, f"{step.id}: everything is settled, but it does not end"


def _check_progress(board: Board, work: Work) -> None:
    """L6: no agent that wants work goes without while there is some."""
    for session_id, instance in work.instances.items():
        session = board.sessions[session_id]
        idle = session.takes_new_work and not instance.is_closing and session.held(work.step.id) == 0
        if idle and instance.want > 0 and session_id not in work.to_serve:
            assert work.available == 0 or not instance.is_hungry, f"{work.step.id}: {session.agent} idles beside work"


def _check_sessions(board: Board) -> None:
    """I12, I18: one session per boot, no slot used twice, each session recorded."""
    boots = [session.boot for session in board.sessions.values()]
    assert len(boots) == len(set(boots)), "a boot has two sessions"
    for session in board.sessions.values():
        is_guessed = any(instance.is_adopted for instance in session.instances.values())
        assert session.free_slots >= 0 or is_guessed, f"{session.agent}: more workers than slots"
        assert session.id in board.recorded.sessions, f"{session.agent}: session {session.id} is not recorded"
        for lease in session.leases.values():
            work = board.works.get(lease.step)
            assert work is not None, f"{session.agent}: lease {lease.token} of a step that is over"
            on_books = work.leases.get(lease.token) is lease or work.phase_lease is lease
            assert on_books, f"{session.agent}: lease {lease.token} is not on the step's books"
    recorded = set(board.sessions) | set(board.awaited)
    assert recorded == set(board.recorded.sessions), "recorded sessions are not those that live or are awaited"
