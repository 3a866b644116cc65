"""What agents report of their attempts. The first durable result wins; a failure counts under the current lease alone."""

from __future__ import annotations

from prsd.core import leases
from prsd.core.agents import Session
from prsd.core.board import Board
from prsd.core.commands import Acknowledge
from prsd.core.events import AttemptsReported
from prsd.core.facts import CommitRecorded, DivisionRecorded, FailureRecorded, ResultsRecorded
from prsd.core.jobs import step_work
from prsd.core.steps import StepRecord
from prsd.core.vocabulary import (
    CommitDone,
    DivisionProgress,
    Failure,
    GivenBack,
    ManifestPart,
    Phase,
    Results,
)
from prsd.core.work import Holding, Work


def on_attempts(board: Board, event: AttemptsReported) -> None:
    """Take what a report brings and acknowledge it; one of an unknown session comes again under a new one."""
    session = board.sessions.get(event.session)
    if session is None:
        return
    for results in event.results:
        take_results(board, session, results)
    for failure in event.failures:
        _take_failure(board, session, failure)
    for given_back in event.given_back:
        _take_back(board, session, given_back)
    for progress in event.divisions:
        _take_division(board, session, progress)
    for done in event.commits:
        _take_commit(board, session, done)
    board.emit(Acknowledge(session.id, event.number))


def take_results(board: Board, session: Session, results: Results) -> None:
    """Record the part of these results that is new and may be true; refuse the rest."""
    work = step_work(board, results.step)
    if work is None:
        board.marks["result_refused"] += 1
        return
    first, stop = _credible(board, work, session, results)
    step = work.step
    pieces = step.settled.gaps(first, stop) if first < stop else []
    if sum(end - start for start, end in pieces) < results.count:
        board.marks["result_refused"] += 1
    for start, end in pieces:
        own = session.leases.get(results.token)
        if own is None or not own.remaining.covers(start, end):
            board.marks["late_result_accepted"] += 1
        board.record(ResultsRecorded(results.cut(start, end), session.id))
        leases.settle(board, work, own, start, end)
    if pieces:
        _note_outcome(board, work, session)


def _credible(board: Board, work: Work, session: Session, results: Results) -> tuple[int, int]:
    """The part of the range that this session can have run: what the token was issued for.

    Tokens of former incarnations are not on the books any more; they are believed below what was ever granted.
    """
    incarnation = results.token >> 32
    first, stop = results.first, min(results.first + results.count, work.cursor)
    if 0 < incarnation < board.recorded.incarnation:
        return first, stop
    issued = work.issued.get(results.token)
    if issued is None or issued.boot != session.boot:
        return first, first
    return max(first, issued.first), min(stop, issued.stop)


def _note_outcome(board: Board, work: Work, session: Session) -> None:
    """A final outcome: that is progress, and the agent has room."""
    work.note_progress(board.now)
    board.touch(work.step.id)
    instance = work.instances.get(session.id)
    if instance is not None and instance.is_hungry:
        work.to_serve[session.id] = None


def _take_failure(board: Board, session: Session, failure: Failure) -> None:
    work = step_work(board, failure.step)
    if failure.phase is not Phase.RUN:
        _take_phase_failure(board, session, failure)
        return
    lease = session.leases.get(failure.token)
    if work is None or lease is None or lease.step != failure.step or lease.phase is not Phase.RUN:
        return
    index = failure.index
    if index not in lease.remaining:
        return
    is_final = False
    if _is_charged_already(board, work.step, failure):
        board.marks["stale_failure_dropped"] += 1
    else:
        attempts = 1 + work.step.charges.get(index, 0)
        is_final = failure.permanent or attempts >= 1 + work.step.terms.max_retries
        board.record(FailureRecorded(failure, is_final))
    leases.shrink(board, work, lease, index, index + 1)
    if is_final:
        _note_outcome(board, work, session)
    else:
        work.put_back(index, index + 1)


def _is_charged_already(board: Board, step: StepRecord, failure: Failure) -> bool:
    """An adopted lease may bring a failure that is durable, and whose acknowledgement died with the daemon."""
    is_adopted = failure.token >> 32 < board.recorded.incarnation
    return is_adopted and failure.attempt < step.attempt_of(failure.index)


def _take_phase_failure(board: Board, session: Session, failure: Failure) -> None:
    lease = session.leases.get(failure.token)
    if lease is None or lease.step != failure.step or lease.phase is not failure.phase:
        return
    work = board.works[lease.step]
    is_publishing = failure.phase is Phase.DIVIDE or work.step.terms.appends_rows
    attempts = 1 + work.step.phase_failures[failure.phase]
    # Reports alone are written once or not at all.
    is_final = failure.permanent or not is_publishing or attempts >= board.settings.phase_attempts
    board.record(FailureRecorded(failure, is_final))
    leases.end(board, work, lease)


def _take_back(board: Board, session: Session, given_back: GivenBack) -> None:
    lease = session.leases.get(given_back.token)
    if lease is None:
        return
    was = len(lease.remaining)
    leases.release(board, board.works[lease.step], lease, [(part.first, part.stop) for part in given_back.ranges])
    if lease.taken_back_at is not None and len(lease.remaining) < was:
        board.marks["unstarted_part_taken_back"] += 1


def _take_division(board: Board, session: Session, progress: DivisionProgress) -> None:
    lease = session.leases.get(progress.token)
    work = step_work(board, progress.step)
    if work is None or lease is None or lease.step != progress.step or lease.phase is not Phase.DIVIDE:
        return
    new, problem = _new_parts(work.step, progress)
    if problem:
        _refuse_division(board, work, lease, problem)
        return
    if new or progress.ended or progress.notices:
        board.record(DivisionRecorded(progress.step, new, progress.ended, progress.notices))
    if work.step.divided:
        work.clocks.first_task_deadline = None
    if new:
        work.note_progress(board.now)
    if progress.ended:
        leases.end(board, work, lease)
    work.serve_hungry = True
    board.is_placement_due = True
    board.touch(progress.step)


def _refuse_division(board: Board, work: Work, lease: Holding, problem: Failure) -> None:
    is_final = problem.permanent or 1 + work.step.phase_failures[Phase.DIVIDE] >= board.settings.phase_attempts
    board.record(FailureRecorded(problem, is_final))
    leases.revoke(board, work, lease)


def _new_parts(step: StepRecord, progress: DivisionProgress) -> tuple[tuple[ManifestPart, ...], Failure | None]:
    """The parts that continue the recorded ones, or why these cannot be the same input."""
    new: list[ManifestPart] = []
    divided = step.divided
    for part in progress.parts:
        if part.first == divided:
            new.append(part)
            divided += part.count
            continue
        recorded = step.part_at(part.first)
        if part.first > divided:
            problem = f"a part of the manifest begins at mini-batch {part.first}, but only {divided} are known"
        elif recorded is None or (recorded.digest, recorded.count) != (part.digest, part.count):
            problem = f"the input changed while it was divided (at mini-batch {part.first})"
        else:
            continue
        is_lasting = part.first < divided
        return (), Failure(step.id, progress.token, Phase.DIVIDE, 0, "division", problem, permanent=is_lasting)
    return tuple(new), None


def _take_commit(board: Board, session: Session, done: CommitDone) -> None:
    lease = session.leases.get(done.token)
    if lease is None or lease.step != done.step or lease.phase is not Phase.COMMIT:
        return
    board.record(CommitRecorded(done))
    leases.end(board, board.works[done.step], lease)
