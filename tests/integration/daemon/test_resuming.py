"""Records of an ended job, and a job that goes on from it, over a real socket; the agent is a peer by hand."""

from __future__ import annotations

import asyncio
from pathlib import Path

import grpc
import pytest

from prsd.base.columns import Column
from prsd.v1 import agents_pb2 as pb
from prsd.v1 import jobs_pb2, jobs_pb2_grpc
from tests.integration.daemon.conftest import (
    DEADLINE_S,
    AgentPeer,
    DaemonProcess,
    rank_pipeline,
    results,
    state_of,
    submitted,
    until_final,
)
from tests.integration.daemon.test_daemon import take_part

BLOCK = pb.Block(segment="peer.boot1.process000.seg", offset=40, lengths=Column.repeat(3, 2).to_bytes(), crc32=9)


async def read_records(channel: grpc.aio.Channel, name: str, step: str = "score") -> list[jobs_pb2.ReadRecordsResponse]:
    stub = jobs_pb2_grpc.JobServiceStub(channel)
    return [each async for each in stub.ReadRecords(jobs_pb2.ReadRecordsRequest(name=name, step=step))]


async def canceled_after_two(channel: grpc.aio.Channel, peer: AgentPeer, folder: Path) -> None:
    """Job "j" of five mini-batches is canceled when two have results and one has failed for good."""
    await submitted(channel, rank_pipeline(5, append=True).replace("--rank", "--run_max_try 1 --rank"))
    await peer.hello()
    grant = await take_part(peer, 3)
    step = grant.step
    segments = folder / "data/jobs/j/score/segments"
    segments.mkdir(parents=True, exist_ok=True)
    (segments / BLOCK.segment).write_bytes(b"bytes of a segment")
    first = results(grant, count=2)
    first.block.CopyFrom(BLOCK)
    failure = pb.Failure(
        step=step, token=grant.token, phase=pb.PHASE_RUN, index=2, kind="exception", message="no", permanent=True
    )
    await peer.report(results=[first], failures=[failure])
    await jobs_pb2_grpc.JobServiceStub(channel).CancelJob(jobs_pb2.CancelJobRequest(name="j"))
    await peer.expect("close")
    await peer.send(instance=pb.InstanceReport(step=step, state=pb.InstanceReport.STATE_CLOSED))
    commit = (await peer.expect("grant", lambda message: message.grant.phase == pb.PHASE_COMMIT)).grant
    await peer.report(commits=[pb.CommitDone(step=step, token=commit.token)])
    assert (await until_final(channel)).state == jobs_pb2.STATE_CANCELED


async def resume(channel: grpc.aio.Channel, **more: object) -> jobs_pb2.SubmitJobResponse:
    stub = jobs_pb2_grpc.JobServiceStub(channel)
    answer: jobs_pb2.SubmitJobResponse = await stub.SubmitJob(
        jobs_pb2.SubmitJobRequest(resume_from="j", **more)  # type: ignore[arg-type]
    )
    return answer


async def test_records_of_an_ended_job_are_streamed_in_order(daemon: DaemonProcess) -> None:
    async with grpc.aio.insecure_channel(daemon.address) as channel:
        await canceled_after_two(channel, AgentPeer(channel), daemon.folder)
        head, *rest = await read_records(channel, "j")
        records = head.records
        assert (records.divided, records.division_ended, records.row_format) == (5, True, "text")
        assert records.target_uri.endswith("/azureml/j.score/rows")
        assert records.segments_uri.endswith("/jobs/j/score/segments")
        ranges = [found for message in rest for found in message.ranges]
        assert [(found.first, found.count, found.outcome) for found in ranges] == [
            (0, 2, jobs_pb2.RecordedRange.OUTCOME_SUCCEEDED),
            (2, 1, jobs_pb2.RecordedRange.OUTCOME_FAILED),
        ]
        block = ranges[0].block
        assert (block.segment, block.offset, block.first, block.count, block.crc32) == (BLOCK.segment, 40, 0, 2, 9)
        assert list(Column.from_bytes(block.lengths, block.count)) == [3, 3]


