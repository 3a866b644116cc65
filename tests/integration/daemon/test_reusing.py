"""Statement 94: a deterministic step that equals a completed one is taken over. The agent is a peer by hand."""

from __future__ import annotations

import os
from pathlib import Path

import grpc
import pytest

from prsd.base.uris import path_of
from prsd.v1 import agents_pb2 as pb
from prsd.v1 import jobs_pb2, jobs_pb2_grpc
from tests.integration.daemon.conftest import (
    SNAPSHOT_DIGEST,
    AgentPeer,
    DaemonProcess,
    results,
    state_of,
    submitted,
    until_final,
)
from tests.integration.daemon.test_daemon import take_part

TAKEN_OVER = jobs_pb2.STATE_COMPLETED


def pipeline(
    data: Path, *, arguments: str = "--greeting hello", settings: str = "{}", deterministic: bool = True, follower: str = ""
) -> str:
    """A parallel step over a folder, and a command step that counts its rows."""
    return f"""
type: pipeline
settings: {settings}
jobs:
  score:
    compute: cpu
    inputs: {{data: {{type: uri_folder, path: "{data}"}}}}
    outputs: {{rows: {{type: uri_file}}}}
    component:
      type: parallel
      name: score
      is_deterministic: {deterministic}
      inputs: {{data: {{type: uri_folder}}}}
      outputs: {{rows: {{type: uri_file}}}}
      input_data: ${{{{inputs.data}}}}
      task:
        type: run_function
        code: snapshot:{SNAPSHOT_DIGEST}
        entry_script: entry.py
        program_arguments: {arguments}
        append_row_to: ${{{{outputs.rows}}}}
  count:
    type: command
    compute: cpu
    command: wc -l ${{{{inputs.rows}}}} {follower}
    inputs: {{rows: {{path: "${{{{parent.jobs.score.outputs.rows}}}}", type: uri_file}}}}
"""


class Workplace:
    """A daemon, a peer that carries out everything it is granted, and the data that steps read."""

    def __init__(self, channel: grpc.aio.Channel, folder: Path) -> None:
        self.channel = channel
        self.folder = folder
        self.peer = AgentPeer(channel)
        self.data = folder / "input"
        self.data.mkdir()
        (self.data / "a.txt").write_text("a")

    async def complete(self, job: str, *steps: str) -> None:
        """Carry out these steps, and no other, to the job's end."""
        for step in steps:
            await (self.score(job) if step == "score" else self.count())
        assert (await until_final(self.channel, job)).state == jobs_pb2.STATE_COMPLETED

    async def divide(self, job: str) -> tuple[pb.StepRef, pb.Grant]:
        """Open step score, divide its input into two mini-batches, take a first lease."""
        ref = (await self.peer.expect("open")).open.definition.step
        assert (ref.job, ref.step) == (job, "score")
        await self.peer.send(instance=pb.InstanceReport(step=ref, state=pb.InstanceReport.STATE_OPENED))
        divide = (await self.peer.expect("grant", lambda message: message.grant.phase == pb.PHASE_DIVIDE)).grant
        part = pb.ManifestPart(name="part-0", first=0, count=2, items=2, digest="d")
        manifest = self.folder / "data/jobs" / job / "score/manifest"
        manifest.mkdir(parents=True)
        (manifest / "part-0").write_text("what mini-batches are")
        await self.peer.report(divisions=[pb.DivisionProgress(step=ref, token=divide.token, parts=[part], ended=True)])
        await self.peer.sync([], [pb.Want(step=ref, count=2, ready_workers=2)])
        return ref, (await self.peer.expect("grant", lambda message: message.grant.phase == pb.PHASE_RUN)).grant

    async def score(self, job: str) -> None:
        ref, grant = await self.divide(job)
        await self.peer.report(results=[results(grant)])
        while grant.first + grant.count < 2:
            await self.peer.sync([], [pb.Want(step=ref, count=2, ready_workers=2)])
            grant = (await self.peer.expect("grant", lambda message: message.grant.phase == pb.PHASE_RUN)).grant
            await self.peer.report(results=[results(grant)])
        await self.peer.expect("close")
        await self.peer.send(instance=pb.InstanceReport(step=ref, state=pb.InstanceReport.STATE_CLOSED))
        commit = (await self.peer.expect("grant", lambda message: message.grant.phase == pb.PHASE_COMMIT)).grant
        target = path_of((await state_of(self.channel, job)).steps[0].outputs["rows"])
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("row 0\nrow 1\n")
        await self.peer.report(commits=[pb.CommitDone(step=ref, token=commit.token, digest="d", rows=2)])

    async def count(self) -> None:
        grant = await take_part(self.peer, 1)
        assert grant.step.step == "count"
        await self.peer.report(results=[results(grant)])
        await self.peer.expect("close")
        await self.peer.send(instance=pb.InstanceReport(step=grant.step, state=pb.InstanceReport.STATE_CLOSED))

    async def first(self) -> None:
        """Job "first" runs both steps."""
        await submitted(self.channel, pipeline(self.data), "first")
        await self.peer.hello()
        await self.complete("first", "score", "count")


