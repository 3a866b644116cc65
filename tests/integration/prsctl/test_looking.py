"""The verbs that look at jobs, wait for them and fetch from them, against a peer."""

import json
import os
import signal
import threading
from pathlib import Path

import grpc
import pytest

from prsd.v1 import files_pb2 as files
from prsd.v1 import jobs_pb2 as pb


@pytest.fixture
def stored_job(peer, tmp_path: Path) -> pb.Job:  # type: ignore[no-untyped-def]
    """A failed job with logs and an output in the peer's storage."""
    root = tmp_path / "storage"
    for path, text in {
        "logs/user/stdout/0/process000.stdout.txt": "hello\n",
        "logs/user/stderr/0/process000.stderr.txt": "warned\n",
        "logs/user/error/0/process000.txt": "Traceback\n",
        "logs/sys/node/0/_main.txt": "ours\n",
        "out put/rows.csv": "1\n2\n3\n4\n5\n",
        "out put/deep/more.csv": "6\n",
    }.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    job = pb.Job(name="j1", state=pb.STATE_FAILED, error="step score failed")
    job.create_time.GetCurrentTime()
    step = job.steps.add(
        name="score", type="parallel", state=pb.STATE_FAILED, error="too many", logs_uri=f"file://{root}/logs"
    )
    step.outputs["rows"] = f"file://{root}/out%20put"
    step.mini_batches.CopyFrom(pb.MiniBatchCounts(total=4, succeeded=3, failed=1))
    step.errors.add(kind="exception", message="ValueError: x", count=3, mini_batches=[2], traceback="ValueError: x")
    job.steps.add(name="after", type="command", state=pb.STATE_SKIPPED)
    peer.jobs.put(job)
    return job


