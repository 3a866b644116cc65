"""Leaving: what runs comes to its end, nothing new is taken."""

from __future__ import annotations

from prs_agent.ledger import giving_back, workers
from prs_agent.ledger.books import Books
from prs_agent.ledger.commands import Leave
from prs_agent.ledger.instance import WorkerState


def on_drain_asked(books: Books) -> None:
    books.is_draining = True
    for instance in books.instances.values():
        instance.is_paused = True
        giving_back.put_back(books, instance, instance.withdraw(None))
        for worker in list(instance.workers.values()):
            if worker.state is WorkerState.READY:
                workers.close(books, instance, worker)
            elif worker.state is WorkerState.STARTING:
                workers.kill(books, instance, worker)


def leave_when_drained(books: Books) -> None:
    if not books.is_draining or books.has_left:
        return
    is_idle = not books.attempts and not any(instance.workers for instance in books.instances.values())
    is_reported = books.outbox.is_empty or books.session is None or books.is_fenced
    if is_idle and is_reported:
        books.has_left = True
        books.emit(Leave())
