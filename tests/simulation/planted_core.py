"""Bugs for the daemon: each entry patches the core or its shell."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from prsd.core import leases, reports, sessions, takeover
from prsd.core.agents import Session
from prsd.core.board import Board
from prsd.core.commands import Acknowledge, Record
from prsd.core.events import AgentSynced, DeadlinePassed, Stalled
from prsd.core.facts import LossRecorded, ResultsRecorded
from prsd.core.jobs import step_work
from prsd.core.ranges import IntervalSet
from prsd.core.steps import StepRecord
from prsd.core.vocabulary import Failure, Results
from prsd.core.work import Work
from tests.simulation.daemon import Daemon


def acknowledged_before_durable(patches: ExitStack) -> None:
    real = Daemon._carry_out_later

    def early(self: Daemon, commands: list[Any]) -> None:
        for command in commands:
            if isinstance(command, Acknowledge):
                self._carry_out(command)
        real(self, [command for command in commands if not isinstance(command, Acknowledge)])

    patches.enter_context(patch.object(Daemon, "_carry_out_later", early))


def effects_before_facts(patches: ExitStack) -> None:
    def at_once(self: Daemon, commands: list[Any]) -> None:
        for command in commands:
            if not isinstance(command, Record):
                self._carry_out(command)
        self._pending.extend(command for command in commands if isinstance(command, Record))
        self._flush_soon()

    patches.enter_context(patch.object(Daemon, "_carry_out_later", at_once))


def a_second_result_accepted(patches: ExitStack) -> None:
    def take(board: Board, session: Session, results: Results) -> None:
        work = step_work(board, results.step)
        if work is not None:
            own = session.leases.get(results.token)
            board.record(ResultsRecorded(results, session.id))
            leases.settle(board, work, own, results.first, results.first + results.count)
            reports._note_outcome(board, work, session)

    patches.enter_context(patch.object(reports, "take_results", take))


def wrong_part_of_late_results(patches: ExitStack) -> None:
    real = Results.cut

    def shifted(self: Results, first: int, stop: int) -> Results:
        cut = real(self, first, stop)
        return cut if cut is self or cut.block is None else replace(cut, block=replace(cut.block, first=first))

    patches.enter_context(patch.object(Results, "cut", shifted))


def a_stale_failure_charged(patches: ExitStack) -> None:
    real = reports._take_failure

    def take(board: Board, session: Session, failure: Failure) -> None:
        work = step_work(board, failure.step)
        current = [one for one in work.leases.values() if failure.index in one.remaining] if work else []
        if work and current and current[0].token != failure.token:
            holder = board.sessions[current[0].session]
            holder.leases[failure.token] = current[0]
            real(board, holder, failure)
            holder.leases.pop(failure.token, None)
            return
        real(board, session, failure)

    patches.enter_context(patch.object(reports, "_take_failure", take))


def expiry_right_after_a_stall(patches: ExitStack) -> None:
    real = Daemon._wake

    def wake(self: Daemon, life: int, duration_s: float) -> None:
        if life == self.life and self.is_up:
            self._asleep_s += duration_s
            self.handle(DeadlinePassed())
            self._asleep_s -= duration_s
        real(self, life, duration_s)

    patches.enter_context(patch.object(Daemon, "_wake", wake))


def a_stall_postpones_nothing(patches: ExitStack) -> None:
    real = Daemon.handle

    def handle(self: Daemon, event: Any) -> Any:
        return [] if isinstance(event, Stalled) else real(self, event)

    patches.enter_context(patch.object(Daemon, "handle", handle))


def a_lost_requeue(patches: ExitStack) -> None:
    patches.enter_context(patch.object(Work, "put_back", lambda *_: None))


def losses_are_not_counted(patches: ExitStack) -> None:
    real = Board.record

    def record(self: Board, fact: Any) -> None:
        if not isinstance(fact, LossRecorded):
            real(self, fact)

    patches.enter_context(patch.object(Board, "record", record))


def tokens_begin_anew(patches: ExitStack) -> None:
    def next_token(self: Board) -> int:
        self._tokens += 1
        return 1 << 32 | self._tokens

    patches.enter_context(patch.object(Board, "next_token", next_token))


def nothing_is_held_back_after_a_restart(patches: ExitStack) -> None:
    def resume(board: Board) -> None:
        for work in board.works.values():
            if work.is_resuming:
                work.release_held_back()
                board.touch(work.step.id)
        board.is_placement_due = True

    patches.enter_context(patch.object(sessions, "resume_when_all_are_back", resume))


def unseen_grants_are_freed(patches: ExitStack) -> None:
    real = sessions.on_synced

    def synced(board: Board, event: AgentSynced) -> None:
        real(board, replace(event, seen=1 << 62))

    patches.enter_context(patch("prsd.core.core.sessions.on_synced", synced))


def hello_without_reconciling(patches: ExitStack) -> None:
    patches.enter_context(patch.object(takeover, "_beyond", lambda *_: []))
    real = leases.release

    def release(board: Board, work: Work, holding: Any, ranges: Any = None) -> None:
        if ranges is not None:
            real(board, work, holding, ranges)

    patches.enter_context(patch("prsd.core.takeover.leases.release", release))


def a_session_never_expires(patches: ExitStack) -> None:
    patches.enter_context(patch.object(sessions, "lose", lambda *_: None))


def a_final_failure_is_forgotten(patches: ExitStack) -> None:
    def fail(self: StepRecord, index: int, items_total: int) -> None:
        del items_total
        self._settle(IntervalSet(), index, index + 1)

    patches.enter_context(patch.object(StepRecord, "_fail", fail))


CORE_MUTANTS = {
    mutant.__name__.replace("_", " "): mutant
    for mutant in (
        acknowledged_before_durable,
        effects_before_facts,
        a_second_result_accepted,
        wrong_part_of_late_results,
        a_stale_failure_charged,
        expiry_right_after_a_stall,
        a_stall_postpones_nothing,
        a_lost_requeue,
        losses_are_not_counted,
        tokens_begin_anew,
        nothing_is_held_back_after_a_restart,
        unseen_grants_are_freed,
        hello_without_reconciling,
        a_session_never_expires,
        a_final_failure_is_forgotten,
    )
}
