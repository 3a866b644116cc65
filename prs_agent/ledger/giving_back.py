"""What was not started goes back: to other workers of the step, or to the daemon."""

from __future__ import annotations

from collections.abc import Iterable

from prs_agent.ledger.books import Books, takes_leases
from prs_agent.ledger.instance import Instance, Piece
from prs_agent.ledger.leases import Held
from prs_agent.ledger.ranges import Range
from prs_agent.ledger.vocabulary import GivenBack


def give_back(books: Books, held: Held, ranges: Iterable[Range]) -> None:
    """Reports indexes as never started, those of them that are still unfinished."""
    free = tuple(part for each in ranges for part in held.unfinished.remove(each))
    books.report(GivenBack(held.lease.token, free))


def put_back(books: Books, instance: Instance, pieces: Iterable[Piece]) -> None:
    """What a worker had and did not start: fed again, or given back to the daemon where that is the way."""
    free: dict[int, tuple[Held, list[Range]]] = {}
    for piece in pieces:
        held = books.leases.get(piece.lease.token)
        if held is None:
            continue
        wanted = [common for each in held.unfinished if (common := each.intersect(piece.range))]
        if held.is_taken_back:
            held.returned += wanted
        elif not takes_leases(instance):
            free.setdefault(piece.lease.token, (held, []))[1].extend(wanted)
        else:
            for each in reversed(wanted):
                instance.enqueue(Piece(piece.lease, each), at_front=True)
    for held, ranges in free.values():
        if ranges:
            give_back(books, held, ranges)


def answer_take_back(books: Books, held: Held) -> None:
    if held.is_taken_back and not held.asked:
        returned, held.returned, held.is_taken_back = held.returned, [], False
        give_back(books, held, returned)


def note_answer(books: Books, held: Held, worker: int) -> None:
    if held.is_taken_back:
        held.asked.discard(worker)
        answer_take_back(books, held)
