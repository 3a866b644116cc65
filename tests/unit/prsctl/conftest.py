"""A job as the daemon describes it."""

import pytest

from prsd.v1 import jobs_pb2 as pb


@pytest.fixture
def failed_job() -> pb.Job:
    """A job of two steps, the second of which failed."""
    job = pb.Job(
        name="brave-oak-1a2b3c",
        display_name="digits",
        state=pb.STATE_FAILED,
        error="step score failed",
        outputs={"scores": "file:///data/my%20scores"},
        notices=["compute gpu is not here"],
        tags={"team": "a"},
    )
    job.create_time.FromJsonString("2026-01-01T12:00:00Z")
    job.end_time.FromJsonString("2026-01-01T12:01:00Z")
    job.steps.add(name="prepare", type="command", state=pb.STATE_COMPLETED, logs_uri="file:///data/jobs/j/prepare/logs")
    step = job.steps.add(
        name="score",
        type="parallel",
        state=pb.STATE_FAILED,
        error="2 of 10 mini-batches failed: more than mini_batch_error_threshold 1",
        logs_uri="file:///data/jobs/j/score/logs",
        outputs={"rows": "file:///data/my%20scores"},
        depends_on=["prepare"],
        mini_batches=pb.MiniBatchCounts(total=10, succeeded=8, failed=2, retried=3),
        items=pb.ItemCounts(total=100, succeeded=80, failed=20),
    )
    step.errors.add(
        kind="exception",
        message="ValueError: bad pixel",
        count=6,
        mini_batches=[3, 4],
        traceback='Traceback (most recent call last):\n  File "score.py", line 7, in run\nValueError: bad pixel\n',
    )
    return job


@pytest.fixture
def running_job() -> pb.Job:
    """A job with a step that runs and a step that waits."""
    job = pb.Job(name="calm-elm-000000", state=pb.STATE_RUNNING)
    step = job.steps.add(name="score_everything_there_is", type="parallel", state=pb.STATE_RUNNING)
    step.mini_batches.CopyFrom(
        pb.MiniBatchCounts(total=10_000, succeeded=1_198, failed=2, retried=5, running=8, remaining=8_792)
    )
    step.items.CopyFrom(pb.ItemCounts(total=120_000, succeeded=119_800, failed=200))
    step.mini_batches_per_second = 100.0
    step.errors.add(kind="exception", message="ValueError: bad \x1b[31mpixel\nat 3", count=6, mini_batches=[3, 4])
    job.steps.add(
        name="after", type="command", state=pb.STATE_QUEUED, waiting_reason="waiting for step score_everything_there_is"
    )
    return job
