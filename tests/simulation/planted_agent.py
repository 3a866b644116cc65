"""Bugs for the agent: each entry patches the ledger or the simulated shell round it."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import replace
from typing import Any
from unittest.mock import PropertyMock, patch

from prs_agent.ledger import giving_back, leasing, sessions, steps, workers
from prs_agent.ledger.books import Books, Session
from prs_agent.ledger.commands import SendInstance
from prs_agent.ledger.events import WorkerExited
from prs_agent.ledger.instance import Piece
from prs_agent.ledger.instance import Worker as LedgerWorker
from prs_agent.ledger.leases import Held, Leases
from prs_agent.ledger.outbox import Outbox
from prs_agent.ledger.ranges import Range
from prs_agent.ledger.vocabulary import InstanceState, Report, worker_name
from prsd.core.vocabulary import Results, StepId
from tests.simulation import attempts
from tests.simulation.ledger_agent import LedgerAgent
from tests.simulation.pool import Pool
from tests.simulation.storage import Storage
from tests.simulation.workers import SimWorker


def an_unstarted_index_charged(patches: ExitStack) -> None:
    real = workers.on_exited

    def exited(books: Books, event: WorkerExited) -> None:
        _, worker = books.find(event.step, event.worker)
        if worker is not None and worker.frames and event.index is not None:
            frame = worker.frames[-1]
            event = replace(event, token=frame.lease.token, index=list(frame.left)[-1].stop - 1)
        real(books, event)

    patches.enter_context(patch.object(workers, "on_exited", exited))


def unrecorded_rows_committed(patches: ExitStack) -> None:
    def merge(storage: Storage, plan: list[Results]) -> bytes:
        if not plan:
            return b""
        step: StepId = plan[0].step
        found = b"".join(bytes(one.data[8:]) for (where, _), one in storage.segments.items() if where == step)
        rows = [row for row in found.splitlines(keepends=True) if row.split()[1:2] and row.split()[1].isdigit()]
        return b"".join(sorted(rows, key=lambda row: int(bytes(row).split()[1])))

    patches.enter_context(patch.object(attempts, "merge", merge))


def a_segment_name_used_twice(patches: ExitStack) -> None:
    def name(self: Pool, number: int) -> str:
        return f"{self.agent.name}.{self.agent.boot}.{worker_name(number)}.seg"

    patches.enter_context(patch.object(Pool, "segment_name", name))


def a_torn_tail_kept(patches: ExitStack) -> None:
    def durable(self: LedgerAgent, report: Report) -> float:
        del report
        return self.world.now

    patches.enter_context(patch.object(LedgerAgent, "_durable", durable))


def no_fence(patches: ExitStack) -> None:
    patches.enter_context(patch.object(Session, "fence_at", new_callable=PropertyMock, return_value=float("inf")))


def the_fence_counts_from_the_echo(patches: ExitStack) -> None:
    real = LedgerAgent._receive

    def receive(self: LedgerAgent, link: Any, kind: str, message: Any) -> None:
        real(self, link, kind, self.clock() if kind == "echo" else message)

    patches.enter_context(patch.object(LedgerAgent, "_receive", receive))


def the_fence_leaves_workers_alone(patches: ExitStack) -> None:
    real = sessions.fence

    def fence(books: Books) -> None:
        with patch.object(workers, "kill", lambda *_: None), patch.object(LedgerWorker, "empty", lambda _: []):
            real(books)

    patches.enter_context(patch.object(sessions, "fence", fence))


def a_broken_stream_forgets_reports(patches: ExitStack) -> None:
    patches.enter_context(patch.object(Outbox, "resend", lambda *_, **__: []))
    patches.enter_context(patch.object(Outbox, "oldest_sent_at", lambda _: None))


def leases_end_when_reported(patches: ExitStack) -> None:
    def settled_at_once(self: Books, item: Any, urgent: bool = True) -> None:
        self.outbox.add(item)
        self.is_urgent = self.is_urgent or urgent
        for report in Outbox.flush(_copy(item), 0.0):
            self.leases.settle(report)

    patches.enter_context(patch.object(Books, "report", settled_at_once))


def _copy(item: Any) -> Outbox:
    outbox = Outbox()
    outbox.add(item)
    return outbox


def innocents_are_lost(patches: ExitStack) -> None:
    patches.enter_context(patch.object(giving_back, "put_back", lambda *_: None))


def started_work_is_given_back(patches: ExitStack) -> None:
    real = SimWorker._give_back

    def give_back(self: SimWorker, token: int) -> None:
        if self.current and self.current[0] == token:
            self._queue.appendleft(self.current)
        real(self, token)

    patches.enter_context(patch.object(SimWorker, "_give_back", give_back))


def what_a_worker_was_fed_is_given_back_unasked(patches: ExitStack) -> None:
    def ask(books: Books, token: int) -> None:
        held = books.leases.get(token)
        if held is not None:
            giving_back.give_back(books, held, list(held.unfinished))

    patches.enter_context(patch.object(leasing, "on_take_back_asked", ask))


def take_backs_are_not_answered(patches: ExitStack) -> None:
    def answer(_books: Books, held: Held) -> None:
        if held.is_taken_back and not held.asked:
            held.returned, held.is_taken_back = [], False

    patches.enter_context(patch.object(giving_back, "answer_take_back", answer))


def closed_is_said_too_early(patches: ExitStack) -> None:
    real = steps.on_close_asked

    def close(books: Books, step: Any, kill: bool) -> None:
        real(books, step, kill)
        books.emit(SendInstance(step, InstanceState.CLOSED))

    patches.enter_context(patch.object(steps, "on_close_asked", close))


def a_second_close_is_answered(patches: ExitStack) -> None:
    real = steps.on_close_asked

    def close(books: Books, step: Any, kill: bool) -> None:
        if step in books.instances:
            real(books, step, kill)
        else:
            books.emit(SendInstance(step, InstanceState.CLOSED))

    patches.enter_context(patch.object(steps, "on_close_asked", close))


def unacknowledged_leases_are_not_offered(patches: ExitStack) -> None:
    def abandon(self: Leases, held: Held, ranges: Iterable[Range]) -> None:
        for each in tuple(ranges):
            held.unfinished.remove(each)
        self._held.pop(held.lease.token, None)

    patches.enter_context(patch.object(Leases, "abandon", abandon))


def what_was_kept_is_not_seen(patches: ExitStack) -> None:
    real = sessions.on_welcomed

    def welcomed(books: Books, event: Any, now: float) -> None:
        real(books, event, now)
        if books.session is not None:
            books.session.seen = 0

    patches.enter_context(patch.object(sessions, "on_welcomed", welcomed))


def a_dead_workers_frames_are_fed_twice(patches: ExitStack) -> None:
    real = workers.on_exited

    def exited(books: Books, event: WorkerExited) -> None:
        instance, worker = books.find(event.step, event.worker)
        pieces = [Piece(one.lease, left) for one in worker.frames for left in one.left] if worker else []
        real(books, event)
        if instance is not None and not instance.is_paused:
            for piece in pieces:
                instance.enqueue(piece)

    patches.enter_context(patch.object(workers, "on_exited", exited))


AGENT_MUTANTS = {
    mutant.__name__.replace("_", " "): mutant
    for mutant in (
        an_unstarted_index_charged,
        unrecorded_rows_committed,
        a_segment_name_used_twice,
        a_torn_tail_kept,
        no_fence,
        the_fence_counts_from_the_echo,
        the_fence_leaves_workers_alone,
        a_broken_stream_forgets_reports,
        leases_end_when_reported,
        innocents_are_lost,
        started_work_is_given_back,
        what_a_worker_was_fed_is_given_back_unasked,
        take_backs_are_not_answered,
        closed_is_said_too_early,
        a_second_close_is_answered,
        unacknowledged_leases_are_not_offered,
        what_was_kept_is_not_seen,
        a_dead_workers_frames_are_fed_twice,
    )
}
