"""The disk of the data folder fills up under a real daemon, on a file system of its own."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from prsd.v1 import admin_pb2, admin_pb2_grpc, jobs_pb2, jobs_pb2_grpc
from prsd.v1 import agents_pb2 as pb
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
from tests.integration.daemon.starting import refused_start
from tests.integration.daemon.test_daemon import finish, take_part

SIZE_MIB = 16
RESERVE = "6MiB"
FULL = admin_pb2.GetConditionResponse.CONDITION_DISK_FULL
SERVING = admin_pb2.GetConditionResponse.CONDITION_SERVING


class SmallDisk:
    """A tmpfs, and a file that takes its room."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self, leave_bytes: int) -> None:
        found = os.statvfs(self.folder)
        with self._ballast.open("ab") as stream:
            taken = max(0, found.f_bavail * found.f_frsize - leave_bytes)
            os.posix_fallocate(stream.fileno(), stream.tell(), taken)

    def make_room(self) -> None:
        self._ballast.unlink()


@pytest.fixture
async def disk(tmp_path: Path) -> AsyncIterator[SmallDisk]:
    folder = tmp_path / "data"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:  # noqa: ASYNC221
        pytest.skip("a file system can be mounted by root alone")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)  # noqa: ASYNC221


@pytest.fixture
async def daemon(tmp_path: Path, disk: SmallDisk) -> AsyncIterator[DaemonProcess]:
    made = DaemonProcess(tmp_path)
    made.start("--disk-reserve", RESERVE, "--session-timeout", "4")
    yield made
    made.stop()


async def until_condition(channel: grpc.aio.Channel, wanted: int) -> admin_pb2.GetConditionResponse:
    stub = admin_pb2_grpc.AdminServiceStub(channel)
    async with asyncio.timeout(DEADLINE_S):
        while True:
            reply: admin_pb2.GetConditionResponse = await stub.GetCondition(admin_pb2.GetConditionRequest())
            if reply.condition == wanted:
                return reply
            await asyncio.sleep(0.05)


async def echoed(peer: AgentPeer, held: list[int], want: pb.Want) -> None:
    await peer.sync(held, [want])
    await peer.expect("echo_reply")


async def test_below_the_reserve_nothing_new_begins_and_results_are_still_recorded(
    daemon: DaemonProcess, disk: SmallDisk
) -> None:
    async with grpc.aio.insecure_channel(daemon.address) as channel:
        await submitted(channel, rank_pipeline(4))
        peer = AgentPeer(channel)
        await peer.hello()
        grant = await take_part(peer, 1)
        disk.fill(leave_bytes=4 << 20)
        reply = await until_condition(channel, FULL)
        assert "the disk of" in reply.reason
        stub = jobs_pb2_grpc.JobServiceStub(channel)
        information = await stub.GetServerInfo(jobs_pb2.GetServerInfoRequest())
        assert "make room there" in information.condition
        assert "make room there" in (await state_of(channel)).steps[0].waiting_reason
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await submitted(channel, rank_pipeline(1), name="k")
        assert refused.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        want = pb.Want(step=grant.step, count=100, ready_workers=2)
        await echoed(peer, [grant.token], want)
        await peer.report(results=[results(grant)])
        await echoed(peer, [], want)
        assert not [message for message in peer.seen if message.WhichOneof("message") == "grant"]
        disk.make_room()
        await until_condition(channel, SERVING)
        await submitted(channel, rank_pipeline(1), name="k")
        assert (await stub.GetServerInfo(jobs_pb2.GetServerInfoRequest())).condition == ""
        await peer.sync([], [want])
        assert (await peer.expect("grant")).grant.first == grant.count


