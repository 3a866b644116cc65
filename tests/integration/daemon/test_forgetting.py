"""Ended jobs leave the daemon's memory, and nobody notices."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from prsd.board import Board
from prsd.coordinator import Coordinator
from prsd.core.core import Core
from prsd.core.events import CancelRequested, JobSubmitted
from prsd.core.vocabulary import StepKind, StepTerms
from prsd.store.memory import MemoryStore
from prsd.store.protocol import Store
from prsd.store.rows import JobDocument
from prsd.v1 import agents_pb2 as pb
from prsd.v1 import jobs_pb2, jobs_pb2_grpc
from tests.integration.daemon.conftest import (
    AgentPeer,
    DaemonProcess,
    rank_pipeline,
    results,
    state_of,
    submitted,
    until_final,
)
from tests.integration.daemon.test_daemon import finish, take_part


class Shell:
    """A core in its coordinator over a store, and the jobs that it says to have forgotten."""

    def __init__(self, store: Store) -> None:
        store.open()
        self.core, self.board = Core(), Board()
        for fact in store.read_facts():
            self.core.apply(fact)
        self.forgotten: list[str] = []
        self.coordinator = Coordinator(
            self.core,
            store,
            self.board,
            lambda *_: None,
            before_showing=self._show_at_once,
            forget=self.forgotten.append,
        )

    async def _show_at_once(self, _facts: object) -> None:
        pass

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        work = asyncio.create_task(self.coordinator.run())
        try:
            yield
        finally:
            work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await work

    async def submit(self, job: str) -> None:
        document = JobDocument(job, "{}", {"step": b""}, created_at=time.time())
        terms = StepTerms("step", StepKind.PARALLEL)
        await self.coordinator.post_and_record(JobSubmitted(job, (terms,), True), document)


async def test_an_ended_job_is_dropped_from_memory_and_one_that_goes_on_is_not() -> None:
    store = MemoryStore()
    shell = Shell(store)
    async with shell.running():
        await shell.submit("ends")
        await shell.submit("goes-on")
        await shell.coordinator.post_and_record(CancelRequested("ends"))
        assert shell.forgotten == ["ends"]
        assert (shell.core.job_view("ends"), shell.board.view("ends")) == (None, None)
        assert shell.core.unfinished_jobs() == ["goes-on"]
        # The same again, after the end: nothing to be changed, and nothing that fails.
        await shell.coordinator.post_and_record(CancelRequested("ends"))
    shell = Shell(store)
    async with shell.running():
        await shell.submit("another")
        assert shell.board.view("goes-on") is not None
        assert (shell.core.job_view("ends"), shell.board.view("ends")) == (None, None)


async def answers(channel: grpc.aio.Channel) -> tuple[jobs_pb2.Job, list[jobs_pb2.Job], list[jobs_pb2.ReadRecordsResponse]]:
    stub = jobs_pb2_grpc.JobServiceStub(channel)
    listed: jobs_pb2.ListJobsResponse = await stub.ListJobs(jobs_pb2.ListJobsRequest())
    request = jobs_pb2.ReadRecordsRequest(name="j", step="score")
    return await state_of(channel), list(listed.jobs), [each async for each in stub.ReadRecords(request)]


async def test_an_ended_job_is_answered_for_as_before(daemon: DaemonProcess, tmp_path: Path) -> None:
    async with grpc.aio.insecure_channel(daemon.address) as channel:
        await submitted(channel, rank_pipeline(2))
        peer = AgentPeer(channel)
        await peer.hello()
        grant = await take_part(peer, 1)
        await peer.report(results=[results(grant)])
        await peer.sync([], [pb.Want(step=grant.step, count=1)])
        grant = (await peer.expect("grant")).grant
        await peer.report(results=[results(grant)])
        await finish(peer, grant.step)
        seen = await until_final(channel)
        said = await answers(channel)
        assert said[0] == seen
        assert seen.state == jobs_pb2.STATE_COMPLETED
        assert (seen.steps[0].mini_batches.succeeded, seen.steps[0].mini_batches.running) == (2, 0)
        stub = jobs_pb2_grpc.JobServiceStub(channel)
        for refused in (
            stub.CancelJob(jobs_pb2.CancelJobRequest(name="j")),
            stub.SubmitJob(jobs_pb2.SubmitJobRequest(resume_from="j")),
        ):
            with pytest.raises(grpc.aio.AioRpcError, match=r"completed|ended already") as error:
                await refused
            assert error.value.code() == grpc.StatusCode.FAILED_PRECONDITION
        # What an agent says late of an ended job is refused without a word.
        await peer.report(results=[results(grant)])
        assert await answers(channel) == said
        daemon.kill()
        daemon.start()
        assert await answers(channel) == said
