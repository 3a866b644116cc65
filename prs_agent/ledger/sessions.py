"""The session with the daemon: how it begins, and the fence that ends it on this side."""

from __future__ import annotations

from prs_agent.ledger import leasing, workers
from prs_agent.ledger.books import Books, Session
from prs_agent.ledger.commands import DropStream, SendReport, StopAttempt
from prs_agent.ledger.events import Welcomed


def on_welcomed(books: Books, event: Welcomed, now: float) -> None:
    # What was kept has been seen: were it dropped since Hello was said (by the fence), the daemon must learn of it.
    seen = max(event.kept, default=0)
    books.session = Session(event.session_timeout_s, event.heartbeat_s, True, event.hello_sent_at, seen=seen)
    books.is_fenced = False
    kept = set(event.kept)
    for held in books.leases:
        if held.lease.token not in kept:
            leasing.on_revoked(books, held.lease.token, tuple(held.unfinished))
    for instance in books.instances.values():
        instance.is_paused = books.is_draining
        books.tell(instance)
    for report in books.outbox.resend(now, older_than_s=float("-inf")):
        books.emit(SendReport(report))


def on_stream_lost(books: Books) -> None:
    if books.session is not None:
        books.session.is_connected = False


def on_echoed(books: Books, sent_at: float) -> None:
    if books.session is not None:
        books.session.last_echo_at = max(books.session.last_echo_at, sent_at)


def fence(books: Books) -> None:
    """No echo for too long: stop everything, keep what is finished, try to come back."""
    books.is_fenced = True
    books.emit(DropStream())
    if books.session is not None:
        books.session.is_connected = False
    for instance in books.instances.values():
        instance.is_paused = True
        instance.withdraw(None)
        for worker in list(instance.workers.values()):
            worker.empty()
            workers.kill(books, instance, worker)
    for token in books.attempts:
        books.emit(StopAttempt(token))
    for held in books.leases:
        books.leases.abandon(held, held.unfinished)
