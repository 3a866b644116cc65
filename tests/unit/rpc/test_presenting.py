"""A job that has ended is shown from the store: that must say the same as the core's own view did."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from google.protobuf.json_format import MessageToDict

from prsd.base.columns import Column
from prsd.board import Board
from prsd.core.events import CancelRequested
from prsd.core.vocabulary import Failure, Lease, Phase, Results, State, StepKind, StepTerms
from prsd.rpc.presenting import Presenter
from prsd.store.memory import MemoryStore
from prsd.store.rows import JobDocument
from prsd.v1 import jobs_pb2 as pb
from tests.unit.core.script import STEP, Script, grants, parallel


def outcome(lease: Lease, index: int) -> dict[str, object]:
    if index == 4 or (index == 3 and lease.attempt == 1):
        failure = Failure(STEP, lease.token, Phase.RUN, index, "timeout", "slow", attempt=lease.attempt)
        return {"failures": (failure,)}
    ten = Column.repeat(10, 1)
    returned = Column.repeat(7 if index == 1 else 10, 1)
    results = Results(STEP, lease.token, index, ten, returned, ten, empty=index == 2, attempt=lease.attempt)
    return {"results": (results,)}


def completed(script: Script) -> None:
    """Of five: two succeed, one of them short of items, one is empty, one succeeds at its second try, one fails for good."""
    script.running(5, max_retries=1, mini_batch_error_threshold=2)
    waiting = grants(script.sync("a1", want=5))
    while waiting:
        lease = waiting.pop(0)
        for index in range(lease.first, lease.first + lease.count):
            waiting += grants(script.report("a1", **outcome(lease, index)))
        waiting += grants(script.sync("a1", want=5, seen=0))
    script.finish()


def failed(script: Script) -> None:
    script.running(3, max_retries=0, mini_batch_error_threshold=0)
    (lease,) = grants(script.sync("a1", want=1))
    script.fail("a1", lease.token, 0)
    script.finish()


def canceled(script: Script) -> None:
    script.join("a")
    script.submit(parallel(), StepTerms("after", StepKind.COMMAND, depends_on=("step",)))
    script.handle(CancelRequested("job"))
    script.finish()


class Disk:
    reason = ""


@pytest.mark.parametrize("play", [completed, failed, canceled])
async def test_an_ended_job_shows_the_same_when_it_was_forgotten(play: Callable[[Script], None]) -> None:
    script = Script()
    play(script)
    view = script.core.job_view("job")
    assert view is not None
    assert view.state is State[play.__name__.upper()]
    planned = pb.Job(name="job", steps=[pb.Step(name=step.id) for step in view.steps])
    store, board = MemoryStore(), Board()
    store.open()
    document = JobDocument("job", json.dumps({"job": MessageToDict(planned)}), {step.id: b"" for step in view.steps})
    await store.append(script.log, recorded_at=1.0, documents=[document])
    row, presenter = store.find_job("job"), Presenter(store, board, Disk())
    board.publish([view])
    live = await presenter.job(row)
    board.forget("job")
    assert MessageToDict(await presenter.job(row)) == MessageToDict(live)
