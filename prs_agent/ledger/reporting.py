"""What the daemon is told, and when: reports, acknowledgements, wants."""

from __future__ import annotations

from prs_agent.ledger.books import Books, Session
from prs_agent.ledger.commands import SendReport, SendSync
from prs_agent.ledger.outbox import REPORT_INTERVAL_S, Item
from prs_agent.ledger.ranges import RangeSet
from prs_agent.ledger.vocabulary import Want

SHORTEST_GAP_S = 0.005  # between two reports, or two Syncs, that are sent early


def on_acknowledged(books: Books, number: int) -> None:
    report = books.outbox.acknowledge(number)
    if report is not None:
        books.leases.settle(report)
        books.is_low = books.is_low or any(_runs_low(books, want) for want in books.synced_wants)


def _runs_low(books: Books, want: Want) -> bool:
    """Half of what was wanted is done: at the next heartbeat it would be too late to ask for more."""
    return want.count > 0 and 2 * books.leases.unsettled_of(want.step) <= want.count


def on_phase_news(books: Books, token: int, item: Item, ended: bool) -> None:
    held = books.leases.get(token)
    if ended:
        books.attempts.pop(token, None)
    if held is None or not held.unfinished:
        return
    if ended:
        held.unfinished = RangeSet()
    books.report(item)


def flush(books: Books, session: Session, now: float) -> None:
    if books.outbox.has_pending and now >= books.outbox.last_flush_at + report_gap(books):
        books.is_urgent = False
        for report in books.outbox.flush(now):
            books.emit(SendReport(report))
    for report in books.outbox.resend(now, older_than_s=2 * session.heartbeat_s):
        books.emit(SendReport(report))


def deadlines(books: Books, session: Session) -> list[float]:
    """When something is to be sent if nothing else happens."""
    due = [session.last_sync_at + (SHORTEST_GAP_S if has_news(books) else session.heartbeat_s)]
    if books.outbox.has_pending:
        due.append(books.outbox.last_flush_at + report_gap(books))
    oldest = books.outbox.oldest_sent_at()
    if oldest is not None:
        due.append(oldest + 2 * session.heartbeat_s)
    return due


def report_gap(books: Books) -> float:
    """At once when a worker is dry, nothing is left, or somebody waits for it; else now and then."""
    is_dry = any(instance.is_dry for instance in books.instances.values())
    if not books.leases.have_unfinished:
        return 0.0
    return SHORTEST_GAP_S if books.is_urgent or is_dry else REPORT_INTERVAL_S


def _wants(books: Books) -> tuple[Want, ...]:
    return tuple(instance.want() for instance in books.instances.values())


def has_news(books: Books) -> bool:
    """The daemon should hear of the wants now: a step has come or gone, a worker is ready, they differ much, or little
    of what was wanted is left."""
    if books.is_low:
        return True
    wants, before = _wants(books), {want.step: want for want in books.synced_wants}
    if before.keys() != {want.step for want in wants}:
        return True
    return any(_differs(want, before[want.step]) for want in wants)


def sync_is_due(books: Books, session: Session, now: float) -> bool:
    elapsed_s = now - session.last_sync_at
    return elapsed_s >= session.heartbeat_s or (elapsed_s >= SHORTEST_GAP_S and has_news(books))


def sync(books: Books, session: Session, now: float) -> None:
    session.last_sync_at = now
    books.is_low = False
    books.synced_wants = _wants(books)
    for want in books.synced_wants:
        books.instances[want.step].note_want(want)
    books.emit(SendSync(books.leases.tokens(), session.seen, books.synced_wants, now, books.is_draining))


def _differs(want: Want, before: Want) -> bool:
    """A different number of ready workers, or a want that has moved by half and more."""
    if want.ready_workers != before.ready_workers:
        return True
    return want.count > 1.5 * before.count or want.count < 0.5 * before.count
