"""Read-only pictures for the daemon's queries. Taken between events, so they are always consistent."""

from __future__ import annotations

from dataclasses import dataclass

from prsd.core import jobs, placement
from prsd.core.board import Board
from prsd.core.restore import JobRecord
from prsd.core.steps import StepRecord
from prsd.core.vocabulary import State, StepKind
from prsd.core.work import Work


@dataclass(frozen=True, slots=True)
class StepView:
    """Counts are of mini-batches unless they say items. `total` is what is known so far, without empty ones."""

    id: str
    kind: StepKind
    state: State
    reason: str
    total: int
    succeeded: int
    failed: int
    empty: int
    retried: int  # settled by an attempt that was not their first
    running: int  # under a lease
    remaining: int
    division_ended: bool
    items_total: int
    items_succeeded: int
    items_failed: int
    instances: int
    ready_workers: int
    waiting_reason: str  # "waiting for steps a, b"; empty when it waits for nothing
    last_failure: str
    notices: tuple[str, ...]
    size_bytes: int  # of the published output
    rows: int


@dataclass(frozen=True, slots=True)
class JobView:
    """A job and its steps, in the order in which they were submitted."""

    id: str
    state: State
    reason: str
    steps: tuple[StepView, ...]


@dataclass(frozen=True, slots=True)
class AgentView:
    """A live session. `last_heard_at` is in the time of `Core.handle`."""

    session: str
    agent: str
    boot: str
    compute: str
    slots: int
    free_slots: int
    last_heard_at: float
    draining: bool
    attached: bool


def job_view(board: Board, job_id: str) -> JobView | None:
    """The picture of one job; None when it is unknown."""
    job = board.recorded.jobs.get(job_id)
    if job is None:
        return None
    return JobView(job.id, job.state, job.reason, tuple(_step_view(board, job, step) for step in job.steps.values()))


def agent_views(board: Board) -> tuple[AgentView, ...]:
    """The live sessions, in the order in which they joined."""
    return tuple(
        AgentView(
            session.id,
            session.agent,
            session.boot,
            session.compute,
            session.slots,
            max(0, session.free_slots),
            session.heard_at,
            session.is_draining,
            session.is_attached,
        )
        for session in board.sessions.values()
    )


def _step_view(board: Board, job: JobRecord, step: StepRecord) -> StepView:
    work = board.works.get(step.id)
    instances = work.open_instances() if work else []
    total = step.divided - len(step.empty)
    done = step.committed
    return StepView(
        id=step.id.step,
        kind=step.terms.kind,
        state=step.state,
        reason=step.reason,
        total=total,
        succeeded=len(step.done),
        failed=len(step.failed),
        empty=len(step.empty),
        retried=step.retried,
        running=sum(len(lease.remaining) for lease in work.leases.values()) if work else 0,
        remaining=total - len(step.done) - len(step.failed),
        division_ended=step.division_ended,
        items_total=step.items_total,
        items_succeeded=step.items_succeeded,
        items_failed=step.items_failed,
        instances=len(instances),
        ready_workers=sum(instance.ready_workers for instance in instances),
        waiting_reason=_waiting_reason(board, job, step, work),
        last_failure=step.last_failure,
        notices=step.notices,
        size_bytes=done.size_bytes if done else 0,
        rows=done.rows if done else 0,
    )


def _waiting_reason(board: Board, job: JobRecord, step: StepRecord, work: Work | None) -> str:
    if step.state.is_final:
        return ""
    waits_for = jobs.waits_for(job, step) if step.state is State.QUEUED else []
    if waits_for:
        return f"waiting for step{'s' if len(waits_for) > 1 else ''} {', '.join(waits_for)}"
    delayed = _delayed(board, work) if work else ""
    if delayed:
        return delayed
    if work is None or work.open_instances() or work.phase_lease or (work.instances and not step.is_live):
        return ""
    where = f" of compute {step.terms.compute}" if step.terms.compute else ""
    if not placement.has_suitable_agent(board, work):
        return f"waiting for an agent{where}"
    if work.is_resuming:
        return "waiting for agents to be back after a restart of the daemon"
    return f"waiting for a free slot on an agent{where}" if step.is_live else ""


def _delayed(board: Board, work: Work) -> str:
    """What holds up every agent of the step; "" as soon as one has a worker."""
    instances = work.open_instances()
    if any(instance.ready_workers for instance in instances):
        return ""
    waiting = [
        f"agent {board.sessions[instance.session].agent} cannot start it yet ({instance.waiting_reason}), and tries again"
        for instance in instances
        if instance.waiting_reason
    ]
    return "; ".join(waiting) if len(waiting) == len(instances) else ""
