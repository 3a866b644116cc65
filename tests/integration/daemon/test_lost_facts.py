"""An agent that was told of facts which the log does not have: the daemon ends, and stays so until a person decides."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import grpc
import pytest

from prsd.v1 import admin_pb2, admin_pb2_grpc, jobs_pb2
from prsd.v1 import agents_pb2 as pb
from tests.integration.daemon.conftest import (
    AgentPeer,
    DaemonProcess,
    rank_pipeline,
    results,
    state_of,
    submitted,
    until_final,
)
from tests.integration.daemon.starting import ended, refused_start
from tests.integration.daemon.test_daemon import finish, take_part


class Told(AgentPeer):
    """A peer that remembers what it was acknowledged, as agents do."""

    lineage = ""
    fact = 0

    async def hello(self, **more: object) -> pb.Welcome:
        welcome = await super().hello(lineage=self.lineage, acknowledged_fact=self.fact, **more)
        self.lineage = welcome.lineage
        return welcome

    async def report(self, **parts: object) -> None:
        self.report_number += 1
        await self.send(report=pb.Report(number=self.report_number, **parts))  # type: ignore[arg-type]
        self.fact = (await self.expect("acknowledge")).acknowledge.fact


async def last_fact(channel: grpc.aio.Channel) -> int:
    reply = await admin_pb2_grpc.AdminServiceStub(channel).GetCondition(admin_pb2.GetConditionRequest())
    return int(reply.last_fact)


async def lost_results(daemon: DaemonProcess) -> tuple[Told, pb.Grant]:
    """The folder is replaced by a copy of before an agent's results; the daemon is down."""
    copy = daemon.folder / "copy"
    async with grpc.aio.insecure_channel(daemon.address) as channel:
        await submitted(channel, rank_pipeline(4))
        peer = Told(channel)
        await peer.hello()
        grant = await take_part(peer, 2)
        daemon.kill()
    await asyncio.to_thread(shutil.copytree, daemon.folder / "data", copy)
    daemon.start()
    async with grpc.aio.insecure_channel(daemon.address) as channel:
        back = again(channel, peer)
        await back.hello(held=[held(grant)], open_steps=[open_step(grant)])
        await back.report(results=[results(grant, count=1)])
        assert back.fact == await last_fact(channel)
    daemon.kill()
    await asyncio.to_thread(put_back, copy, daemon.folder / "data")
    return back, grant


def put_back(copy: Path, data: Path) -> None:
    shutil.rmtree(data)
    copy.rename(data)


def again(channel: grpc.aio.Channel, former: Told) -> Told:
    """The same agent process on a new stream."""
    peer = Told(channel, former.boot, former.name)
    peer.lineage, peer.fact, peer.report_number = former.lineage, former.fact, former.report_number
    return peer


def held(grant: pb.Grant) -> pb.HeldLease:
    ranges = [pb.Range(first=grant.first, count=grant.count)]
    return pb.HeldLease(token=grant.token, step=grant.step, phase=pb.PHASE_RUN, ranges=ranges)


def open_step(grant: pb.Grant) -> pb.OpenStep:
    return pb.OpenStep(step=grant.step, node=0, workers=2)


async def test_an_acknowledgement_carries_the_last_durable_fact(daemon: DaemonProcess) -> None:
    async with grpc.aio.insecure_channel(daemon.address) as channel:
        await submitted(channel, rank_pipeline(2))
        peer = Told(channel)
        await peer.hello()
        grant = await take_part(peer, 1)
        await peer.report(results=[results(grant)])
        first = peer.fact
        assert first == await last_fact(channel)
        await peer.report(results=[results(grant)])
        assert peer.fact >= first > 0


async def test_a_daemon_whose_log_lost_facts_ends_and_does_not_start_again(daemon: DaemonProcess) -> None:
    peer, grant = await lost_results(daemon)
    daemon.start()
    async with grpc.aio.insecure_channel(daemon.address) as channel:
        back = again(channel, peer)
        with pytest.raises((grpc.aio.AioRpcError, AssertionError)) as refused:
            await back.hello(held=[held(grant)])
        if isinstance(refused.value, grpc.aio.AioRpcError):
            assert refused.value.code() in (grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.UNAVAILABLE)
        assert not back.seen
    assert await ended(daemon) == 1
    said = await refused_start(daemon.folder)
    assert said.startswith(f"prsd: facts were lost: the agent peer was acknowledged fact {peer.fact}, but the log ended at")
    assert "--accept-older-log" in said


async def test_an_older_log_that_is_accepted_takes_nothing_of_the_former_lineage(daemon: DaemonProcess) -> None:
    peer, grant = await lost_results(daemon)
    daemon.start("--accept-older-log", "--session-timeout", "5")
    async with grpc.aio.insecure_channel(daemon.address) as channel:
        back = again(channel, peer)
        welcome = await back.hello(held=[held(grant)], open_steps=[open_step(grant)])
        assert welcome.lineage != peer.lineage
        assert not welcome.kept
        await back.report(results=[results(grant)])
        assert (await state_of(channel)).steps[0].mini_batches.succeeded == 0
        done = 0
        while done < 4:
            await back.sync([], [pb.Want(step=grant.step, count=10, ready_workers=2)])
            more = (await back.expect("grant")).grant
            assert more.token > grant.token
            await back.report(results=[results(more)])
            done += more.count
        await finish(back, grant.step)
        assert (await until_final(channel)).state == jobs_pb2.STATE_COMPLETED
    assert daemon.stop() == 0
    daemon.start()
    async with grpc.aio.insecure_channel(daemon.address) as channel:
        assert (await again(channel, back).hello()).lineage == back.lineage


async def test_what_another_log_acknowledged_says_nothing(daemon: DaemonProcess) -> None:
    async with grpc.aio.insecure_channel(daemon.address) as channel:
        peer = Told(channel)
        peer.lineage, peer.fact = "of another daemon", 10**9
        assert (await peer.hello()).session