def states(job: jobs_pb2.Job) -> list[bool]:
    """Of each step, whether it was completed when the job was submitted."""
    return [step.state == TAKEN_OVER for step in job.steps]


async def test_s94_the_same_deterministic_steps_are_taken_over_with_their_outputs(
    daemon: DaemonProcess, tmp_path: Path
) -> None:
    async with grpc.aio.insecure_channel(daemon.address) as channel:
        place = Workplace(channel, tmp_path)
        await place.first()
        again = await submitted(channel, pipeline(place.data), "again")
        assert states(again) == [True, True]
        score, count = again.steps
        assert (score.reuse.taken_from, count.reuse.taken_from) == ("first/score", "first/count")
        before = (await state_of(channel, "first")).steps[0]
        assert (score.outputs, score.logs_uri) == (before.outputs, before.logs_uri)
        assert score.mini_batches.succeeded == 2
        assert any(note.startswith("jobs.score: reused from first/score") for note in again.notices)
        assert again.state == jobs_pb2.STATE_COMPLETED
    daemon.kill()
    daemon.start()
    async with grpc.aio.insecure_channel(daemon.address) as channel:
        assert states(await submitted(channel, pipeline(place.data), "third")) == [True, True]
        # Always the one that ran, however often it was taken over.
        assert (await state_of(channel, "third")).steps[0].reuse.taken_from == "first/score"


async def test_s94_force_rerun_runs_them(daemon: DaemonProcess, tmp_path: Path) -> None:
    async with grpc.aio.insecure_channel(daemon.address) as channel:
        place = Workplace(channel, tmp_path)
        await place.first()
        again = await submitted(channel, pipeline(place.data, settings="{force_rerun: true}"), "again")
        assert states(again) == [False, False]
        assert again.steps[0].reuse.reason == "settings.force_rerun is true"
        await place.complete("again", "score", "count")
        third = await submitted(channel, pipeline(place.data), "third")
        assert third.steps[0].reuse.taken_from == "again/score"


async def test_a_step_that_differs_runs_and_says_in_what(daemon: DaemonProcess, tmp_path: Path) -> None:
    async with grpc.aio.insecure_channel(daemon.address) as channel:
        place = Workplace(channel, tmp_path)
        await place.first()
        other = await submitted(channel, pipeline(place.data, arguments="--greeting bye --error_threshold 3"), "other")
        assert states(other) == [False, False]
        reuse = other.steps[0].reuse
        assert (reuse.taken_from, reuse.nearest, reuse.reason) == ("", "first/score", "no equal step has completed")
        assert list(reuse.differences) == ["arguments", "settings.error_threshold"]
        assert other.steps[1].reuse.reason == "step score, which it depends on, runs"
        assert list(other.steps[1].reuse.differences) == ["inputs.rows"]
        assert (await state_of(channel, "other")).steps[0].reuse == reuse


async def test_only_the_step_that_differs_runs(daemon: DaemonProcess, tmp_path: Path) -> None:
    async with grpc.aio.insecure_channel(daemon.address) as channel:
        place = Workplace(channel, tmp_path)
        await place.first()
        other = await submitted(channel, pipeline(place.data, follower="--quiet"), "other")
        assert states(other) == [True, False]
        assert list(other.steps[1].reuse.differences) == ["command"]
        opened = (await place.peer.expect("open")).open
        rows = next(given for given in opened.definition.inputs if given.name == "rows")
        assert path_of(rows.uri).read_text() == "row 0\nrow 1\n"


@pytest.mark.parametrize("change", ["new file", "gone", "other bytes"])
async def test_changed_data_is_not_taken_for_the_same(daemon: DaemonProcess, tmp_path: Path, change: str) -> None:
    async with grpc.aio.insecure_channel(daemon.address) as channel:
        place = Workplace(channel, tmp_path)
        await place.first()
        file = place.data / "a.txt"
        if change == "new file":
            (place.data / "b.txt").write_text("b")
        elif change == "gone":
            file.rename(tmp_path / "elsewhere")
        else:
            before = file.stat()
            file.write_text("z")
            os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
        other = await submitted(channel, pipeline(place.data), "other")
        assert states(other) == [False, False]
        assert list(other.steps[0].reuse.differences) == ["inputs.data"]


@pytest.mark.parametrize("change", ["gone", "changed"])
async def test_a_step_whose_outputs_are_not_what_it_left_runs(daemon: DaemonProcess, tmp_path: Path, change: str) -> None:
    async with grpc.aio.insecure_channel(daemon.address) as channel:
        place = Workplace(channel, tmp_path)
        await place.first()
        rows = path_of((await state_of(channel, "first")).steps[0].outputs["rows"])
        if change == "gone":
            rows.unlink()
        else:
            rows.write_text("somebody else's row\n")
        other = await submitted(channel, pipeline(place.data), "other")
        assert states(other) == [False, False]
        assert other.steps[0].reuse.reason == "outputs of first/score are gone or were changed: rows"


