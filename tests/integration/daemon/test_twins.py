"""Submissions that meet before either is durable: one job, and a daemon that lives on."""

from __future__ import annotations

import asyncio

import grpc
import grpc.aio

from prsd.v1 import jobs_pb2, jobs_pb2_grpc
from tests.integration.daemon.conftest import DaemonProcess, rank_pipeline, submitted

TWINS = 20


async def names(channel: grpc.aio.Channel) -> list[str]:
    answer = await jobs_pb2_grpc.JobServiceStub(channel).ListJobs(jobs_pb2.ListJobsRequest())
    return [job.name for job in answer.jobs]


async def test_a_request_that_is_repeated_at_once_is_one_job(daemon: DaemonProcess) -> None:
    async with grpc.aio.insecure_channel(daemon.address) as channel:
        jobs = await asyncio.gather(*(submitted(channel, rank_pipeline(1), name="", request_id="r1") for _ in range(TWINS)))
        assert len({job.name for job in jobs}) == 1
        assert await names(channel) == [jobs[0].name]


async def test_a_name_that_is_given_twice_at_once_is_taken_once(daemon: DaemonProcess) -> None:
    async with grpc.aio.insecure_channel(daemon.address) as channel:
        outcomes = await asyncio.gather(
            *(submitted(channel, rank_pipeline(1), name="same") for _ in range(TWINS)), return_exceptions=True
        )
        refused = [each for each in outcomes if isinstance(each, grpc.aio.AioRpcError)]
        assert [error.code() for error in refused] == [grpc.StatusCode.ALREADY_EXISTS] * (TWINS - 1)
        assert await names(channel) == ["same"]
