"""From a verdict to the final state: stop, close, commit.

Written as "what is to be done in this state", not as reactions to events, so that a restarted daemon goes on from
whatever was recorded last.
"""

from __future__ import annotations

from prsd.core import leases, limits, placement
from prsd.core.board import Board
from prsd.core.facts import StepChanged, StepEnding
from prsd.core.vocabulary import Phase, State, StepKind
from prsd.core.work import Work


def advance(board: Board, work: Work) -> None:
    """Bring a step forward as far as it goes without new events."""
    if work.step.is_live:
        verdict = limits.verdict(work) or _given_up(board, work)
        if verdict:
            end_step(board, work, verdict.outcome, verdict.reason)
    if work.step.ending is not None and not work.step.state.is_final:
        _finish(board, work)


def end_step(board: Board, work: Work, outcome: State, reason: str) -> None:
    """Decide how a live step ends: nothing more is granted, what runs is stopped, instances close."""
    step = work.step
    board.record(StepEnding(step.id, outcome, reason))
    board.record(StepChanged(step.id, State.FINALIZING))
    for lease in list(work.leases.values()):
        leases.revoke(board, work, lease)
    if work.phase_lease:
        leases.revoke(board, work, work.phase_lease)
    work.drop_supply()
    work.issued.clear()
    work.clocks.first_task_deadline = None
    for instance in work.open_instances():
        placement.close(board, instance, kill=outcome is not State.COMPLETED)
    board.touch(step.id)
    board.touch_job(step.id.job)


def _given_up(board: Board, work: Work) -> limits.Verdict | None:
    if not placement.is_given_up_everywhere(board, work):
        return None
    error = work.step.last_start_error
    return limits.Verdict(State.FAILED, error.message if error else "no agent could start a worker")


def _finish(board: Board, work: Work) -> None:
    step = work.step
    if work.is_resuming or work.phase_lease:
        return
    if work.instances:
        return  # shutdown() may still write
    if step.terms.kind is StepKind.COMMAND or step.committed:
        _finalize(board, work)
    elif Phase.COMMIT in step.phase_verdicts:
        _give_up_commit(board, work)
    else:
        _commit(board, work)


def _commit(board: Board, work: Work) -> None:
    outcome = work.step.ending
    assert outcome is not None
    session = placement.choose_for_phase(board, work)
    if session is not None:
        publish = outcome is State.COMPLETED and work.step.terms.appends_rows
        leases.issue_phase(board, work, session, Phase.COMMIT, publish=publish, outcome=outcome)
    elif outcome is not State.COMPLETED:
        _finalize(board, work)  # its reports are not worth waiting for


def _give_up_commit(board: Board, work: Work) -> None:
    """The output cannot be published: the step fails. Reports alone are no reason to."""
    step = work.step
    if step.ending is State.COMPLETED and step.terms.appends_rows:
        board.record(StepEnding(step.id, State.FAILED, step.phase_verdicts[Phase.COMMIT]))
    _finalize(board, work)


def _finalize(board: Board, work: Work) -> None:
    step = work.step
    assert step.ending is not None
    board.record(StepChanged(step.id, step.ending))
    del board.works[step.id]
    board.touch_job(step.id.job)
    board.is_placement_due = True
