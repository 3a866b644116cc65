"""Creates the database, or sees that it is one that this version can go on with."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from prsd.store.errors import StoreDamaged, StoreTooNew
from prsd.store.named_sql import sql_text

VERSION = 3
# By the version that has it first.
_ADDITIONS = {2: "lineage.sql", 3: "reuse.sql"}
_APPLICATION_ID = 0x70727364  # "prsd" in the header of the file


def prepare(connection: sqlite3.Connection, file: Path) -> None:
    """Sets the pragmas of the writing connection; creates the tables in a new file. Raises StoreTooNew or StoreDamaged."""
    application_id = _pragma(connection, "application_id")
    found = _pragma(connection, "user_version")
    is_new = found == 0 and not connection.execute("SELECT 1 FROM sqlite_master").fetchone()
    if not is_new:
        _check(file, application_id, found)
    else:
        connection.execute("PRAGMA page_size = 8192")  # ranges of a thousand mini-batches fill 4096 badly
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")  # a commit that returned survives a power cut
    connection.execute("PRAGMA foreign_keys = ON")
    if not is_new and found < VERSION:
        _migrate(connection, found)
    if is_new:
        connection.executescript(
            f"BEGIN IMMEDIATE; {sql_text('schema.sql')}; {_additions_since(1)}; "
            f"PRAGMA application_id = {_APPLICATION_ID}; PRAGMA user_version = {VERSION}; COMMIT"
        )


def _migrate(connection: sqlite3.Connection, found: int) -> None:
    """Add to a database of an earlier version what it lacks, all or nothing."""
    connection.executescript(f"BEGIN IMMEDIATE; {_additions_since(found)}; PRAGMA user_version = {VERSION}; COMMIT")


def _additions_since(version: int) -> str:
    return "; ".join(sql_text(addition) for since, addition in _ADDITIONS.items() if since > version)


def _check(file: Path, application_id: int, found: int) -> None:
    if application_id != _APPLICATION_ID:
        raise StoreDamaged(str(file), 0, "it is a database of another program")
    if found > VERSION:
        raise StoreTooNew(str(file), found, VERSION)


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])
