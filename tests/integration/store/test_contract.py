"""What both stores must do alike. Every test runs over the one in SQLite and the one in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from prsd.core.facts import IndexesReserved, JobChanged, JobRecorded, ResultsRecorded, SessionOpened, StepChanged
from prsd.core.vocabulary import CommitDone, State, StepId
from prsd.store.errors import AmbiguousJob, JobExists, StoreFailed, UnknownJob, UnknownStep
from prsd.store.memory import MemoryStore
from prsd.store.protocol import Store
from prsd.store.rows import ErrorGroup, ReuseKey, StepCounts
from prsd.store.sqlite import SqliteStore
from tests.integration.store.samples import (
    PARTS,
    STEP,
    document,
    failure,
    job_recorded,
    results,
    started,
    whole_life,
)

NOWHERE = StepId("night_run", "nowhere")


@dataclass
class Reopening:
    """A store that can be closed and opened again, as by a restarted daemon."""

    store: Store
    folder: Path | None

    async def reopen(self) -> Store:
        await self.store.close()
        if self.folder is not None:
            self.store = SqliteStore(self.folder)
        self.store.open()
        return self.store


@pytest.fixture(params=["sqlite", "memory"])
async def reopening(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Reopening]:
    store: Store = SqliteStore(tmp_path) if request.param == "sqlite" else MemoryStore()
    store.open()
    holder = Reopening(store, tmp_path if request.param == "sqlite" else None)
    yield holder
    await holder.store.close()


@pytest.fixture
def store(reopening: Reopening) -> Store:
    return reopening.store


async def recorded(store: Store, name: str = STEP.job, request_id: str = "") -> None:
    await store.append([job_recorded(name)], recorded_at=100.0, documents=[document(name, request_id)])


async def lived(store: Store) -> None:
    await store.append([started()], recorded_at=99.0)
    await recorded(store)
    for at, fact in enumerate(whole_life(), start=101):
        await store.append([fact], recorded_at=float(at))


async def test_facts_come_back_in_order_also_after_a_restart(reopening: Reopening) -> None:
    await lived(reopening.store)
    expected = [started(), job_recorded(), *whole_life()]
    assert list(reopening.store.read_facts()) == expected
    assert list((await reopening.reopen()).read_facts()) == expected


async def test_append_returns_the_number_of_its_last_fact(store: Store) -> None:
    assert await store.append([started()], recorded_at=1.0) == 1
    assert await store.append([job_recorded(), IndexesReserved(STEP, 1)], recorded_at=1.0) == 3
    assert await store.append([], recorded_at=1.0) == 3


async def test_the_order_of_calls_is_the_order_of_facts(store: Store) -> None:
    await recorded(store)
    numbers = await asyncio.gather(*(store.append([IndexesReserved(STEP, i)], recorded_at=1.0) for i in range(300)))
    assert numbers == list(range(2, 302))
    stops = [fact.stop for fact in store.read_facts() if isinstance(fact, IndexesReserved)]
    assert stops == list(range(300))


async def test_a_cancelled_append_is_recorded_all_the_same(store: Store) -> None:
    await recorded(store)
    waiting = asyncio.ensure_future(store.append([IndexesReserved(STEP, 1)], recorded_at=1.0))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert await store.append([IndexesReserved(STEP, 2)], recorded_at=1.0) == 3


async def test_facts_of_ended_jobs_are_not_folded(reopening: Reopening) -> None:
    await lived(reopening.store)
    await recorded(reopening.store, "other")
    await reopening.store.append([JobChanged(STEP.job, State.COMPLETED)], recorded_at=200.0)
    expected = [started(), SessionOpened("session", "agent", "boot"), job_recorded("other")]
    assert list((await reopening.reopen()).read_facts()) == expected


async def test_a_summary_goes_on_after_a_restart(reopening: Reopening) -> None:
    await recorded(reopening.store)
    await reopening.store.append([results(0, 5)], recorded_at=1.0)
    store = await reopening.reopen()
    await store.append([results(5, 5)], recorded_at=1.0)
    assert store.steps_of(STEP.job)[0].counts.succeeded == 10


async def test_names_are_unique_and_a_refused_append_records_nothing(store: Store) -> None:
    await recorded(store)
    with pytest.raises(JobExists, match="'night_run'"):
        await store.append([started(2), job_recorded()], recorded_at=1.0)
    assert list(store.read_facts()) == [job_recorded()]
    await recorded(store, "another")


async def test_requests_are_unique_and_can_be_looked_up(store: Store) -> None:
    await recorded(store, request_id="r1")
    assert store.job_of_request("r1") == STEP.job
    assert store.job_of_request("r2") is None
    assert store.job_of_request("") is None
    with pytest.raises(JobExists, match="'r1' is recorded as job 'night_run'"):
        await recorded(store, "another", request_id="r1")
    await recorded(store, "third", request_id="")
    await recorded(store, "fourth", request_id="")


async def test_of_two_concurrent_jobs_of_one_name_the_first_wins(store: Store) -> None:
    outcomes = await asyncio.gather(recorded(store), recorded(store), recorded(store, "b"), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [type(None), JobExists, type(None)]


@pytest.mark.parametrize(
    "documents",
    [[document("unrecorded")], [document(), document()], [replace(document(), definitions={"nowhere": b""})]],
)
async def test_documents_that_belong_to_no_fact_are_refused(store: Store, documents: list[object]) -> None:
    with pytest.raises(ValueError, match="job"):
        await store.append([job_recorded()], recorded_at=1.0, documents=documents)  # type: ignore[arg-type]
    assert list(store.read_facts()) == []


async def test_what_cannot_be_stored_is_refused_and_the_store_goes_on(store: Store) -> None:
    await recorded(store)
    wrong = results(0, 3)
    with pytest.raises(ValueError, match="results"):
        await store.append([ResultsRecorded(replace(wrong.results, token=-1), "s")], recorded_at=1.0)
    await store.append([wrong], recorded_at=1.0)


async def test_a_document_comes_back(store: Store) -> None:
    await recorded(store)
    assert store.document_of(STEP.job) == '{"a":"é"}'
    assert store.definition_of(STEP) == b"\x00definition"
    assert store.definition_of(StepId(STEP.job, "merge")) == b""


async def test_a_job_without_a_document_has_an_empty_one(store: Store) -> None:
    await store.append([job_recorded()], recorded_at=5.0)
    assert store.document_of(STEP.job) == "{}"
    assert store.find_job(STEP.job).created_at == 5.0
    with pytest.raises(UnknownStep):
        store.definition_of(STEP)


async def test_jobs_come_newest_first_and_limited(store: Store) -> None:
    for name in ("a", "c", "b"):
        await recorded(store, name)
    assert [job.name for job in store.jobs()] == ["b", "c", "a"]
    assert [job.name for job in store.jobs(limit=2)] == ["b", "c"]


async def test_a_job_is_found_by_name_by_unique_prefix_and_as_the_latest(store: Store) -> None:
    for name in ("run", "run_1", "r%_x"):
        await recorded(store, name)
    assert store.find_job("run").name == "run"
    assert store.find_job("run_").name == "run_1"
    assert store.find_job("r%").name == "r%_x"
    assert store.find_job("@latest").name == "r%_x"
    with pytest.raises(AmbiguousJob, match="'ru': run_1, run, …") as ambiguous:
        store.find_job("ru")
    assert ambiguous.value.names == ("run_1", "run")
    for reference in ("RUN", "", "x", "%"):
        with pytest.raises(UnknownJob):
            store.find_job(reference)


async def test_there_is_no_latest_job_at_first(store: Store) -> None:
    with pytest.raises(UnknownJob, match="no job yet"):
        store.find_job("@latest")
    assert store.jobs() == []


async def test_a_job_row_says_what_became_of_it(store: Store) -> None:
    await recorded(store, request_id="r1")
    changes = [(State.RUNNING, ""), (State.CANCEL_REQUESTED, "by hand"), (State.CANCELED, "canceled by hand")]
    for at, (state, reason) in enumerate(changes, start=101):
        await store.append([JobChanged(STEP.job, state, reason)], recorded_at=float(at))
    job = store.find_job(STEP.job)
    assert (job.state, job.reason) == (State.CANCELED, "canceled by hand")
    assert (job.created_at, job.started_at, job.ended_at) == (100.0, 101.0, 103.0)
    assert (job.display_name, job.request_id, job.notices) == ("Display night_run", "r1", ("a notice",))


async def test_step_rows_come_in_pipeline_order_with_counts_and_times(store: Store) -> None:
    await lived(store)
    score, merge = store.steps_of(STEP.job)
    assert (score.step, score.state, score.reason) == (STEP, State.COMPLETED, "done")
    assert (score.started_at, score.ended_at, score.division_ended) == (103.0, 117.0, True)
    assert score.counts == StepCounts(15, 13, 0, 2, 7, 0, 150, 130, 20)
    assert score.counts.unsettled == 0
    assert (merge.state, merge.started_at, merge.ended_at, merge.counts.divided) == (State.QUEUED, None, None, 1)
    assert (score.terms, merge.terms) == job_recorded().steps


async def test_what_division_and_commit_reported_comes_back(store: Store) -> None:
    await lived(store)
    division = store.division_of(STEP)
    assert (division.parts, division.ended, division.notices) == (PARTS, True, ("notice 0", "notice 1"))
    assert store.commit_of(STEP) == CommitDone(STEP, 2, 1234, "digest", 13, ("committed",))
    merge = StepId(STEP.job, "merge")
    assert (store.division_of(merge).parts, store.commit_of(merge)) == ((), None)


@pytest.mark.parametrize("chunk", [1, 2, 3, 100])
async def test_the_commit_plan_is_ordered_and_comes_in_chunks(store: Store, chunk: int) -> None:
    await lived(store)
    chunks = list(store.results_of(STEP, chunk))
    expected = [results(0, 3).results, results(5, 5).results, results(10, 5, attempt=2).results]
    assert [each for listed in chunks for each in listed] == expected
    assert max(map(len, chunks)) <= chunk


@pytest.mark.parametrize("chunk", [1, 2, 100])
async def test_failed_mini_batches_come_with_their_last_failure(store: Store, chunk: int) -> None:
    await lived(store)
    failed = [each for listed in store.failed_of(STEP, chunk) for each in listed]
    assert [(each.index, each.message) for each in failed] == [(3, "row 7 is worse"), (4, "row 8 is bad")]


async def test_errors_are_grouped_and_the_first_is_known(store: Store) -> None:
    await lived(store)
    first = store.first_error(STEP)
    assert first == whole_life()[5]
    assert store.error_groups(STEP) == [
        ErrorGroup("exception", "row 7 is bad", "traceback", 2, (3, 4)),
        ErrorGroup("init", "no model", "traceback of init", 1, ()),
        ErrorGroup("exception", "row 7 is worse", "traceback", 1, (3,)),
    ]
    await store.append([failure(9, "row 1 is worse", False)], recorded_at=1.0)
    assert store.error_groups(STEP, limit=2)[1].mini_batches == (3, 9)


async def test_a_step_without_errors_has_none(store: Store) -> None:
    await recorded(store)
    assert store.error_groups(STEP) == []
    assert store.first_error(STEP) is None
    assert list(store.failed_of(STEP)) == []
    assert list(store.results_of(STEP)) == []


async def test_what_is_not_recorded_is_named(store: Store) -> None:
    await recorded(store)
    for query in (store.definition_of, store.division_of, store.commit_of, store.error_groups, store.first_error):
        with pytest.raises(UnknownStep, match="no step 'nowhere' of job 'night_run'"):
            query(NOWHERE)
    for stream in (store.results_of, store.failed_of):
        with pytest.raises(UnknownStep):
            next(stream(NOWHERE))
    for of_job in (store.document_of, store.steps_of):
        with pytest.raises(UnknownJob, match="no job named 'nothing'"):
            of_job("nothing")


async def test_queries_run_in_threads_beside_appends(store: Store) -> None:
    await recorded(store)
    appends = [store.append([results(i * 10, 10)], recorded_at=1.0) for i in range(50)]
    reads = [asyncio.to_thread(store.steps_of, STEP.job) for _ in range(50)]
    await asyncio.gather(*appends, *reads)
    assert store.steps_of(STEP.job)[0].counts.succeeded == 500


async def test_a_fact_of_a_job_that_was_never_recorded_ends_the_store(store: Store) -> None:
    for _ in range(2):
        with pytest.raises(StoreFailed, match="nothing"):
            await store.append([JobChanged("nothing", State.RUNNING)], recorded_at=1.0)


async def test_facts_may_come_for_a_job_that_has_ended(store: Store) -> None:
    await recorded(store)
    await store.append([JobChanged(STEP.job, State.FAILED)], recorded_at=1.0)
    await store.append([StepChanged(STEP, State.CANCELED)], recorded_at=2.0)
    assert store.steps_of(STEP.job)[0].state is State.CANCELED


async def test_a_closed_store_records_nothing_and_closing_again_is_allowed(store: Store) -> None:
    appends = [asyncio.ensure_future(store.append([fact], recorded_at=1.0)) for fact in (started(), job_recorded())]
    await asyncio.sleep(0)
    await store.close()
    assert [await each for each in appends] == [1, 2]
    with pytest.raises(StoreFailed, match="closed"):
        await store.append([JobRecorded("x", (), True)], recorded_at=1.0)
    await store.close()


async def test_steps_are_found_by_their_reuse_keys_once_they_have_completed_and_ran_themselves(reopening: Reopening) -> None:
    store = reopening.store
    for name, key, own in (("first", "k1", True), ("second", "k1", True), ("taken", "k1", False), ("other", "k2", True)):
        reuse = ReuseKey(key, f'{{"of": "{name}"}}', own)
        keyed = replace(document(name), reuse_keys={"score": reuse})
        await store.append([job_recorded(name)], recorded_at=1.0, documents=[keyed])
    assert store.reusable_steps("k1") == []
    ended = [StepChanged(StepId(name, "score"), State.COMPLETED) for name in ("second", "first", "taken", "other")]
    await store.append(ended, recorded_at=2.0)
    store = await reopening.reopen()
    assert store.reusable_steps("k1") == [StepId("second", "score"), StepId("first", "score")]
    assert store.reusable_steps("k1", limit=1) == [StepId("second", "score")]
    assert store.reuse_keys_of_name("score", limit=2) == [
        (StepId("other", "score"), ReuseKey("k2", '{"of": "other"}')),
        (StepId("second", "score"), ReuseKey("k1", '{"of": "second"}')),
    ]
    assert store.reuse_key_of(StepId("taken", "score")) == ReuseKey("k1", '{"of": "taken"}', own=False)
    assert store.reuse_key_of(StepId("taken", "merge")) is None


async def test_a_reuse_key_of_no_step_is_refused(store: Store) -> None:
    keyed = replace(document(), reuse_keys={"nowhere": ReuseKey("k", "{}")})
    with pytest.raises(ValueError, match="no step 'nowhere'"):
        await store.append([job_recorded()], recorded_at=1.0, documents=[keyed])
