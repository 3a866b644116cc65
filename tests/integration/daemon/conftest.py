"""A real daemon process and a peer that speaks the agents' protocol by hand."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TypeVar

os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

import grpc
import pytest

from prsd.base.columns import Column
from prsd.v1 import agents_pb2 as pb
from prsd.v1 import agents_pb2_grpc, files_pb2, files_pb2_grpc, jobs_pb2, jobs_pb2_grpc

DEADLINE_S = 20.0
# The daemon never looks into a snapshot: any bytes will do.
SNAPSHOT = b"packed code"
SNAPSHOT_DIGEST = hashlib.sha256(SNAPSHOT).hexdigest()
T = TypeVar("T")


class DaemonProcess:
    """`prsd` on a socket of its own; may be killed and started again over the same data."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.address = f"unix:{folder}/d.sock"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> None:
        reading, writing = os.pipe()
        command = [sys.executable, "-m", "prsd.app", "--data", str(self.folder / "data"), "--listen", self.address]
        command += ["--ready-fd", str(writing), "--session-timeout", "6", "--heartbeat", "0.3", *options]
        self.process = subprocess.Popen(command, pass_fds=[writing])
        os.close(writing)
        with os.fdopen(reading) as ready:
            assert ready.readline() == f"ready {self.address}\n"

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        if self.process is None or self.process.poll() is not None:
            return 0
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(10)


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[DaemonProcess]:
    made = DaemonProcess(tmp_path)
    made.start()
    yield made
    made.stop()


class AgentPeer:
    """One stream. Messages that arrive are kept until somebody expects them."""

    def __init__(self, channel: grpc.aio.Channel, boot: str = "boot1", name: str = "peer") -> None:
        self.boot = boot
        self.name = name
        self._stub = agents_pb2_grpc.AgentServiceStub(channel)
        self._stream: grpc.aio.StreamStreamCall[pb.AgentMessage, pb.DaemonMessage] = self._stub.Connect()
        self.seen: list[pb.DaemonMessage] = []
        self._highest = 0
        self.report_number = 0

    async def send(self, **message: object) -> None:
        await self._stream.write(pb.AgentMessage(**message))  # type: ignore[arg-type]

    async def hello(self, **more: object) -> pb.Welcome:
        hello = pb.Hello(agent=self.name, boot=self.boot, compute="cpu", slots=2, **more)  # type: ignore[arg-type]
        await self.send(hello=hello)
        return (await self.expect("welcome")).welcome

    async def expect(self, kind: str, where: Callable[[pb.DaemonMessage], bool] = lambda _: True) -> pb.DaemonMessage:
        """The first message of that kind that has not been expected yet."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                for message in self.seen:
                    if message.WhichOneof("message") == kind and where(message):
                        self.seen.remove(message)
                        return message
                arrived = await self._stream.read()
                assert isinstance(arrived, pb.DaemonMessage), f"the stream ended before {kind}"
                self._highest = max(self._highest, arrived.grant.token)
                self.seen.append(arrived)

    async def sync(self, held: list[int], wants: list[pb.Want] | None = None) -> None:
        await self.send(sync=pb.Sync(held=held, seen=self._highest, wants=wants or [], sent_at=1.5))

    async def report(self, **parts: object) -> None:
        self.report_number += 1
        await self.send(report=pb.Report(number=self.report_number, **parts))  # type: ignore[arg-type]
        number = self.report_number
        await self.expect("acknowledge", lambda message: message.acknowledge.number == number)

    async def end(self) -> None:
        self._stream.cancel()


def results(grant: pb.Grant, first: int | None = None, count: int | None = None) -> pb.Results:
    """Every mini-batch of a grant (or of a part of it) succeeded, with one item each."""
    count = grant.count if count is None else count
    ones = Column.repeat(1, count).to_bytes()
    return pb.Results(
        step=grant.step,
        token=grant.token,
        first=grant.first if first is None else first,
        count=count,
        items_total=ones,
        items_succeeded=ones,
        run_us=ones,
        attempt=grant.attempt,
        worker="process000",
    )


def rank_pipeline(count: int, *, append: bool = False, compute: str = "cpu") -> str:
    """A pipeline of one step that needs no input."""
    outputs = "outputs: {rows: {type: uri_file}}" if append else "outputs: {}"
    append_to = "append_row_to: ${{outputs.rows}}" if append else ""
    return f"""
type: pipeline
display_name: ranks
jobs:
  score:
    type: parallel
    compute: {compute}
    {outputs}
    task:
      type: run_function
      code: snapshot:{SNAPSHOT_DIGEST}
      entry_script: entry.py
      program_arguments: --rank_mini_batch_count {count}
      {append_to}
"""


async def submitted(channel: grpc.aio.Channel, pipeline: str, name: str = "j", request_id: str = "") -> jobs_pb2.Job:
    upload = files_pb2.UploadSnapshotRequest(digest=SNAPSHOT_DIGEST, data=SNAPSHOT)
    await files_pb2_grpc.FileServiceStub(channel).UploadSnapshot(iter([upload]))
    stub = jobs_pb2_grpc.JobServiceStub(channel)
    answer = await stub.SubmitJob(jobs_pb2.SubmitJobRequest(pipeline=pipeline, name=name, request_id=request_id))
    job: jobs_pb2.Job = answer.job
    return job


async def state_of(channel: grpc.aio.Channel, name: str = "j") -> jobs_pb2.Job:
    stub = jobs_pb2_grpc.JobServiceStub(channel)
    job: jobs_pb2.Job = (await stub.GetJob(jobs_pb2.GetJobRequest(name=name))).job
    return job


async def until_final(channel: grpc.aio.Channel, name: str = "j") -> jobs_pb2.Job:
    stub = jobs_pb2_grpc.JobServiceStub(channel)
    last = jobs_pb2.Job()
    async with asyncio.timeout(DEADLINE_S):
        async for answer in stub.WatchJob(jobs_pb2.WatchJobRequest(name=name)):
            last = answer.job
    return last
