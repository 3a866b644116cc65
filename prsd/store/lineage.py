"""Which log this is, and since when: what agents were told by another log says nothing about this one.

A lineage begins with a new database, and again whenever somebody goes on from an older copy on purpose (`renew`). Its name
travels with every copy of the file. Fact numbers are compared within one lineage only; tokens grow over all of them.
"""

from __future__ import annotations

import secrets
import sqlite3
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prsd.core.facts import DaemonStarted, SessionOpened
from prsd.store.named_sql import queries

if TYPE_CHECKING:
    from prsd.store.sqlite import SqliteStore

# How many restarts a lost part of a log may have seen. Tokens hold 32 bits of incarnation: room for 65,000 restorations.
_LEAP = 1 << 16


@dataclass(frozen=True, slots=True)
class Lineage:
    name: str
    first_incarnation: int = 0
    # Why no daemon may go on from this log: an agent was told of facts that it does not have. Empty: one may.
    behind: str = ""

    @property
    def first_token(self) -> int:
        """Smaller tokens were granted in another lineage."""
        return self.first_incarnation << 32


def read_lineage(connection: sqlite3.Connection) -> Lineage:
    return Lineage(*connection.execute(queries()["lineage"]).fetchone())


async def renew(store: SqliteStore) -> Lineage:
    """Begin a new lineage in a store that is not open: its log may be older than what agents know. The log is verified.

    Incarnations leap past all that the lost part can have had, so that tokens go on growing. An invented session makes the
    next daemon wait one session timeout, as after any restart, before it grants again what may be running somewhere: by
    then every agent of the former lineage has stopped its workers.
    """
    store.open()
    try:
        started = [fact.incarnation for fact in store.read_facts() if isinstance(fact, DaemonStarted)]
        incarnation = max(started, default=0) + _LEAP
        former = f"before-{secrets.token_hex(8)}"
        awaited = SessionOpened(former, "any agent of the former lineage", former)
        await store.append([DaemonStarted(incarnation), awaited], recorded_at=time.time())
        store.begin_lineage(incarnation + 1)
        return store.lineage
    finally:
        await store.close()
