"""What people may see of running jobs: views of the core's state, published only when the facts behind them are durable."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from prsd.core import facts as f
from prsd.core.core import Core
from prsd.core.views import JobView

# Counts of a busy job are looked at this often; a change of state always.
_LOOK_EVERY_S = 0.1
# What no fact tells (a worker that got ready, a lease that moved) shows at least this late.
_LOOK_AT_ALL_EVERY_S = 0.5

Views = Sequence[JobView]


@dataclass(slots=True)
class _Posted:
    view: JobView
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class Board:
    """The last published view of each job that goes on, and those who wait for the next one."""

    def __init__(self) -> None:
        self._posted: dict[str, _Posted] = {}
        self._dirty: set[str] = set()
        self._looked_at = 0.0
        self._looked_at_all = 0.0

    def look_at(self, jobs: Iterable[str]) -> None:
        """These jobs have changed: the next look is at them too."""
        self._dirty.update(jobs)

    def look(self, core: Core, facts: Sequence[f.Fact]) -> Views:
        """Views of the jobs that have changed, to be published when `facts` are durable; none if that is too early."""
        urgent = False
        for fact in facts:
            job = job_of(fact)
            if job is not None:
                self._dirty.add(job)
            urgent = urgent or isinstance(fact, f.JobRecorded | f.JobChanged | f.StepChanged | f.StepEnding)
        now = time.monotonic()
        if now - self._looked_at_all >= _LOOK_AT_ALL_EVERY_S:
            self._looked_at_all = now
            self._dirty.update(job for job, posted in self._posted.items() if not posted.view.state.is_final)
        if not self._dirty or (not urgent and now - self._looked_at < _LOOK_EVERY_S):
            return ()
        self._looked_at = now
        views = [view for job in sorted(self._dirty) if (view := core.job_view(job)) is not None]
        self._dirty.clear()
        return views

    def publish(self, views: Views) -> None:
        for view in views:
            before = self._posted.get(view.id)
            if before is not None and before.view == view:
                continue
            self._posted[view.id] = _Posted(view)
            if before is not None:
                before.changed.set()

    def view(self, job: str) -> JobView | None:
        posted = self._posted.get(job)
        return posted.view if posted else None

    async def changed(self, job: str, seen: JobView) -> None:
        """Returns when the published view of the job is no longer `seen`."""
        posted = self._posted.get(job)
        if posted is not None and posted.view is seen:
            await posted.changed.wait()

    def forget(self, job: str) -> None:
        """The job has ended, and its last view was published: from now on the store tells of it."""
        posted = self._posted.pop(job, None)
        if posted is not None:
            posted.changed.set()


def job_of(fact: f.Fact) -> str | None:
    """The job that a fact belongs to; None for facts of the daemon itself."""
    match fact:
        case f.JobRecorded() | f.JobChanged():
            return fact.job
        case f.ResultsRecorded():
            return fact.results.step.job
        case f.FailureRecorded():
            return fact.failure.step.job
        case f.CommitRecorded():
            return fact.done.step.job
        case f.DaemonStarted() | f.SessionOpened() | f.SessionClosed():
            return None
        case _:
            return fact.step.job
