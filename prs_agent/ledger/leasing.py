"""Leases that are granted, revoked and asked back."""

from __future__ import annotations

from collections.abc import Iterable

from prs_agent.ledger import giving_back
from prs_agent.ledger.books import Books, takes_leases
from prs_agent.ledger.commands import AskBack, KillIfRunning, StartAttempt, StopAttempt
from prs_agent.ledger.instance import Instance, Piece
from prs_agent.ledger.ranges import Range
from prs_agent.ledger.vocabulary import GivenBack, Lease, Phase


def on_granted(books: Books, lease: Lease) -> None:
    if lease.token in books.leases:
        return
    if books.session is not None:
        books.session.seen = max(books.session.seen, lease.token)
    held = books.leases.add(lease)
    instance = books.instances.get(lease.step)
    if books.is_draining or (lease.phase is Phase.RUN and (instance is None or not takes_leases(instance))):
        giving_back.give_back(books, held, [held.whole])
    elif lease.phase is Phase.RUN and instance is not None and not instance.is_command:
        instance.enqueue(Piece(lease, held.whole))
    else:
        books.attempts[lease.token] = lease
        books.emit(StartAttempt(lease))


def on_revoked(books: Books, token: int, ranges: Iterable[Range]) -> None:
    held = books.leases.get(token)
    if held is None:
        return
    ranges = tuple(ranges)
    if token in books.attempts:
        if any(held.unfinished.overlaps(each) for each in ranges):
            books.emit(StopAttempt(token))
    elif (instance := books.instances.get(held.lease.step)) is not None:
        _revoke_from(books, instance, token, ranges)
    books.leases.abandon(held, ranges)


def _revoke_from(books: Books, instance: Instance, token: int, ranges: tuple[Range, ...]) -> None:
    for each in ranges:
        instance.withdraw(token, each)
    for worker in instance.frames_of(token):
        touched = tuple(each for each in ranges if worker.has_any(token, each))
        if touched:
            worker.revoked.setdefault(token, []).extend(touched)
            books.emit(AskBack(instance.step, worker.number, token))
            books.emit(KillIfRunning(instance.step, worker.number, token, touched))


def on_take_back_asked(books: Books, token: int) -> None:
    held = books.leases.get(token)
    if held is None:
        books.report(GivenBack(token, ()))
        return
    held.is_taken_back = True
    instance = books.instances.get(held.lease.step)
    if instance is not None and held.lease.phase is Phase.RUN:
        held.returned += [piece.range for piece in instance.withdraw(token)]
        for worker in instance.frames_of(token):
            held.asked.add(worker.number)
            books.emit(AskBack(instance.step, worker.number, token))
    giving_back.answer_take_back(books, held)
