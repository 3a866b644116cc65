"""ReadCommitPlan answers the step's current commit lease alone."""

from __future__ import annotations

import asyncio

import grpc
import pytest

from prsd.v1 import agents_pb2 as pb
from prsd.v1 import agents_pb2_grpc
from tests.integration.daemon.conftest import DEADLINE_S, AgentPeer, DaemonProcess, rank_pipeline, results, submitted
from tests.integration.daemon.test_daemon import take_part


async def planned(channel: grpc.aio.Channel, step: pb.StepRef, token: int) -> int:
    """How many mini-batches the plan has."""
    stub = agents_pb2_grpc.AgentServiceStub(channel)
    count = 0
    async with asyncio.timeout(DEADLINE_S):
        async for message in stub.ReadCommitPlan(pb.ReadCommitPlanRequest(step=step, token=token)):
            count += sum(each.count for each in message.ranges)
    return count


async def refused(channel: grpc.aio.Channel, step: pb.StepRef, token: int) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await planned(channel, step, token)
    assert error.value.code() == grpc.StatusCode.FAILED_PRECONDITION


async def beat(peer: AgentPeer) -> None:
    while True:
        await peer.sync([])
        await asyncio.sleep(0.3)


async def to_commit(peer: AgentPeer) -> pb.Grant:
    """Runs everything and takes the commit lease."""
    grant = await take_part(peer, 100)
    done = grant.count
    await peer.report(results=[results(grant)])
    while done < 4:
        await peer.sync([], [pb.Want(step=grant.step, count=100)])
        grant = (await peer.expect("grant")).grant
        await peer.report(results=[results(grant)])
        done += grant.count
    await peer.expect("close")
    await peer.send(instance=pb.InstanceReport(step=grant.step, state=pb.InstanceReport.STATE_CLOSED))
    return (await peer.expect("grant", lambda message: message.grant.phase == pb.PHASE_COMMIT)).grant


async def test_the_plan_is_for_the_current_commit_lease_alone(daemon: DaemonProcess) -> None:
    async with grpc.aio.insecure_channel(daemon.address) as channel:
        await submitted(channel, rank_pipeline(4, append=True))
        peer = AgentPeer(channel)
        await peer.hello()
        commit = await to_commit(peer)
        assert await planned(channel, commit.step, commit.token) == 4
        await refused(channel, commit.step, commit.token + 1)
        await refused(channel, commit.step, 0)
        await refused(channel, pb.StepRef(job="j", step="nowhere"), commit.token)


async def test_a_lost_agent_loses_the_plan(daemon: DaemonProcess) -> None:
    async with grpc.aio.insecure_channel(daemon.address) as channel:
        await submitted(channel, rank_pipeline(4, append=True))
        peer = AgentPeer(channel)
        await peer.hello()
        commit = await to_commit(peer)
        await peer.end()
        other = AgentPeer(channel, "boot2", "other")
        await other.hello()
        heartbeats = asyncio.create_task(beat(other))
        second = (await other.expect("grant", lambda message: message.grant.phase == pb.PHASE_COMMIT)).grant
        heartbeats.cancel()
        assert await planned(channel, commit.step, second.token) == 4
        await refused(channel, commit.step, commit.token)


async def test_a_plan_asked_for_before_the_agent_is_back_waits_for_it(daemon: DaemonProcess) -> None:
    async with grpc.aio.insecure_channel(daemon.address) as channel:
        await submitted(channel, rank_pipeline(4, append=True))
        peer = AgentPeer(channel)
        await peer.hello()
        commit = await to_commit(peer)
    daemon.kill()
    daemon.start()
    async with grpc.aio.insecure_channel(daemon.address) as channel:
        early = asyncio.create_task(planned(channel, commit.step, commit.token))
        back = AgentPeer(channel, peer.boot)
        held = pb.HeldLease(token=commit.token, step=commit.step, phase=pb.PHASE_COMMIT)
        assert list((await back.hello(held=[held])).kept) == [commit.token]
        assert await early == 4
