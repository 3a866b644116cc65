"""The daemon over a real socket, with a real store; the agent is a peer that speaks the protocol by hand."""

from __future__ import annotations

import grpc
import pytest

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


async def take_part(peer: AgentPeer, wanted: int) -> pb.Grant:
    """Open the step and take a first lease of at most `wanted` mini-batches."""
    opened = (await peer.expect("open")).open
    step = opened.definition.step
    await peer.send(instance=pb.InstanceReport(step=step, state=pb.InstanceReport.STATE_OPENED))
    await peer.sync([], [pb.Want(step=step, count=wanted, ready_workers=2)])
    return (await peer.expect("grant")).grant


async def finish(peer: AgentPeer, step: pb.StepRef) -> None:
    """Close the instance and carry out the commit attempt."""
    await peer.expect("close")
    await peer.send(instance=pb.InstanceReport(step=step, state=pb.InstanceReport.STATE_CLOSED))
    commit = (await peer.expect("grant", lambda message: message.grant.phase == pb.PHASE_COMMIT)).grant
    await peer.report(commits=[pb.CommitDone(step=step, token=commit.token)])


async def test_a_job_from_submission_to_completed(daemon: DaemonProcess) -> None:
    async with grpc.aio.insecure_channel(daemon.address) as channel:
        job = await submitted(channel, rank_pipeline(5))
        assert job.state in (jobs_pb2.STATE_QUEUED, jobs_pb2.STATE_PREPARING)
        assert (await state_of(channel)).steps[0].waiting_reason == "waiting for an agent of compute cpu"
        peer = AgentPeer(channel)
        welcome = await peer.hello()
        assert welcome.session_timeout_s == 6
        grant = await take_part(peer, 100)
        assert (grant.first, grant.attempt) == (0, 1)
        done = 0
        while done < 5:
            await peer.report(results=[results(grant)])
            done += grant.count
            if done < 5:
                await peer.sync([], [pb.Want(step=grant.step, count=100)])
                grant = (await peer.expect("grant")).grant
        await finish(peer, grant.step)
        ended = await until_final(channel)
        assert ended.state == jobs_pb2.STATE_COMPLETED
        assert ended.steps[0].mini_batches.succeeded == 5
        assert ended.steps[0].items.succeeded == 5
        logs = daemon.folder / "data" / "jobs" / "j" / "score" / "logs"
        assert (logs / "job_result.txt").read_text().startswith("The step score completed")


async def test_heartbeats_are_answered_with_their_own_time(daemon: DaemonProcess) -> None:
    async with grpc.aio.insecure_channel(daemon.address) as channel:
        peer = AgentPeer(channel)
        await peer.hello()
        await peer.sync([])
        assert (await peer.expect("echo_reply")).echo_reply.sent_at == 1.5


async def test_the_same_request_is_the_same_job_and_a_taken_name_is_refused(daemon: DaemonProcess) -> None:
    async with grpc.aio.insecure_channel(daemon.address) as channel:
        first = await submitted(channel, rank_pipeline(1), name="", request_id="r1")
        again = await submitted(channel, rank_pipeline(1), name="", request_id="r1")
        assert first.name == again.name
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await submitted(channel, rank_pipeline(1), name=first.name)
        assert refused.value.code() == grpc.StatusCode.ALREADY_EXISTS


async def test_every_problem_of_a_submission_is_a_field_violation(daemon: DaemonProcess) -> None:
    from google.rpc import error_details_pb2, status_pb2

    broken = rank_pipeline(1).replace("entry_script: entry", "entry_scrip: entry").replace("compute: cpu", "computer: cpu")
    async with grpc.aio.insecure_channel(daemon.address) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await submitted(channel, broken)
        assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        details = dict(refused.value.trailing_metadata() or ())["grpc-status-details-bin"]
        violations = error_details_pb2.BadRequest()
        assert status_pb2.Status.FromString(details).details[0].Unpack(violations)
        fields = {violation.field for violation in violations.field_violations}
        assert {"jobs.score.task.entry_scrip", "jobs.score.computer"} <= fields
        assert not (await jobs_pb2_grpc.JobServiceStub(channel).ListJobs(jobs_pb2.ListJobsRequest())).jobs


async def test_s80_a_killed_daemon_keeps_results_and_adopts_what_runs(daemon: DaemonProcess) -> None:
    async with grpc.aio.insecure_channel(daemon.address) as channel:
        await submitted(channel, rank_pipeline(4))
        peer = AgentPeer(channel)
        await peer.hello()
        grant = await take_part(peer, 2)
        await peer.report(results=[results(grant, count=1)])
    daemon.kill()
    daemon.start()
    async with grpc.aio.insecure_channel(daemon.address) as channel:
        again = AgentPeer(channel, peer.boot)
        left = [pb.Range(first=grant.first + 1, count=grant.count - 1)] if grant.count > 1 else []
        held = [pb.HeldLease(token=grant.token, step=grant.step, phase=pb.PHASE_RUN, ranges=left)] if left else []
        welcome = await again.hello(held=held, open_steps=[pb.OpenStep(step=grant.step, node=0, workers=2)])
        assert list(welcome.kept) == ([grant.token] if left else [])
        assert (await state_of(channel)).steps[0].mini_batches.succeeded == 1
        again.report_number = peer.report_number
        if left:
            await again.report(results=[results(grant, first=left[0].first, count=left[0].count)])
        done = 1 + (left[0].count if left else 0)
        while done < 4:
            await again.sync([], [pb.Want(step=grant.step, count=10)])
            more = (await again.expect("grant")).grant
            assert more.token > grant.token
            await again.report(results=[results(more)])
            done += more.count
        await finish(again, grant.step)
        assert (await until_final(channel)).state == jobs_pb2.STATE_COMPLETED


async def test_s93_cancel_is_final_and_idempotent(daemon: DaemonProcess) -> None:
    async with grpc.aio.insecure_channel(daemon.address) as channel:
        await submitted(channel, rank_pipeline(4))
        stub = jobs_pb2_grpc.JobServiceStub(channel)
        peer = AgentPeer(channel)
        await peer.hello()
        grant = await take_part(peer, 2)
        answer = await stub.CancelJob(jobs_pb2.CancelJobRequest(name="j"))
        assert answer.job.state == jobs_pb2.STATE_CANCEL_REQUESTED
        assert (await peer.expect("revoke")).revoke.token == grant.token
        assert (await peer.expect("close")).close.kill
        await peer.send(instance=pb.InstanceReport(step=grant.step, state=pb.InstanceReport.STATE_CLOSED))
        commit = (await peer.expect("grant", lambda message: message.grant.phase == pb.PHASE_COMMIT)).grant
        assert not commit.publish
        await peer.report(commits=[pb.CommitDone(step=grant.step, token=commit.token)])
        assert (await until_final(channel)).state == jobs_pb2.STATE_CANCELED
        assert (await stub.CancelJob(jobs_pb2.CancelJobRequest(name="j"))).job.state == jobs_pb2.STATE_CANCELED


async def test_a_stream_that_does_not_begin_with_hello_is_refused(daemon: DaemonProcess) -> None:
    async with grpc.aio.insecure_channel(daemon.address) as channel:
        peer = AgentPeer(channel)
        await peer.sync([])
        with pytest.raises((grpc.aio.AioRpcError, AssertionError)):
            await peer.expect("welcome")


async def test_health_and_reflection_answer(daemon: DaemonProcess) -> None:
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    async with grpc.aio.insecure_channel(daemon.address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        answer = await health.Check(health_pb2.HealthCheckRequest(service="prsd.v1.JobService"))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
