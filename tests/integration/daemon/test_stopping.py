"""SIGTERM: the daemon ends soon, whatever is open, and nothing is charged to anybody."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import grpc
import pytest

from prsd.core.facts import FailureRecorded, LossRecorded, SessionClosed
from prsd.store.codec import decode
from prsd.v1 import agents_pb2 as pb
from prsd.v1 import jobs_pb2, jobs_pb2_grpc
from tests.integration.daemon.conftest import AgentPeer, DaemonProcess, rank_pipeline, state_of, submitted
from tests.integration.daemon.test_daemon import take_part

AGENTS = 20
LONGEST_S = 5.0


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[DaemonProcess]:
    """One that gives a slow test's silent agents the time they need."""
    made = DaemonProcess(tmp_path)
    made.start("--session-timeout", "60")
    yield made
    made.stop()


async def test_sigterm_with_open_agents_and_running_jobs_ends_soon_and_charges_nothing(daemon: DaemonProcess) -> None:
    async with grpc.aio.insecure_channel(daemon.address) as channel:
        peers = [AgentPeer(channel, f"boot{number}", f"peer{number}") for number in range(AGENTS)]
        for peer in peers:
            await peer.hello()
        grants = []
        for number in range(AGENTS):
            await submitted(channel, rank_pipeline(10), name=f"j{number}")
        for peer in peers:
            grants.append(await take_part(peer, 5))
        watching = jobs_pb2_grpc.JobServiceStub(channel).WatchJob(jobs_pb2.WatchJobRequest(name="j0"))
        await watching.read()
        began = time.monotonic()
        assert await asyncio.to_thread(daemon.stop) == 0
        took_s = time.monotonic() - began
        print(f"stopped after {took_s:.2f} s")
        assert took_s < LONGEST_S
    with closing(sqlite3.connect(daemon.folder / "data" / "prsd.db")) as connection:
        facts = [decode(body) for (body,) in connection.execute("SELECT body FROM facts ORDER BY number")]
    assert not [fact for fact in facts if isinstance(fact, FailureRecorded | LossRecorded | SessionClosed)]
    daemon.start("--session-timeout", "60")
    async with grpc.aio.insecure_channel(daemon.address) as channel:
        for former, grant in zip(peers, grants, strict=True):
            back = AgentPeer(channel, former.boot, former.name)
            ranges = [pb.Range(first=grant.first, count=grant.count)]
            held = pb.HeldLease(token=grant.token, step=grant.step, phase=pb.PHASE_RUN, ranges=ranges)
            open_steps = [pb.OpenStep(step=grant.step, node=0, workers=2)]
            assert list((await back.hello(held=[held], open_steps=open_steps)).kept) == [grant.token]
        job = await state_of(channel, "j0")
        assert (job.steps[0].mini_batches.failed, job.steps[0].mini_batches.retried) == (0, 0)
