"""What only a store on a disk can get wrong: durability, damage, two owners, other versions."""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from prsd.core.facts import Fact, FailureRecorded, IndexesReserved
from prsd.core.vocabulary import StepId
from prsd.store.errors import StoreDamaged, StoreFailed, StoreInUse, StoreTooNew
from prsd.store.sqlite import SqliteStore
from tests.integration.store.appending import CALLERS
from tests.integration.store.samples import STEP, document, job_recorded, results, started, whole_life

DEADLINE_S = 60


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(tmp_path)
    store.open()
    yield store
    await store.close()


async def write_life(folder: Path) -> list[Fact]:
    """A closed store with 19 facts: fact n is the n-th of the list."""
    store = SqliteStore(folder)
    store.open()
    facts = [started(), job_recorded(), *whole_life()]
    await store.append(facts, recorded_at=1.0, documents=[document()])
    await store.close()
    return facts


def edit(folder: Path, statement: str, *parameters: object) -> None:
    with closing(sqlite3.connect(folder / "prsd.db")) as connection, connection:
        connection.execute(statement, parameters)


async def read(folder: Path) -> list[Fact]:
    store = SqliteStore(folder)
    store.open()
    try:
        return list(store.read_facts())
    finally:
        await store.close()


async def test_concurrent_appends_share_transactions(store: SqliteStore) -> None:
    await store.append([job_recorded()], recorded_at=1.0)
    before = store.transactions
    await asyncio.gather(*(store.append([IndexesReserved(STEP, i)], recorded_at=1.0) for i in range(2_000)))
    assert 1 <= store.transactions - before <= 200
    assert sum(isinstance(fact, IndexesReserved) for fact in store.read_facts()) == 2_000


async def test_a_query_is_not_kept_waiting_by_an_unfinished_stream(store: SqliteStore) -> None:
    await store.append([job_recorded(), *whole_life()], recorded_at=1.0)
    stream = store.results_of(STEP, chunk=1)
    next(stream)
    await store.append([IndexesReserved(STEP, 1)], recorded_at=1.0)
    assert store.jobs()
    assert len(list(stream)) == 2


def lines_of(process: subprocess.Popen[bytes], at_least: int) -> bytes:
    """What the process has written once it is that many lines; fails after DEADLINE_S."""
    assert process.stdout is not None
    written = b""
    while written.count(b"\n") < at_least:
        assert select.select([process.stdout], [], [], DEADLINE_S)[0], "the process is silent"
        more = os.read(process.stdout.fileno(), 65_536)
        assert more, f"the process ended: {process.wait(DEADLINE_S)}"
        written += more
    return written