def test_list_show_errors_outputs(prsctl, stored_job: pb.Job, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    assert prsctl("job", "list", "-o", "name").out == "j1\n"
    assert json.loads(prsctl("job", "list", "-o", "json").out)[0]["steps"][0]["mini_batches"]["failed"] == 1
    assert json.loads(prsctl("job", "show", "-n", "j1", "-o", "json").out)["state"] == "Failed"
    assert "step score failed" in prsctl("job", "show", "j1").out
    assert json.loads(prsctl("job", "errors", "j1", "-o", "json").out)[0]["message"] == "ValueError: x"
    outputs = json.loads(prsctl("job", "outputs", "j1", "-o", "json").out)
    assert outputs == [{"name": "score.rows", "step": "score", "path": f"{tmp_path}/storage/out put"}]


@pytest.mark.parametrize("verb", ["show", "watch", "wait", "stream", "logs", "errors", "outputs", "cancel", "download"])
def test_no_such_job_is_5(prsctl, verb: str) -> None:  # type: ignore[no-untyped-def]
    ended = prsctl("job", verb, "nobody")
    assert (ended.code, ended.out) == (5, "")
    assert "there is no job 'nobody'" in ended.err


def test_no_such_step_is_5(prsctl, stored_job: pb.Job) -> None:  # type: ignore[no-untyped-def]
    for verb in ("logs", "errors"):
        ended = prsctl("job", verb, "j1", "--step", "nope")
        assert ended.code == 5
        assert "its steps are score, after" in ended.err


def test_logs_are_what_scripts_print(prsctl, stored_job: pb.Job) -> None:  # type: ignore[no-untyped-def]
    ended = prsctl("job", "logs", "j1")
    assert ended.out == (
        "==> score/user/stderr/0/process000.stderr.txt <==\nwarned\n\n"
        "==> score/user/stdout/0/process000.stdout.txt <==\nhello\n"
    )


def test_logs_of_failures_and_of_the_system(prsctl, stored_job: pb.Job) -> None:  # type: ignore[no-untyped-def]
    failed = prsctl("job", "logs", "j1", "--failed").out
    assert "Traceback" in failed
    assert "hello" not in failed
    assert "ours" in prsctl("job", "logs", "j1", "--all").out


def test_a_step_without_logs_says_so_on_stderr(prsctl, stored_job: pb.Job) -> None:  # type: ignore[no-untyped-def]
    ended = prsctl("job", "logs", "j1", "--step", "after")
    assert (ended.code, ended.out) == (0, "")
    assert "has no such logs" in ended.err


def test_followed_logs_end_with_the_job(prsctl, peer, stored_job: pb.Job, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    stored_job.state = pb.STATE_RUNNING
    log = tmp_path / "storage/logs/user/stdout/0/process000.stdout.txt"
    looks = []

    def move_on(context) -> None:  # type: ignore[no-untyped-def]
        looks.append(1)
        if len(looks) == 2:
            log.write_text("hello\nagain\n")
        if len(looks) == 3:
            stored_job.state = pb.STATE_COMPLETED

    peer.jobs.at_look = move_on
    ended = prsctl("job", "logs", "j1", "-f", "--step", "score")
    assert ended.out.endswith("<==\nhello\nagain\n")


def test_download(prsctl, stored_job: pb.Job, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    target = tmp_path / "here"
    ended = prsctl("job", "download", "-n", "j1", "--download-path", str(target), "--all")
    assert (ended.code, ended.out) == (0, f"{target}\n")
    assert (target / "named-outputs/score.rows/rows.csv").read_text() == "1\n2\n3\n4\n5\n"
    assert (target / "named-outputs/score.rows/deep/more.csv").read_text() == "6\n"
    assert (target / "logs/score/user/stdout/0/process000.stdout.txt").read_text() == "hello\n"
    assert not list(target.rglob("*.part"))


def test_download_of_one_output_file(prsctl, stored_job: pb.Job, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    stored_job.steps[0].outputs["one"] = f"file://{tmp_path}/storage/out%20put/rows.csv"
    prsctl("job", "download", "j1", "--output-name", "score.one", "-p", str(tmp_path / "here"))
    assert [each.name for each in (tmp_path / "here").rglob("*.csv")] == ["rows.csv"]


def test_download_of_what_is_not_there(prsctl, stored_job: pb.Job, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    ended = prsctl("job", "download", "j1", "--output-name", "nope", "-p", str(tmp_path / "here"))
    assert ended.code == 5
    assert "its outputs are score.rows" in ended.err


def test_an_output_outside_the_daemons_storage_is_4(prsctl, stored_job: pb.Job, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    stored_job.steps[0].outputs["rows"] = "file:///etc"
    assert prsctl("job", "download", "j1", "-p", str(tmp_path / "here")).code == 4


def test_a_daemon_cannot_make_us_write_elsewhere(prsctl, peer, stored_job: pb.Job, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    peer.files.extra.append(files.File(path="../../evil"))
    ended = prsctl("job", "download", "j1", "-p", str(tmp_path / "here"))
    assert ended.code == 1
    assert "outside its folder" in ended.err
    assert not (tmp_path / "evil").exists()


def test_cancel(prsctl, peer) -> None:  # type: ignore[no-untyped-def]
    peer.jobs.put(pb.Job(name="j2", state=pb.STATE_RUNNING))
    ended = prsctl("job", "cancel", "j2")
    assert (ended.code, ended.out) == (0, "")
    assert peer.jobs.canceled == ["j2"]


@pytest.mark.parametrize(("state", "code"), [(pb.STATE_COMPLETED, 0), (pb.STATE_FAILED, 3), (pb.STATE_CANCELED, 11)])
def test_wait_exits_as_the_job_did(prsctl, peer, state: pb.State.ValueType, code: int) -> None:  # type: ignore[no-untyped-def]
    peer.jobs.put(pb.Job(name="j2", state=pb.STATE_RUNNING))
    threading.Timer(0.2, lambda: peer.jobs.put(pb.Job(name="j2", state=state))).start()
    ended = prsctl("job", "wait", "j2", "-o", "json")
    assert ended.code == code
    assert json.loads(ended.out)["exit_code"] == code


def test_wait_for_too_long_is_8(prsctl, peer) -> None:  # type: ignore[no-untyped-def]
    peer.jobs.put(pb.Job(name="j2", state=pb.STATE_RUNNING))
    ended = prsctl("job", "wait", "j2", "--timeout", "0.3s")
    assert (ended.code, ended.out) == (8, "")
    assert "it goes on: prsctl job watch j2" in ended.err


def test_interrupted_watch_leaves_the_job_alone(prsctl, peer) -> None:  # type: ignore[no-untyped-def]
    peer.jobs.put(pb.Job(name="j2", state=pb.STATE_RUNNING))
    threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    ended = prsctl("job", "watch", "j2")
    assert ended.code == 130
    assert "the job goes on" in ended.err
    assert peer.jobs.canceled == []


def test_the_last_lines_on_a_failure_name_the_error_and_the_next_command(prsctl, stored_job: pb.Job) -> None:  # type: ignore[no-untyped-def]
    ended = prsctl("job", "wait", "j1")
    assert ended.code == 3
    assert ended.err.splitlines() == [
        "job j1 Failed: step score failed",
        "step score: too many",
        "  1 of 4 mini-batches failed, 3 succeeded",
        "ValueError: x",
        "  exception, 3 times, mini-batches 2",
        "look further: prsctl job logs j1 --step score",
    ]


def test_agents(prsctl, peer) -> None:  # type: ignore[no-untyped-def]
    peer.jobs.agents = [pb.Agent(name="a1", compute="cpu", slots=4, free_slots=2, version="0.1.0")]
    assert json.loads(prsctl("agent", "list", "-o", "json").out)[0]["slots"] == 4
    assert prsctl("agent", "list").out.splitlines()[1].split()[:4] == ["a1", "cpu", "4", "2"]


@pytest.mark.parametrize("words", ["job list", "agent list", "job show x"])
def test_nobody_there_is_7_with_advice(prsctl, peer, words: str) -> None:  # type: ignore[no-untyped-def]
    peer.server.stop(0).wait()
    ended = prsctl(*words.split())
    assert (ended.code, ended.out) == (7, "")
    assert f"no daemon answers at {peer.address}" in ended.err
    assert "start one with" in ended.err


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (grpc.StatusCode.PERMISSION_DENIED, 4),
        (grpc.StatusCode.UNAUTHENTICATED, 4),
        (grpc.StatusCode.FAILED_PRECONDITION, 6),
        (grpc.StatusCode.DEADLINE_EXCEEDED, 8),
        (grpc.StatusCode.INTERNAL, 1),
    ],
)
def test_what_the_daemon_refuses(prsctl, peer, status: grpc.StatusCode, code: int) -> None:  # type: ignore[no-untyped-def]
    peer.jobs.at_look = lambda context: context.abort(status, "because")
    ended = prsctl("job", "show", "x")
    assert (ended.code, ended.err) == (code, "because\n")
