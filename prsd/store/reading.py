"""Connections for reading, one for each thread that reads at the same time, and what their errors mean."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prsd.store.errors import StoreDamaged, StoreFailed


@contextmanager
def translated(file: Path) -> Iterator[None]:
    """Turns SQLite's errors into the store's: damage into StoreDamaged, a disk that cannot be read into StoreFailed."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise StoreDamaged(str(file), 0, str(error)) from error
        raise StoreFailed(f"{file} cannot be used: {error}") from error


class Readers:
    """Read-only connections that are used again; each is lent to one thread at a time."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._free: list[sqlite3.Connection] = []
        self._closed = False

    @contextmanager
    def lend(self) -> Iterator[sqlite3.Connection]:
        """A connection, returned at the end of the block."""
        with translated(self._file):
            connection = self._take()
            try:
                yield connection
            finally:
                self._give_back(connection)

    def _take(self) -> sqlite3.Connection:
        try:
            return self._free.pop()
        except IndexError:
            connection = sqlite3.connect(
                f"{self._file.as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
            )
            connection.row_factory = sqlite3.Row
            return connection

    def _give_back(self, connection: sqlite3.Connection) -> None:
        if self._closed:
            connection.close()
        else:
            self._free.append(connection)

    def close(self) -> None:
        """Closes what is not lent; what is lent is closed when it comes back."""
        self._closed = True
        while self._free:
            self._free.pop().close()