def appended_until_killed(folder: Path, lines: int) -> set[int]:
    """The numbers whose appends had returned when the process was killed."""
    command = [sys.executable, "-m", "tests.integration.store.appending", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            written = lines_of(process, lines)
        finally:
            process.send_signal(signal.SIGKILL)
        assert process.stdout is not None
        written += process.stdout.read()
    return {int(line) for line in written.decode().splitlines()}


@pytest.mark.parametrize("lines", [1, 300, 1_500])
async def test_what_returned_survives_kill_9(tmp_path: Path, lines: int) -> None:
    returned = await asyncio.to_thread(appended_until_killed, tmp_path, lines)
    pairs = (await read(tmp_path))[1:]
    stops = [fact.stop for fact in pairs[::2] if isinstance(fact, IndexesReserved)]
    indexes = [fact.failure.index for fact in pairs[1::2] if isinstance(fact, FailureRecorded)]
    assert stops == indexes == list(range(len(stops)))  # in order, and each append whole
    assert returned <= set(stops)


async def test_a_full_disk_fails_every_waiter_and_every_later_append(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.integration.store.appending", str(tmp_path), "400000"]
    ended = await asyncio.to_thread(subprocess.run, command, capture_output=True, timeout=DEADLINE_S, check=False)
    assert ended.returncode == 3
    errors = json.loads(ended.stderr)
    assert len(errors) == CALLERS + 1
    assert len(set(errors)) == 1
    assert errors[0].startswith("the log cannot be written: ")
    returned = {int(line) for line in ended.stdout.decode().splitlines()}
    recorded = {fact.stop for fact in await read(tmp_path) if isinstance(fact, IndexesReserved)}
    assert returned
    assert returned <= recorded


@pytest.mark.parametrize("number", [1, 2, 10, 19])
async def test_a_flipped_byte_is_named(tmp_path: Path, number: int) -> None:
    await write_life(tmp_path)
    with closing(sqlite3.connect(tmp_path / "prsd.db")) as connection, connection:
        (body,) = connection.execute("SELECT body FROM facts WHERE number = ?", [number]).fetchone()
        damaged = bytearray(body)
        damaged[len(body) // 2] ^= 0x20
        connection.execute("UPDATE facts SET body = ? WHERE number = ?", [bytes(damaged), number])
    with pytest.raises(StoreDamaged, match=f"fact {number}: its checksum") as raised:
        await read(tmp_path)
    assert raised.value.number == number


@pytest.mark.parametrize(
    "assignment", ["first = 7", "kind = 4", "recorded_at = 2.5", "step = 2", "job = NULL", "checksum = 1", "body = 'text'"]
)
async def test_every_column_is_covered(tmp_path: Path, assignment: str) -> None:
    await write_life(tmp_path)
    edit(tmp_path, f"UPDATE facts SET {assignment} WHERE number = 10")
    with pytest.raises(StoreDamaged, match="fact 10: "):
        await read(tmp_path)


async def test_a_hole_in_the_log_is_named(tmp_path: Path) -> None:
    await write_life(tmp_path)
    edit(tmp_path, "DELETE FROM facts WHERE number IN (7, 8)")
    with pytest.raises(StoreDamaged, match="fact 7: it is missing, the log goes on at 9"):
        await read(tmp_path)


async def test_a_lost_tail_is_named(tmp_path: Path) -> None:
    await write_life(tmp_path)
    edit(tmp_path, "DELETE FROM facts WHERE number > 17")
    with pytest.raises(StoreDamaged, match="fact 18: it is missing, 19 facts were written"):
        await read(tmp_path)


async def test_a_renumbered_log_is_named(tmp_path: Path) -> None:
    await write_life(tmp_path)
    edit(tmp_path, "DELETE FROM facts WHERE number = 7")
    edit(tmp_path, "UPDATE facts SET number = number - 1 WHERE number > 7")
    with pytest.raises(StoreDamaged, match="fact 7: its checksum"):
        await read(tmp_path)


async def test_damage_is_found_in_facts_of_ended_jobs_too(tmp_path: Path) -> None:
    await write_life(tmp_path)
    edit(tmp_path, "UPDATE jobs SET ended_at = 5")
    assert len(await read(tmp_path)) == 2
    edit(tmp_path, "UPDATE facts SET first = 99 WHERE number = 10")
    with pytest.raises(StoreDamaged, match="fact 10: "):
        await read(tmp_path)


async def test_damaged_documents_are_named_when_they_are_asked_for(tmp_path: Path) -> None:
    await write_life(tmp_path)
    edit(tmp_path, "UPDATE documents SET body = x'7b7d'")
    edit(tmp_path, "UPDATE definitions SET body = x'00' WHERE step = 1")
    store = SqliteStore(tmp_path)
    store.open()
    with pytest.raises(StoreDamaged, match="the document of job 'night_run'"):
        store.document_of(STEP.job)
    with pytest.raises(StoreDamaged, match="the definition of step 'score'"):
        store.definition_of(STEP)
    assert store.definition_of(StepId(STEP.job, "merge")) == b""
    await store.close()


async def test_a_flipped_byte_of_the_file_is_never_read_as_truth(tmp_path: Path) -> None:
    facts = await write_life(tmp_path)
    file = tmp_path / "prsd.db"
    original = file.read_bytes()
    position = original.index(b"row 8 is bad")
    file.write_bytes(original[:position] + b"R" + original[position + 1 :])
    with pytest.raises(StoreDamaged, match="fact 14: its checksum"):
        await read(tmp_path)
    file.write_bytes(original)
    assert await read(tmp_path) == facts


async def test_a_mangled_page_is_damage(tmp_path: Path) -> None:
    await write_life(tmp_path)
    file = tmp_path / "prsd.db"
    content = bytearray(file.read_bytes())
    page = content.index(b"row 8 is bad") // 8192 * 8192
    content[page : page + 64] = b"\xff" * 64
    file.write_bytes(bytes(content))
    with pytest.raises(StoreDamaged, match="fact 1: it cannot be read"):
        await read(tmp_path)


@pytest.mark.parametrize("content", [b"no database at all" * 500, b"SQLite format 3\x00" + b"\xff" * 5000])
def test_another_file_is_damage(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "prsd.db").write_bytes(content)
    with pytest.raises(StoreDamaged, match="file is not a database"):
        SqliteStore(tmp_path).open()


def test_the_database_of_another_program_is_refused(tmp_path: Path) -> None:
    edit(tmp_path, "CREATE TABLE theirs (x)")
    with pytest.raises(StoreDamaged, match="a database of another program"):
        SqliteStore(tmp_path).open()


async def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    await write_life(tmp_path)
    edit(tmp_path, "PRAGMA user_version = 700")
    before = (tmp_path / "prsd.db").read_bytes()
    with pytest.raises(StoreTooNew, match=r"a newer prsd \(schema 700, this one knows \d+\)"):
        SqliteStore(tmp_path).open()
    assert (tmp_path / "prsd.db").read_bytes() == before


async def test_a_second_store_in_a_folder_is_refused_by_the_owners_pid(store: SqliteStore, tmp_path: Path) -> None:
    with pytest.raises(StoreInUse, match=f"process id {os.getpid()}") as raised:
        SqliteStore(tmp_path).open()
    assert raised.value.pid == str(os.getpid())
    await store.append([started()], recorded_at=1.0)


async def test_a_store_that_could_not_open_lets_go_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "prsd.db").write_bytes(b"no database at all" * 500)
    with pytest.raises(StoreDamaged):
        SqliteStore(tmp_path).open()
    (tmp_path / "prsd.db").unlink()
    assert await read(tmp_path) == []


async def test_a_store_that_is_not_open_records_nothing(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    with pytest.raises(StoreFailed, match="not open"):
        await store.append([], recorded_at=1.0)
    await store.close()


async def test_the_data_folder_is_made_and_is_the_owners_alone(tmp_path: Path) -> None:
    folder = tmp_path / "a b%3F#" / "data"
    assert await read(folder) == []
    assert folder.stat().st_mode & 0o777 == 0o700


async def test_a_thousand_fast_mini_batches_take_a_few_kilobytes(store: SqliteStore, tmp_path: Path) -> None:
    """With durations of two bytes each; ten million in such ranges must stay well below 300 MB."""
    await store.append([job_recorded()], recorded_at=1.0)
    await store.append([results(i * 1000, 1000) for i in range(200)], recorded_at=1.0)
    await store.close()
    assert (tmp_path / "prsd.db").stat().st_size < 200 * 5_000