async def test_a_step_whose_storage_is_gone_runs(daemon: DaemonProcess, tmp_path: Path) -> None:
    async with grpc.aio.insecure_channel(daemon.address) as channel:
        place = Workplace(channel, tmp_path)
        await place.first()
        (tmp_path / "data/jobs/first/score/manifest/part-0").unlink()
        other = await submitted(channel, pipeline(place.data), "other")
        assert states(other) == [False, False]
        assert "part-0" in other.steps[0].reuse.reason
        await place.complete("other", "score", "count")


async def test_data_that_changes_while_a_step_runs_makes_it_none_to_reuse(daemon: DaemonProcess, tmp_path: Path) -> None:
    async with grpc.aio.insecure_channel(daemon.address) as channel:
        place = Workplace(channel, tmp_path)
        before = (place.data / "a.txt").stat()
        await submitted(channel, pipeline(place.data), "first")
        (place.data / "a.txt").write_text("something else")
        await place.peer.hello()
        await place.complete("first", "score", "count")
        (place.data / "a.txt").write_text("a")
        os.utime(place.data / "a.txt", ns=(before.st_atime_ns, before.st_mtime_ns))
        other = await submitted(channel, pipeline(place.data), "other")
        assert states(other) == [False, False]
        assert "was not noted when it completed" in other.steps[0].reuse.reason


async def test_a_step_that_is_not_deterministic_runs_and_so_do_its_followers(daemon: DaemonProcess, tmp_path: Path) -> None:
    async with grpc.aio.insecure_channel(daemon.address) as channel:
        place = Workplace(channel, tmp_path)
        moody = pipeline(place.data, deterministic=False)
        await submitted(channel, moody, "first")
        await place.peer.hello()
        await place.complete("first", "score", "count")
        other = await submitted(channel, moody, "other")
        assert states(other) == [False, False]
        assert other.steps[0].reuse.reason == "its component says is_deterministic: false"
        assert other.steps[1].reuse.reason == "step score, which it depends on, is run anew every time"


async def test_a_failed_step_is_none_to_reuse(daemon: DaemonProcess, tmp_path: Path) -> None:
    async with grpc.aio.insecure_channel(daemon.address) as channel:
        place = Workplace(channel, tmp_path)
        place.data.joinpath("a.txt").rename(place.data / "c.txt")
        await submitted(channel, pipeline(place.data), "first")
        await place.peer.hello()
        opened = (await place.peer.expect("open")).open.definition.step
        await place.peer.send(instance=pb.InstanceReport(step=opened, state=pb.InstanceReport.STATE_OPENED))
        divide = (await place.peer.expect("grant")).grant
        failure = pb.Failure(
            step=opened, token=divide.token, phase=pb.PHASE_DIVIDE, kind="exception", message="no", permanent=True
        )
        await place.peer.report(failures=[failure])
        await place.peer.expect("close")
        await place.peer.send(instance=pb.InstanceReport(step=opened, state=pb.InstanceReport.STATE_CLOSED))
        commit = (await place.peer.expect("grant", lambda message: message.grant.phase == pb.PHASE_COMMIT)).grant
        await place.peer.report(commits=[pb.CommitDone(step=opened, token=commit.token)])
        assert (await until_final(channel, "first")).state == jobs_pb2.STATE_FAILED
        other = await submitted(channel, pipeline(place.data), "other")
        assert states(other) == [False, False]
        assert other.steps[0].reuse.nearest == ""


async def test_resume_from_as_an_argument_goes_on_from_an_unfinished_step(daemon: DaemonProcess, tmp_path: Path) -> None:
    async with grpc.aio.insecure_channel(daemon.address) as channel:
        place = Workplace(channel, tmp_path)
        await submitted(channel, pipeline(place.data), "first")
        await place.peer.hello()
        ref, grant = await place.divide("first")
        await place.peer.report(results=[results(grant, count=1)])
        await jobs_pb2_grpc.JobServiceStub(channel).CancelJob(jobs_pb2.CancelJobRequest(name="first"))
        await place.peer.expect("close")
        await place.peer.send(instance=pb.InstanceReport(step=ref, state=pb.InstanceReport.STATE_CLOSED))
        commit = (await place.peer.expect("grant", lambda message: message.grant.phase == pb.PHASE_COMMIT)).grant
        await place.peer.report(commits=[pb.CommitDone(step=ref, token=commit.token)])
        assert (await until_final(channel, "first")).state == jobs_pb2.STATE_CANCELED
        arguments = "--greeting hello --resume_from first"
        other = await submitted(channel, pipeline(place.data, arguments=arguments), "other")
        assert any("score: goes on from first/score" in notice for notice in other.notices)
        counts = other.steps[0].mini_batches
        assert (counts.total, counts.succeeded) == (2, 1)
        different = await submitted(channel, pipeline(place.data, arguments=arguments + " --more"), "different")
        assert different.steps[0].mini_batches.succeeded == 0
        assert any("begins anew: the step differs in arguments" in each for each in different.notices)
        unknown = await submitted(channel, pipeline(place.data, arguments="--resume_from nobody"), "unknown")
        assert any("--resume_from nobody is not followed" in notice for notice in unknown.notices)
