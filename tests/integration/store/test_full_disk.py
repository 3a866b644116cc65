"""A disk without room for the log: appends wait, nothing is acknowledged or lost, and all goes on by itself."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from prsd.core.facts import IndexesReserved
from prsd.store import group_commit
from prsd.store.errors import StoreFailed
from prsd.store.log_writer import lacks_room
from prsd.store.sqlite import SqliteStore
from tests.integration.store.samples import STEP, document, failure, job_recorded, whole_life

DEADLINE_S = 20.0


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_commit, "RETRY_EVERY_S", 0.02)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110 - what it looks at is set in another thread
            await asyncio.sleep(0.005)


def allow_pages(store: SqliteStore, more: int) -> None:
    """As if the disk had room for so many pages beside those that are there."""
    connection = store._connection
    assert connection is not None
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages + more}")


async def full_store(folder: Path) -> tuple[SqliteStore, list[asyncio.Task[int]]]:
    """A store with the appends that wait for room; none of these has returned."""
    store = SqliteStore(folder)
    store.open()
    await store.append([job_recorded()], recorded_at=1.0, documents=[document()])
    allow_pages(store, 0)
    waiting = [
        asyncio.create_task(store.append([IndexesReserved(STEP, i), failure(i, "x" * 9000, False)], recorded_at=1.0))
        for i in range(10)
    ]
    await until(lambda: store.is_full)
    return store, waiting


async def test_appends_wait_until_there_is_room_and_are_whole_then(tmp_path: Path) -> None:
    store, waiting = await full_store(tmp_path)
    waiting.append(asyncio.create_task(store.append([IndexesReserved(STEP, 10)], recorded_at=1.0)))
    assert store.last_fact == 1
    assert not any(task.done() for task in waiting)
    assert len(list(store.read_facts())) == 1
    allow_pages(store, 10_000)
    async with asyncio.timeout(DEADLINE_S):
        numbers = await asyncio.gather(*waiting)
    assert not store.is_full
    assert numbers == [3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 22]
    await store.close()
    again = SqliteStore(tmp_path)
    again.open()
    facts = list(again.read_facts())
    assert [fact.stop for fact in facts if isinstance(fact, IndexesReserved)] == list(range(11))
    await again.close()


async def test_a_job_that_waited_is_recorded_once_with_its_document(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    store.open()
    allow_pages(store, 0)
    large = [failure(i, "x" * 9000, False) for i in range(20)]
    facts = [job_recorded(), *large, *whole_life()]
    waiting = asyncio.create_task(store.append(facts, recorded_at=1.0, documents=[document()]))
    await until(lambda: store.is_full)
    assert store.jobs() == []
    allow_pages(store, 10_000)
    async with asyncio.timeout(DEADLINE_S):
        assert await waiting == len(facts)
    assert store.document_of(STEP.job) == document().document_json
    assert store.steps_of(STEP.job)[0].counts.failed == 2
    assert len(list(store.read_facts())) == len(facts)
    await store.close()


async def test_a_store_that_is_closed_while_it_waits_has_recorded_nothing_of_it(tmp_path: Path) -> None:
    store, waiting = await full_store(tmp_path)
    async with asyncio.timeout(5.0):
        await store.close()
    for outcome in await asyncio.gather(*waiting, return_exceptions=True):
        assert isinstance(outcome, StoreFailed)
    again = SqliteStore(tmp_path)
    again.open()
    assert list(again.read_facts()) == [job_recorded()]
    await again.close()


@pytest.mark.parametrize(
    ("code", "is_room"),
    [
        (sqlite3.SQLITE_FULL, True),
        (sqlite3.SQLITE_IOERR_SHMSIZE, True),
        (sqlite3.SQLITE_IOERR_FSYNC, False),
        (sqlite3.SQLITE_IOERR_DIR_FSYNC, False),
        (sqlite3.SQLITE_IOERR_WRITE, False),
        (sqlite3.SQLITE_CORRUPT, False),
    ],
)
def test_only_want_of_room_is_tried_again(code: int, is_room: bool) -> None:
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = code
    assert lacks_room(error) is is_room
