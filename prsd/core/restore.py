"""Facts → state. The same fold serves live (`Board.record`) and at a restart (`Core.apply`), so the two cannot differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from prsd.core.facts import (
    CommitRecorded,
    DaemonStarted,
    DivisionRecorded,
    Fact,
    FailureRecorded,
    IndexesReserved,
    JobChanged,
    JobRecorded,
    LossRecorded,
    ResultsRecorded,
    SessionClosed,
    SessionOpened,
    StartFailureRecorded,
    StepChanged,
    StepEnding,
)
from prsd.core.steps import StepRecord
from prsd.core.vocabulary import State, StepId


@dataclass(slots=True)
class JobRecord:
    """A job and its steps, in the order in which they were submitted."""

    id: str
    steps: dict[str, StepRecord]
    continue_on_step_failure: bool
    state: State = State.QUEUED
    reason: str = ""
    is_cancel_requested: bool = False


class Recorded:
    """Everything durable."""

    def __init__(self, loss_limit: int) -> None:
        self._loss_limit = loss_limit
        self.incarnation = 0
        self.jobs: dict[str, JobRecord] = {}
        self.sessions: dict[str, SessionOpened] = {}

    def step(self, id_: StepId) -> StepRecord | None:
        """The step of this name, if its job is known."""
        job = self.jobs.get(id_.job)
        return job.steps.get(id_.step) if job else None

    def apply(self, fact: Fact) -> None:
        """Fold one fact; KeyError when it speaks of a step that was never recorded (the log is not whole)."""
        match fact:
            case DaemonStarted():
                self.incarnation = fact.incarnation
            case SessionOpened():
                self.sessions[fact.session] = fact
            case SessionClosed():
                self.sessions.pop(fact.session, None)
            case JobRecorded():
                self._on_job(fact)
            case JobChanged():
                self._on_job_changed(fact)
            case _:
                self._apply_to_step(fact)

    def _on_job(self, fact: JobRecorded) -> None:
        steps = {terms.name: StepRecord(StepId(fact.job, terms.name), terms, self._loss_limit) for terms in fact.steps}
        self.jobs[fact.job] = JobRecord(fact.job, steps, fact.continue_on_step_failure)

    def _on_job_changed(self, fact: JobChanged) -> None:
        job = self.jobs[fact.job]
        job.state = fact.state
        job.reason = fact.reason or job.reason
        job.is_cancel_requested = job.is_cancel_requested or fact.state is State.CANCEL_REQUESTED

    def _of(self, id_: StepId) -> StepRecord:
        return self.jobs[id_.job].steps[id_.step]

    def _apply_to_step(
        self,
        fact: StepChanged
        | StepEnding
        | DivisionRecorded
        | IndexesReserved
        | ResultsRecorded
        | FailureRecorded
        | LossRecorded
        | StartFailureRecorded
        | CommitRecorded,
    ) -> None:
        match fact:
            case StepChanged():
                self._of(fact.step).on_changed(fact)
            case StepEnding():
                self._of(fact.step).on_ending(fact)
            case DivisionRecorded():
                self._of(fact.step).on_division(fact)
            case IndexesReserved():
                self._of(fact.step).on_reserved(fact)
            case ResultsRecorded():
                self._of(fact.results.step).on_results(fact)
            case FailureRecorded():
                self._of(fact.failure.step).on_failure(fact)
            case LossRecorded():
                self._of(fact.step).on_loss(fact)
            case StartFailureRecorded():
                self._of(fact.step).on_start_failure(fact)
            case CommitRecorded():
                self._of(fact.done.step).on_commit(fact)
            case _:
                assert_never(fact)