async def test_records_are_refused_while_a_job_goes_on_and_of_unknown_ones(daemon: DaemonProcess) -> None:
    async with grpc.aio.insecure_channel(daemon.address) as channel:
        await submitted(channel, rank_pipeline(1), "goes-on")
        for name, step, code in (
            ("goes-on", "score", grpc.StatusCode.FAILED_PRECONDITION),
            ("nobody", "score", grpc.StatusCode.NOT_FOUND),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await read_records(channel, name, step)
            assert refused.value.code() == code
        await canceled_after_two(channel, AgentPeer(channel), daemon.folder)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await read_records(channel, "j", "other")
        assert refused.value.code() == grpc.StatusCode.NOT_FOUND


async def test_a_resumed_job_links_its_segments_and_survives_a_restart(daemon: DaemonProcess) -> None:
    async with grpc.aio.insecure_channel(daemon.address) as channel:
        peer = AgentPeer(channel)
        await canceled_after_two(channel, peer, daemon.folder)
        await peer.send(goodbye=pb.Goodbye(reason="test"))
        dry = await resume(channel, validate_only=True)
        assert not dry.HasField("job")
        answer = await resume(channel, name="again", request_id="r")
        assert answer.job.resumed_from == "j"
        assert any("the results of 2 are taken over" in notice for notice in answer.notices)
        assert (await resume(channel, name="again", request_id="r")).job.name == "again"
        counts = answer.job.steps[0].mini_batches
        assert (counts.total, counts.succeeded, counts.failed, counts.remaining) == (5, 2, 0, 3)
        linked = daemon.folder / "data/jobs/again/score/segments" / f"{BLOCK.segment}.of-j"
        assert linked.samefile(daemon.folder / "data/jobs/j/score/segments" / BLOCK.segment)
    daemon.kill()
    daemon.start()
    async with grpc.aio.insecure_channel(daemon.address) as channel:
        assert (await state_of(channel, "again")).steps[0].mini_batches.succeeded == 2
        peer = AgentPeer(channel, "boot2")
        await peer.hello()
        grant = await take_part(peer, 1)
        granted = [(grant.first, grant.attempt)]
        await peer.report(results=[results(grant)])
        while len(granted) < 3:
            await peer.sync([], [pb.Want(step=grant.step, count=1)])
            grant = (await peer.expect("grant")).grant
            granted.append((grant.first, grant.attempt))
            await peer.report(results=[results(grant)])
        assert granted == [(2, 1), (3, 1), (4, 1)]
        await peer.expect("close")
        await peer.send(instance=pb.InstanceReport(step=grant.step, state=pb.InstanceReport.STATE_CLOSED))
        commit = (await peer.expect("grant", lambda message: message.grant.phase == pb.PHASE_COMMIT)).grant
        assert commit.publish
        await peer.report(commits=[pb.CommitDone(step=grant.step, token=commit.token, digest="d", rows=5)])
        assert (await until_final(channel, "again")).state == jobs_pb2.STATE_COMPLETED
        head, *rest = await read_records(channel, "again")
        assert head.records.commit.rows == 5
        ranges = [found for message in rest for found in message.ranges]
        assert [(found.first, found.count) for found in ranges] == [(0, 2), (2, 1), (3, 1), (4, 1)]
        assert ranges[0].block.segment == linked.name


async def test_what_cannot_be_resumed_is_refused_and_leaves_nothing(daemon: DaemonProcess) -> None:
    async with grpc.aio.insecure_channel(daemon.address) as channel:
        await canceled_after_two(channel, AgentPeer(channel), daemon.folder)
        (daemon.folder / "data/jobs/j/score/segments" / BLOCK.segment).unlink()
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await resume(channel, name="again")
        assert refused.value.code() == grpc.StatusCode.FAILED_PRECONDITION
        assert BLOCK.segment in (refused.value.details() or "")
        assert not (daemon.folder / "data/jobs/again").exists()
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await resume(channel, pipeline=rank_pipeline(1))
        assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        async with asyncio.timeout(DEADLINE_S):
            assert (await state_of(channel)).state == jobs_pb2.STATE_CANCELED
