"""From a pipeline file to a submitted job, against a peer."""

import hashlib
import json
import threading
from pathlib import Path

import grpc
import pytest
from google.protobuf.any_pb2 import Any
from google.rpc.error_details_pb2 import BadRequest
from google.rpc.status_pb2 import Status

from prsd.v1 import jobs_pb2 as pb


def test_submit_uploads_the_code_once(prsctl, peer, pipeline: Path) -> None:  # type: ignore[no-untyped-def]
    ended = prsctl("submit", str(pipeline), "--name", "mine")
    assert (ended.code, ended.out) == (0, "mine\n")
    assert "notice: a notice" in ended.err
    (digest,) = peer.files.snapshots
    assert hashlib.sha256(peer.files.snapshots[digest]).hexdigest() == digest
    assert peer.files.largest_chunk == 256 * 1024
    document = json.loads(peer.jobs.submitted[0].pipeline)
    assert document["jobs"]["score"]["task"]["code"] == f"snapshot:{digest}"
    assert peer.jobs.submitted[0].request_id
    peer.files.largest_chunk = 0
    prsctl("submit", str(pipeline))
    assert peer.files.largest_chunk == 0


def test_submit_in_azs_words(prsctl, peer, pipeline: Path) -> None:  # type: ignore[no-untyped-def]
    ended = prsctl(
        *("job", "create", "--file", str(pipeline), "--set", "jobs.score.mini_batch_size=7", "display_name=x", "-o", "name")
    )
    assert (ended.code, ended.out) == (0, "made-up-1\n")
    document = json.loads(peer.jobs.submitted[0].pipeline)
    assert (str(document["jobs"]["score"]["mini_batch_size"]), document["display_name"]) == ("7", "x")


@pytest.mark.parametrize("option", ["--wait", "--watch"])
def test_submit_and_wait(prsctl, peer, pipeline: Path, option: str) -> None:  # type: ignore[no-untyped-def]
    peer.jobs.at_submission = lambda job: threading.Timer(
        0.2, lambda: peer.jobs.put(pb.Job(name=job.name, state=pb.STATE_COMPLETED))
    ).start()
    ended = prsctl("submit", str(pipeline), option, "-o", "json")
    assert ended.code == 0
    outcome = json.loads(ended.out)
    assert (outcome["name"], outcome["state"], outcome["exit_code"]) == ("made-up-1", "Completed", 0)


def test_dry_run_records_and_uploads_nothing(prsctl, peer, pipeline: Path) -> None:  # type: ignore[no-untyped-def]
    ended = prsctl("submit", str(pipeline), "--dry-run")
    assert (ended.code, ended.out) == (0, "")
    assert peer.jobs.submitted[0].validate_only
    assert (peer.files.snapshots, peer.jobs.jobs) == ({}, {})


def test_problems_of_the_file_are_9_and_nothing_is_sent(prsctl, peer, pipeline: Path) -> None:  # type: ignore[no-untyped-def]
    pipeline.write_text(pipeline.read_text().replace("score.py", "scores.py").replace('"1"', '"1 potato"'))
    for verb in ("submit", "run"):
        ended = prsctl(verb, str(pipeline), "-o", "json")
        assert ended.code == 9
        outcome = json.loads(ended.out)
        assert (outcome["name"], outcome["state"], outcome["exit_code"], outcome["steps"]) == (None, None, 9, [])
        assert len(outcome["problems"]) == 2
        for line in ended.err.splitlines():
            assert line.startswith(f"{pipeline}:")
            assert ": jobs.score." in line
    assert peer.jobs.submitted == []


def test_problems_that_the_daemon_finds_look_the_same(prsctl, peer, pipeline: Path) -> None:  # type: ignore[no-untyped-def]
    detail = Any()
    violations = [BadRequest.FieldViolation(field=f"jobs.s{n}.compute", description="unknown compute") for n in range(2)]
    detail.Pack(BadRequest(field_violations=violations))
    status = Status(code=3, message="2 problems", details=[detail]).SerializeToString()
    peer.jobs.refusal = (grpc.StatusCode.INVALID_ARGUMENT, "2 problems", (("grpc-status-details-bin", status),))
    ended = prsctl("submit", str(pipeline), "-o", "json")
    assert ended.code == 9
    assert ended.err.splitlines() == ["jobs.s0.compute: unknown compute", "jobs.s1.compute: unknown compute"]
    assert [each["path"] for each in json.loads(ended.out)["problems"]] == ["jobs.s0.compute", "jobs.s1.compute"]


def test_a_refusal_without_details_is_told_whole(prsctl, peer, pipeline: Path) -> None:  # type: ignore[no-untyped-def]
    peer.jobs.refusal = (grpc.StatusCode.INVALID_ARGUMENT, "too large", ())
    ended = prsctl("submit", str(pipeline))
    assert (ended.code, ended.err) == (9, "too large\n")


def test_a_name_that_is_taken_is_6(prsctl, peer, pipeline: Path) -> None:  # type: ignore[no-untyped-def]
    peer.jobs.refusal = (grpc.StatusCode.ALREADY_EXISTS, "there is a job 'mine' already", ())
    ended = prsctl("submit", str(pipeline), "--name", "mine", "-o", "json")
    assert ended.code == 6
    assert json.loads(ended.out)["exit_code"] == 6


def test_validate(prsctl, peer, pipeline: Path) -> None:  # type: ignore[no-untyped-def]
    ended = prsctl("validate", str(pipeline))
    assert (ended.code, ended.out) == (0, "")
    assert "is valid" in ended.err
    assert json.loads(prsctl("validate", str(pipeline), "-o", "json").out)["valid"] is True
    refused = prsctl("validate", str(pipeline), "--set", "jobs.score.mini_batch_size=-1", "-o", "json")
    assert refused.code == 9
    verdict = json.loads(refused.out)
    assert (verdict["valid"], verdict["problems"][0]["path"]) == (False, "jobs.score.mini_batch_size")


def test_a_file_that_is_not_there_is_9(prsctl, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    ended = prsctl("validate", str(tmp_path / "nope.yml"))
    assert ended.code == 9
    assert "nope.yml" in ended.err
