"""Which log it is: kept by copies, begun anew only on purpose, and added to databases of before."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from prsd.core.facts import DaemonStarted, SessionOpened
from prsd.store.errors import RestoreUnfinished, StoreDamaged
from prsd.store.lineage import Lineage, renew
from prsd.store.sqlite import RESTORING, SqliteStore
from tests.integration.store.samples import document, job_recorded, started, whole_life


async def made(folder: Path) -> Lineage:
    store = SqliteStore(folder)
    store.open()
    await store.append([started(3), job_recorded(), *whole_life()], recorded_at=1.0, documents=[document()])
    await store.close()
    return store.lineage


def opened(folder: Path) -> SqliteStore:
    store = SqliteStore(folder)
    store.open()
    return store


async def test_every_new_database_has_a_lineage_of_its_own_and_keeps_it(tmp_path: Path) -> None:
    first, second = await made(tmp_path / "a"), await made(tmp_path / "b")
    assert len(first.name) == 32
    assert first.name != second.name
    again = opened(tmp_path / "a")
    assert again.lineage == first
    assert again.last_fact == 19
    await again.close()


async def test_a_copy_has_the_lineage_and_the_facts_of_one_moment(tmp_path: Path) -> None:
    lineage = await made(tmp_path / "a")
    store = opened(tmp_path / "a")
    (tmp_path / "b").mkdir()
    store.copy_to(tmp_path / "b" / "prsd.db")
    await store.append([started(4)], recorded_at=2.0)
    await store.close()
    copy = opened(tmp_path / "b")
    assert copy.lineage == lineage
    assert copy.last_fact == len(list(copy.read_facts())) == 19
    await copy.close()


async def test_a_copy_that_is_not_wanted_any_more_stops(tmp_path: Path) -> None:
    await made(tmp_path / "a")
    store = opened(tmp_path / "a")
    with pytest.raises(InterruptedError):
        store.copy_to(tmp_path / "copy.db", is_wanted=lambda: False)
    await store.append([started(4)], recorded_at=2.0)
    await store.close()


async def test_a_new_lineage_leaps_over_every_token_of_the_former(tmp_path: Path) -> None:
    former = await made(tmp_path)
    lineage = await renew(SqliteStore(tmp_path))
    assert lineage.name != former.name
    store = opened(tmp_path)
    facts = list(store.read_facts())
    incarnation = max(fact.incarnation for fact in facts if isinstance(fact, DaemonStarted))
    assert incarnation > 3 + 60_000
    assert lineage.first_token == (incarnation + 1) << 32
    assert isinstance(facts[-1], SessionOpened)
    await store.close()


async def test_a_damaged_log_gets_no_new_lineage(tmp_path: Path) -> None:
    former = await made(tmp_path)
    with closing(sqlite3.connect(tmp_path / "prsd.db")) as connection, connection:
        connection.execute("UPDATE facts SET first = 99 WHERE number = 10")
    with pytest.raises(StoreDamaged, match="fact 10"):
        await renew(SqliteStore(tmp_path))
    store = opened(tmp_path)
    assert store.lineage == former
    await store.close()


async def test_that_a_log_is_behind_is_remembered_until_its_lineage_is_renewed(tmp_path: Path) -> None:
    await made(tmp_path)
    store = opened(tmp_path)
    store.note_behind("facts were lost")
    await store.append([started(4)], recorded_at=2.0)
    await store.close()
    again = opened(tmp_path)
    assert again.lineage.behind == "facts were lost"
    await again.close()
    assert not (await renew(SqliteStore(tmp_path))).behind


async def test_a_database_of_the_first_schema_gets_a_lineage(tmp_path: Path) -> None:
    await made(tmp_path)
    with closing(sqlite3.connect(tmp_path / "prsd.db")) as connection, connection:
        connection.execute("DROP TABLE lineage")
        connection.execute("DROP TABLE reuse_keys")
        connection.execute("PRAGMA user_version = 1")
    store = opened(tmp_path)
    assert len(store.lineage.name) == 32
    assert len(list(store.read_facts())) == 19
    await store.close()
    again = opened(tmp_path)
    assert again.lineage == store.lineage
    await again.close()


async def test_a_database_of_the_second_schema_gets_room_for_reuse_keys(tmp_path: Path) -> None:
    await made(tmp_path)
    with closing(sqlite3.connect(tmp_path / "prsd.db")) as connection, connection:
        connection.execute("DROP TABLE reuse_keys")
        connection.execute("PRAGMA user_version = 2")
    store = opened(tmp_path)
    assert store.reusable_steps("any") == []
    assert len(list(store.read_facts())) == 19
    await store.close()


async def test_a_half_restored_folder_is_refused(tmp_path: Path) -> None:
    await made(tmp_path)
    (tmp_path / RESTORING).mkdir()
    with pytest.raises(RestoreUnfinished, match="admin restore"):
        SqliteStore(tmp_path).open()
