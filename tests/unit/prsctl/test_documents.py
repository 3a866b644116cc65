"""The shape of `-o json` is a promise."""

import json

import pytest

from prsctl.documents import agent_document, is_final, job_document, outcome_document, shown_uri, state_name
from prsctl.exit_codes import ExitCode
from prsctl.failures import CommandFailed, InvalidPipeline, Problem
from prsd.v1 import jobs_pb2 as pb


def test_outcome_of_a_failed_job(failed_job: pb.Job) -> None:
    document = json.loads(json.dumps(outcome_document(failed_job, ExitCode.JOB_FAILED)))
    assert {key: document[key] for key in ("name", "state", "exit_code", "error")} == {
        "name": "brave-oak-1a2b3c",
        "state": "Failed",
        "exit_code": 3,
        "error": "step score failed",
    }
    step = document["steps"][1]
    assert step["mini_batches"] == {"total": 10, "succeeded": 8, "failed": 2, "retried": 3}
    assert step["items"] == {"total": 100, "succeeded": 80, "failed": 20}
    assert step["outputs"] == {"rows": "/data/my scores"}
    assert step["logs"] == "/data/jobs/j/score/logs"
    assert step["error"].startswith("2 of 10 mini-batches failed")


def test_keys_of_a_job_and_its_steps(failed_job: pb.Job) -> None:
    document = job_document(failed_job)
    assert list(document) == [
        *("name", "display_name", "experiment_name", "state", "error", "create_time", "end_time"),
        *("notices", "resumed_from", "tags", "outputs", "logs", "steps"),
    ]
    assert list(document["steps"][0]) == [
        *("name", "type", "state", "mini_batches", "items", "outputs", "logs", "error", "errors", "start_time", "end_time"),
        *("waiting_reason", "depends_on", "instances", "workers", "reuse", "settings"),
    ]
    assert document["create_time"] == "2026-01-01T12:00:00Z"
    assert document["steps"][0]["start_time"] is None


def test_an_agent() -> None:
    agent = pb.Agent(name="a", compute="cpu", slots=4, free_slots=1, heartbeat_age_s=0.25, version="0.1.0")
    assert agent_document(agent) == {
        "name": "a",
        "compute": "cpu",
        "slots": 4,
        "free_slots": 1,
        "heartbeat_age_s": 0.25,
        "draining": False,
        "version": "0.1.0",
    }


def test_a_pipeline_that_was_refused() -> None:
    refused = InvalidPipeline([Problem("jobs.a", "unknown key 'x'", "p.yml", 3), Problem("", "nothing to run")])
    assert refused.message == "p.yml:3: jobs.a: unknown key 'x'\nnothing to run"
    assert refused.document() == {
        "name": None,
        "state": None,
        "exit_code": 9,
        "error": refused.message,
        "steps": [],
        "problems": [
            {"path": "jobs.a", "message": "unknown key 'x'", "file": "p.yml", "line": 3},
            {"path": "", "message": "nothing to run", "file": None, "line": None},
        ],
    }


def test_a_run_that_came_to_no_job() -> None:
    failure = CommandFailed("the daemon ended", ExitCode.UNEXPECTED)
    assert failure.document() == {"name": None, "state": None, "exit_code": 1, "error": "the daemon ended", "steps": []}


@pytest.mark.parametrize(
    ("number", "name", "final"),
    [
        (pb.STATE_QUEUED, "Queued", False),
        (pb.STATE_PREPARING, "Preparing", False),
        (pb.STATE_RUNNING, "Running", False),
        (pb.STATE_FINALIZING, "Finalizing", False),
        (pb.STATE_COMPLETED, "Completed", True),
        (pb.STATE_FAILED, "Failed", True),
        (pb.STATE_CANCEL_REQUESTED, "CancelRequested", False),
        (pb.STATE_CANCELED, "Canceled", True),
        (pb.STATE_SKIPPED, "Skipped", True),
    ],
)
def test_states_have_azures_names(number: pb.State.ValueType, name: str, final: bool) -> None:
    assert state_name(number) == name
    assert is_final(pb.Job(state=number)) is final


def test_only_file_uris_become_paths() -> None:
    assert shown_uri("file:///a/b%20c") == "/a/b c"
    assert shown_uri("s3://bucket/a%20b") == "s3://bucket/a%20b"