async def test_a_disk_without_any_room_loses_nothing_and_answers_heartbeats(daemon: DaemonProcess, disk: SmallDisk) -> None:
    async with grpc.aio.insecure_channel(daemon.address) as channel:
        await submitted(channel, rank_pipeline(4))
        peer = AgentPeer(channel)
        await peer.hello()
        grant = await take_part(peer, 2)
        disk.fill(leave_bytes=0)
        want = pb.Want(step=grant.step, count=100, ready_workers=2)
        recorded = (await until_condition(channel, FULL)).last_fact
        peer.report_number += 1
        report = pb.Report(number=peer.report_number, results=[results(grant)])
        # Larger than what the log can still take in: it grows by pages of 8 KiB.
        other = AgentPeer(channel, "boot2", "other")
        await other.send(hello=pb.Hello(agent="o" * 500_000, boot="boot2", compute="cpu", slots=1))
        await peer.send(report=report)
        # More than a session timeout with answered heartbeats and nothing else.
        until = time.monotonic() + 6.0
        while time.monotonic() < until:
            await echoed(peer, [grant.token], want)
            await asyncio.sleep(0.2)
        kinds = {message.WhichOneof("message") for message in peer.seen}
        assert not kinds & {"acknowledge", "grant", "dismiss"}
        assert (await until_condition(channel, FULL)).last_fact == recorded
        disk.make_room()
        await other.expect("welcome")
        await until_condition(channel, SERVING)
        # What the full disk did not take, the agent says again.
        await peer.send(report=report)
        await peer.expect("acknowledge")
        done = grant.count
        while done < 4:
            await peer.sync([], [want])
            grant = (await peer.expect("grant")).grant
            await peer.report(results=[results(grant)])
            done += grant.count
        await other.end()
        await finish(peer, grant.step)
        ended = await until_final(channel)
        assert ended.state == jobs_pb2.STATE_COMPLETED
        assert ended.steps[0].mini_batches.succeeded == 4
    assert daemon.stop() == 0
    disk_is_clean = DaemonProcess(daemon.folder)
    disk_is_clean.start("--disk-reserve", RESERVE)
    assert disk_is_clean.stop() == 0


async def test_a_daemon_on_a_full_disk_can_be_stopped(daemon: DaemonProcess, disk: SmallDisk) -> None:
    async with grpc.aio.insecure_channel(daemon.address) as channel:
        await submitted(channel, rank_pipeline(4))
        disk.fill(leave_bytes=0)
        await until_condition(channel, FULL)
        other = AgentPeer(channel)
        await other.send(hello=pb.Hello(agent="o" * 500_000, boot="boot2", compute="cpu", slots=1))
        await other.sync([])
        async with asyncio.timeout(5.0):
            assert await asyncio.to_thread(daemon.stop) == 0
    disk.make_room()
    daemon.start("--disk-reserve", RESERVE)
    async with grpc.aio.insecure_channel(daemon.address) as channel:
        assert (await until_condition(channel, SERVING)).last_fact > 0


async def test_an_output_is_not_committed_before_there_is_room(daemon: DaemonProcess, disk: SmallDisk) -> None:
    async with grpc.aio.insecure_channel(daemon.address) as channel:
        await submitted(channel, rank_pipeline(1))
        peer = AgentPeer(channel)
        await peer.hello()
        grant = await take_part(peer, 1)
        await peer.report(results=[results(grant)])
        await peer.expect("close")
        disk.fill(leave_bytes=4 << 20)
        await until_condition(channel, FULL)
        closed = pb.InstanceReport(step=grant.step, state=pb.InstanceReport.STATE_CLOSED)
        await peer.send(instance=closed)
        await echoed(peer, [], pb.Want(step=grant.step))
        assert not [message for message in peer.seen if message.WhichOneof("message") == "grant"]
        disk.make_room()
        commit = (await peer.expect("grant")).grant
        assert commit.phase == pb.PHASE_COMMIT
        await peer.report(commits=[pb.CommitDone(step=grant.step, token=commit.token)])
        assert (await until_final(channel)).state == jobs_pb2.STATE_COMPLETED


@pytest.mark.parametrize("is_new", [True, False], ids=["a new folder", "a folder with jobs"])
async def test_a_daemon_does_not_start_without_room_and_says_how_much_it_takes(
    tmp_path: Path, disk: SmallDisk, is_new: bool
) -> None:
    daemon = DaemonProcess(tmp_path)
    if not is_new:
        daemon.start("--disk-reserve", RESERVE)
        async with grpc.aio.insecure_channel(daemon.address) as channel:
            await submitted(channel, rank_pipeline(4))
        assert daemon.stop() == 0
    disk.fill(leave_bytes=0)
    said = await refused_start(tmp_path)
    assert f"the disk of {tmp_path}/data is full: 0 bytes are free, and to start takes 1,048,576" in said
    assert "make room for 1,048,576 bytes" in said
    disk.make_room()
    daemon.start("--disk-reserve", RESERVE)
    assert daemon.stop() == 0


async def test_a_daemon_that_was_killed_on_a_full_disk_starts_and_waits_for_room(
    daemon: DaemonProcess, disk: SmallDisk
) -> None:
    async with grpc.aio.insecure_channel(daemon.address) as channel:
        await submitted(channel, rank_pipeline(4))
        disk.fill(leave_bytes=0)
        daemon.kill()
        daemon.start("--disk-reserve", RESERVE)
        await until_condition(channel, FULL)
        assert "make room there" in (await state_of(channel)).steps[0].waiting_reason
        disk.make_room()
        await until_condition(channel, SERVING)
        await AgentPeer(channel).hello()
