"""What goes in beside the facts of a submission, and what queries return. Times are seconds since the epoch, by the daemon's
clock (the caller of `Store.append` gives them)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from prsd.core.vocabulary import ManifestPart, State, StepId, StepTerms


@dataclass(frozen=True, slots=True)
class ReuseKey:
    """What decides whether a step may be taken over instead of run. `own`: the step was not taken over itself.

    `parts_json` is a JSON object, which this package does not look into; `key` is its digest.
    """

    key: str
    parts_json: str
    own: bool = True


@dataclass(frozen=True, slots=True)
class JobDocument:
    """What is stored of a submission, atomically with its `JobRecorded`.

    `request_id` may be empty; else it is unique, like the name. `definitions` maps a step's name to its serialized
    `StepDefinition`, which this package does not look into. `reuse_keys` has those of the steps that may be reused.
    """

    job: str
    document_json: str
    definitions: Mapping[str, bytes] = field(default_factory=dict)
    request_id: str = ""
    display_name: str = ""
    notices: tuple[str, ...] = ()
    created_at: float = 0.0
    reuse_keys: Mapping[str, ReuseKey] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job without its document. `reason` is that of the last change of state."""

    name: str
    state: State
    reason: str
    created_at: float
    started_at: float | None
    ended_at: float | None
    display_name: str = ""
    request_id: str = ""
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StepCounts:
    """Counts over what is recorded of a step. Items are those of succeeded and of finally failed mini-batches.

    `divided` counts the mini-batches that exist so far (it grows until division has ended), empty ones included. `short` is
    how many of `succeeded` returned fewer items than they were given: with an `error_threshold` set these count as failed
    mini-batches (spec section 3.6). `items_failed` is clamped at 0 for each mini-batch (same section).
    """

    divided: int = 0
    succeeded: int = 0
    empty: int = 0
    failed: int = 0
    retried: int = 0
    short: int = 0
    items_total: int = 0
    items_succeeded: int = 0
    items_failed: int = 0

    @property
    def total(self) -> int:
        """Mini-batches that count: empty ones are in no total."""
        return self.divided - self.empty

    @property
    def unsettled(self) -> int:
        """Mini-batches that are running or have not been started."""
        return self.total - self.succeeded - self.failed


@dataclass(frozen=True, slots=True)
class StepRow:
    """A step as its facts left it. `started_at` is when it left Queued for a state that is not final."""

    step: StepId
    terms: StepTerms
    state: State
    reason: str
    started_at: float | None
    ended_at: float | None
    division_ended: bool
    counts: StepCounts


@dataclass(frozen=True, slots=True)
class Division:
    """What divide attempts reported of a step, in recorded order."""

    parts: tuple[ManifestPart, ...] = ()
    ended: bool = False
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ErrorGroup:
    """Charged failures and start failures of one kind whose messages differ in numbers only.

    `message` and `traceback` are those of the first; `mini_batches` are the lowest twenty concerned (failures of a start, a
    divide or a commit attempt concern none).
    """

    kind: str
    message: str
    traceback: str
    count: int
    mini_batches: tuple[int, ...]
