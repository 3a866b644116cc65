"""The store of a daemon: one SQLite file in its data folder, one thread that writes, as many that read as need be."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

from prsd.core.facts import Fact
from prsd.store import schema
from prsd.store.chain import Head, LogRow, fault_of
from prsd.store.codec import decode, encode
from prsd.store.documents import check_documents
from prsd.store.errors import RestoreUnfinished, StoreDamaged, StoreFailed
from prsd.store.folder_lock import FolderLock
from prsd.store.group_commit import Append, GroupCommit
from prsd.store.lineage import Lineage, read_lineage
from prsd.store.log_writer import LogWriter
from prsd.store.reading import translated
from prsd.store.rows import JobDocument
from prsd.store.sqlite_queries import SqliteQueries

NAME = "prsd.db"
# Is in a data folder while a copy is put in its place; see prsd.restoring.
RESTORING = "restoring"
_PAGES_PER_STEP = 1024
_TURN_S = 10.0


class SqliteStore(SqliteQueries):
    """Implements `protocol.Store` in `folder`/prsd.db; WAL with synchronous=FULL, so what returned survives a power cut."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder.absolute() / NAME)
        self._lock = FolderLock(folder.absolute())
        self._connection: sqlite3.Connection | None = None
        self._commits: GroupCommit | None = None
        self._writer: LogWriter | None = None
        self.lineage = Lineage("")

    @property
    def transactions(self) -> int:
        """How many groups of appends have been written since `open`."""
        return 0 if self._commits is None else self._commits.groups

    @property
    def last_fact(self) -> int:
        return 0 if self._writer is None else self._writer.last_fact

    @property
    def is_full(self) -> bool:
        return self._commits is not None and self._commits.is_full

    def open(self) -> None:
        self._lock.take()
        try:
            self._refuse_half_restored()
            with translated(self._file):
                self._connect()
        except BaseException:
            self._release()
            raise

    def _refuse_half_restored(self) -> None:
        if (self._file.parent / RESTORING).exists():
            raise RestoreUnfinished(str(self._file.parent))

    def _connect(self) -> None:
        connection = sqlite3.connect(self._file, isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        self._connection = connection
        schema.prepare(connection, self._file)
        self.lineage = read_lineage(connection)
        self._writer = LogWriter(connection)
        self._commits = GroupCommit(self._writer.write)
        self._commits.start()

    def read_facts(self) -> Iterator[Fact]:
        with self._readers.lend() as connection:
            connection.execute("BEGIN")
            try:
                yield from self._verified(connection)
            finally:
                connection.rollback()

    def _verified(self, connection: sqlite3.Connection) -> Iterator[Fact]:
        ended = {row[0] for row in connection.execute(self._sql["ended_jobs"])}
        before = Head()
        for row in self._log_rows(connection):
            if (fault := fault_of(row, before)) is not None:
                raise StoreDamaged(str(self._file), before.number + 1, fault)
            before = Head(row.number, row.checksum)
            if row.job not in ended:
                yield self._decoded_fact(row)
        written = Head(*connection.execute(self._sql["head"]).fetchone())
        if written != before:
            raise StoreDamaged(str(self._file), before.number + 1, f"it is missing, {written.number} facts were written")

    def _log_rows(self, connection: sqlite3.Connection) -> Iterator[LogRow]:
        cursor = connection.cursor()
        cursor.row_factory = None
        number = 0
        try:
            for row in map(LogRow._make, cursor.execute(self._sql["all_facts"])):
                number = row.number
                yield row
        except sqlite3.DatabaseError as error:
            raise StoreDamaged(str(self._file), number + 1, f"it cannot be read ({error})") from error

    def _decoded_fact(self, row: LogRow) -> Fact:
        try:
            return decode(row.body)
        except ValueError as error:
            raise StoreDamaged(str(self._file), row.number, str(error)) from error

    def note_behind(self, sentence: str) -> None:
        self._change_lineage("note_behind", behind=sentence)

    def begin_lineage(self, first_incarnation: int) -> None:
        """A new name; tokens of earlier incarnations belong to the former lineage from now on. See `lineage.renew`."""
        self._change_lineage("begin_lineage", first_incarnation=first_incarnation)

    def _change_lineage(self, query: str, **values: object) -> None:
        # A connection of its own, as that of the log belongs to the writer's thread; SQLite lets them write in turn.
        with translated(self._file), closing(sqlite3.connect(self._file, timeout=_TURN_S)) as connection:
            with connection:
                connection.execute("PRAGMA synchronous = FULL")
                connection.execute(self._sql[query], values)
            self.lineage = read_lineage(connection)

    def copy_to(self, target: Path, is_wanted: Callable[[], bool] = lambda: True) -> None:
        """Copies the database as it is at one moment, while appends go on; InterruptedError once it is not wanted.

        The copy is one file, not yet synced. Blocks for as long as the disk takes.
        """

        def go_on(_status: int, _remaining: int, _total: int) -> None:
            if not is_wanted():
                raise InterruptedError("the copy is not wanted any more")

        with self._readers.lend() as source, closing(sqlite3.connect(target)) as copy:
            copy.execute("PRAGMA synchronous = OFF")
            # An open transaction pins the moment: without one every append would make the copy begin anew.
            source.execute("BEGIN")
            try:
                source.execute(self._sql["head"]).fetchone()
                source.backup(copy, pages=_PAGES_PER_STEP, progress=go_on, sleep=0)
            finally:
                source.rollback()

    async def append(self, facts: Sequence[Fact], *, recorded_at: float, documents: Sequence[JobDocument] = ()) -> int:
        if self._commits is None:
            raise StoreFailed("the store is not open: nothing can be recorded")
        check_documents(facts, documents)
        append = Append(tuple(facts), [encode(fact) for fact in facts], tuple(documents), recorded_at)
        return await self._commits.submit(append)

    async def close(self) -> None:
        if self._commits is not None:
            await asyncio.to_thread(self._commits.stop)
        self._release()

    def _release(self) -> None:
        self._readers.close()
        # To close a connection copies its log into the database. After a failed write nothing may be built on what was
        # written: the next start reads what is really there.
        has_failed = self._commits is not None and self._commits.failure is not None
        if self._connection is not None and not has_failed:
            self._connection.close()
            self._connection = None
        self._lock.release()
