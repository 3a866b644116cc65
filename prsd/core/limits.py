"""When a step has come to its end, and how: thresholds, and everything else that decides it (spec section 3.6).

Thresholds count final outcomes only, and are exceeded when a count is *greater* than the limit. A verdict follows from
what is recorded, so a restarted daemon comes to the same one.
"""

from __future__ import annotations

from typing import NamedTuple

from prsd.core.steps import StepRecord
from prsd.core.vocabulary import Phase, State, StepKind
from prsd.core.work import Work


class Verdict(NamedTuple):
    """How a step must end, and why."""

    outcome: State
    reason: str = ""


def verdict(work: Work) -> Verdict | None:
    """The end of this step, or None while there is more to do."""
    step = work.step
    failure = _start_verdict(step) or _command_verdict(step) or exceeded(step, work.cursor == step.divided)
    if failure:
        return Verdict(State.FAILED, failure)
    if not step.is_all_settled:
        return None
    if step.divided == 0:
        return Verdict(State.FAILED, "the input is empty: there is no mini-batch to run")
    if step.terms.appends_rows and step.items_succeeded == 0:
        return Verdict(State.FAILED, "no succeeded mini batch item was returned from run()")
    return Verdict(State.COMPLETED)


def exceeded(step: StepRecord, is_all_granted: bool) -> str:
    """Names the threshold that is exceeded, its value and the count; empty when none is."""
    terms, failed = step.terms, len(step.failed)
    if 0 <= terms.error_threshold < step.items_failed:
        return _with_last(step, f"error_threshold {terms.error_threshold} exceeded: {step.items_failed} items failed")
    # A mini-batch that returned fewer items than it was given counts as failed only where items count at all.
    failed_or_short = failed + (step.short if terms.error_threshold >= 0 else 0)
    if 0 <= terms.mini_batch_error_threshold < failed_or_short:
        return _with_last(
            step,
            f"mini_batch_error_threshold {terms.mini_batch_error_threshold} exceeded: {failed_or_short} mini-batches failed",
        )
    total = step.divided - len(step.empty)
    if step.division_ended and is_all_granted and 100 * failed > terms.allowed_failed_percent * total:
        return _with_last(
            step,
            f"allowed_failed_percent {terms.allowed_failed_percent:g} exceeded: {failed} of {total} mini-batches failed",
        )
    return ""


def _start_verdict(step: StepRecord) -> str:
    error = step.last_start_error
    if error is not None and error.permanent:
        return error.message or error.kind
    return step.phase_verdicts.get(Phase.DIVIDE, "")


def _command_verdict(step: StepRecord) -> str:
    return step.last_failure if step.terms.kind is StepKind.COMMAND and step.failed else ""


def _with_last(step: StepRecord, text: str) -> str:
    return f"{text}; the last failure: {step.last_failure}" if step.last_failure else text
