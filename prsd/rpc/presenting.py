"""Jobs as people see them: what was planned at submission, filled in with what is true now."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Protocol

from google.protobuf.json_format import ParseDict
from google.protobuf.timestamp_pb2 import Timestamp

from prsd.board import Board
from prsd.core.views import StepView
from prsd.core.vocabulary import State, StepId
from prsd.store.notices import notices_of
from prsd.store.protocol import Store
from prsd.store.rows import ErrorGroup, JobRow, StepRow
from prsd.v1 import jobs_pb2 as pb

_STATES = {
    State.QUEUED: pb.STATE_QUEUED,
    State.PREPARING: pb.STATE_PREPARING,
    State.RUNNING: pb.STATE_RUNNING,
    State.FINALIZING: pb.STATE_FINALIZING,
    State.COMPLETED: pb.STATE_COMPLETED,
    State.FAILED: pb.STATE_FAILED,
    State.CANCEL_REQUESTED: pb.STATE_CANCEL_REQUESTED,
    State.CANCELED: pb.STATE_CANCELED,
    State.SKIPPED: pb.STATE_SKIPPED,
}
_FINAL = {_STATES[state] for state in State if state.is_final}
_MAX_ERROR_GROUPS = 20
# The pace shown is that of this long a stretch.
_PACE_OVER_S = 10.0


class Condition(Protocol):
    """What `prsd.disk.DiskSpace` says: why nothing is granted now; empty when work goes on."""

    @property
    def reason(self) -> str: ...


class Presenter:
    def __init__(self, store: Store, board: Board, disk: Condition) -> None:
        self._store = store
        self._board = board
        self._disk = disk
        self._paces: dict[StepId, _Pace] = {}

    async def job(self, row: JobRow) -> pb.Job:
        document, rows = await asyncio.to_thread(lambda: (self._store.document_of(row.name), self._store.steps_of(row.name)))
        job = planned_job(row, document)
        view = self._board.view(row.name)
        steps = {each.step.step: each for each in rows}
        job.state = _STATES[view.state if view else row.state]
        job.error = view.reason if view else row.reason
        job.create_time.CopyFrom(_timestamp(row.created_at))
        if row.ended_at is not None and State(view.state if view else row.state).is_final:
            job.end_time.CopyFrom(_timestamp(row.ended_at))
        live = {each.id: each for each in view.steps} if view else {}
        for step in job.steps:
            step_id, shown = StepId(row.name, step.name), live.get(step.name)
            await self._fill(step, step_id, shown, steps.get(step.name))
            noted = shown.notices if shown else await asyncio.to_thread(notices_of, self._store, step_id)
            job.notices.extend(f"jobs.{step.name}: {notice}" for notice in noted)
        return job

    async def _fill(self, step: pb.Step, step_id: StepId, view: StepView | None, row: StepRow | None) -> None:
        if view is not None:
            step.mini_batches_per_second = self._pace(step_id, view)
            _fill_live(step, view)
        elif row is not None:
            self._paces.pop(step_id, None)
            _fill_recorded(step, row)
        if step.state not in _FINAL and self._disk.reason:
            step.waiting_reason = self._disk.reason
        if row is not None:
            if row.started_at is not None:
                step.start_time.CopyFrom(_timestamp(row.started_at))
            if row.ended_at is not None:
                step.end_time.CopyFrom(_timestamp(row.ended_at))
        if step.state != pb.STATE_QUEUED:
            groups = await asyncio.to_thread(self._store.error_groups, step_id, _MAX_ERROR_GROUPS)
            step.errors.extend(_error_group(group) for group in groups)

    def _pace(self, step: StepId, view: StepView) -> float:
        if view.state.is_final:
            self._paces.pop(step, None)
            return 0.0
        pace = self._paces.setdefault(step, _Pace())
        return pace.at(time.monotonic(), view.succeeded + view.failed)


class _Pace:
    """Settled mini-batches per second over the last stretch."""

    def __init__(self) -> None:
        self._points: list[tuple[float, int]] = []

    def at(self, now: float, settled: int) -> float:
        self._points.append((now, settled))
        while len(self._points) > 2 and now - self._points[1][0] > _PACE_OVER_S:
            self._points.pop(0)
        since, before = self._points[0]
        return (settled - before) / (now - since) if now > since else 0.0


def planned_job(row: JobRow, document: str) -> pb.Job:
    """The job as it was planned at submission: names, settings, outputs."""
    job = pb.Job()
    ParseDict(json.loads(document)["job"], job)
    job.notices.extend(row.notices)
    return job


def _fill_live(step: pb.Step, view: StepView) -> None:
    step.state = _STATES[view.state]
    step.error = view.reason if view.state is State.FAILED else ""
    step.waiting_reason = view.waiting_reason
    step.instances = view.instances
    step.workers = view.ready_workers
    step.division_running = not (view.division_ended or view.state.is_final)
    step.mini_batches.CopyFrom(
        pb.MiniBatchCounts(
            total=view.total,
            succeeded=view.succeeded,
            failed=view.failed,
            retried=view.retried,
            running=view.running,
            remaining=view.remaining,
        )
    )
    step.items.CopyFrom(pb.ItemCounts(total=view.items_total, succeeded=view.items_succeeded, failed=view.items_failed))


def _fill_recorded(step: pb.Step, row: StepRow) -> None:
    counts = row.counts
    step.state = _STATES[row.state]
    step.error = row.reason if row.state is State.FAILED else ""
    step.mini_batches.CopyFrom(
        pb.MiniBatchCounts(
            total=counts.total,
            succeeded=counts.succeeded,
            failed=counts.failed,
            retried=counts.retried,
            remaining=counts.unsettled,
        )
    )
    step.items.CopyFrom(
        pb.ItemCounts(total=counts.items_total, succeeded=counts.items_succeeded, failed=counts.items_failed)
    )


def _error_group(group: ErrorGroup) -> pb.ErrorGroup:
    return pb.ErrorGroup(
        message=group.message,
        traceback=group.traceback,
        count=group.count,
        mini_batches=group.mini_batches,
        kind=group.kind,
    )


def _timestamp(seconds: float) -> Timestamp:
    message = Timestamp()
    message.FromNanoseconds(round(seconds * 1e9))
    return message
