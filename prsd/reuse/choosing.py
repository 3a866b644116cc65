"""Which steps of a new job are taken over from earlier jobs, and what is said about the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from prsd.core.vocabulary import State, StepId, StepKind
from prsd.reuse.keys import Keys, differences, keys_of
from prsd.reuse.outputs import changed_outputs
from prsd.spec import Pipeline
from prsd.storage import DataFolder
from prsd.store.errors import AmbiguousJob, UnknownJob
from prsd.store.protocol import Queries
from prsd.store.rows import StepRow
from prsd.v1 import jobs_pb2

_FORCED = "settings.force_rerun is true"


@dataclass(slots=True)
class Choice:
    """`taken`: by step of the new job, the earlier one that stands for it. `resumed`: the unfinished one that it goes on
    from. `verdicts`: what there is to say of each.
    """

    keys: Keys
    taken: dict[str, StepRow] = field(default_factory=dict)
    resumed: dict[str, StepRow] = field(default_factory=dict)
    verdicts: dict[str, jobs_pb2.Reuse] = field(default_factory=dict)


def choose(store: Queries, folder: DataFolder, pipeline: Pipeline) -> Choice:
    """A step is taken over when an equal one has completed, its outputs are what it left, and all before it are taken over.

    The last because a step that runs again writes at another place, which is what its followers are bound to.
    """
    choice = Choice(keys_of(pipeline, folder.datastore_uri, {}))
    depends_on = {step.name: step.depends_on for step in pipeline.steps}
    wishes = _wishes_to_resume(pipeline)
    for name in choice.keys.keys:  # producers come first
        reason = _FORCED if pipeline.settings.force_rerun else _why_it_waits(depends_on[name], choice)
        reason = reason or _look_for_equal(store, folder, name, choice)
        choice.verdicts[name] = _verdict(store, name, choice, reason)
        if name in wishes and name not in choice.taken:
            _resume(store, name, wishes[name], depends_on[name], choice)
    for name in wishes.keys() & choice.keys.reasons.keys():
        choice.keys.notices[name] = _cannot_resume(wishes[name], choice.keys.reasons[name])
    for name, reason in choice.keys.reasons.items():
        choice.verdicts[name] = jobs_pb2.Reuse(reason=_FORCED if pipeline.settings.force_rerun else reason)
    return choice


def _wishes_to_resume(pipeline: Pipeline) -> dict[str, str]:
    """By step: the job that its argument --resume_from names."""
    settings = {step.name: step.settings for step in pipeline.steps if step.settings is not None}
    return {name: each.resume_from.value for name, each in settings.items() if each.resume_from.value}


def is_completed(row: StepRow) -> bool:
    """Completed, with an outcome on record for every mini-batch."""
    return row.state is State.COMPLETED and row.division_ended and row.counts.unsettled == 0


def _why_it_waits(depends_on: tuple[str, ...], choice: Choice) -> str:
    running = next((name for name in depends_on if name not in choice.taken), "")
    return f"step {running}, which it depends on, runs" if running else ""


def _look_for_equal(store: Queries, folder: DataFolder, name: str, choice: Choice) -> str:
    """Empty when an earlier step was found, which `choice` has then; else why none was."""
    reason = ""
    for step in store.reusable_steps(choice.keys.keys[name].key):
        row = next(row for row in store.steps_of(step.job) if row.step == step)
        why_not = changed_outputs(store, folder, step) if is_completed(row) else f"{step.job}/{step.step} is incomplete"
        if not why_not:
            choice.taken[name] = row
            return ""
        reason = reason or why_not
    return reason or "no equal step has completed"


def _verdict(store: Queries, name: str, choice: Choice, reason: str) -> jobs_pb2.Reuse:
    if name in choice.taken:
        return jobs_pb2.Reuse(taken_from="/".join(choice.taken[name].step))
    verdict = jobs_pb2.Reuse(reason=reason)
    if reason != _FORCED:
        _explain(verdict, _differing(store, name, choice))
    return verdict


def _differing(store: Queries, name: str, choice: Choice) -> Mapping[StepId, list[str]]:
    own = choice.keys.keys[name].parts_json
    return {step: differences(own, other.parts_json) for step, other in store.reuse_keys_of_name(name)}


def _explain(verdict: jobs_pb2.Reuse, differing: Mapping[StepId, list[str]]) -> None:
    if differing:
        nearest = min(differing, key=lambda step: len(differing[step]))  # of equals the newest
        verdict.nearest = "/".join(nearest)
        verdict.differences.extend(differing[nearest])


def _resume(store: Queries, name: str, former: str, depends_on: tuple[str, ...], choice: Choice) -> None:
    """Go on from the step of this name of an ended job, when it is the same step over the same data."""
    reason = _why_it_waits(depends_on, choice) or _find_unfinished(store, name, former, choice)
    if reason:
        choice.keys.notices[name] = _cannot_resume(former, reason)


def _find_unfinished(store: Queries, name: str, former: str, choice: Choice) -> str:
    try:
        job = store.find_job(former)
    except (UnknownJob, AmbiguousJob) as error:
        return str(error)
    row = next((row for row in store.steps_of(job.name) if row.step.step == name), None)
    if row is None or not job.state.is_final:
        return "it has no such step" if row is None else f"it is {job.state}"
    key = store.reuse_key_of(row.step)
    if key is None:
        return "it has recorded no key of the step"
    if key.key != choice.keys.keys[name].key:
        return "the step differs in " + ", ".join(differences(key.parts_json, choice.keys.keys[name].parts_json))
    if not row.counts.divided or row.terms.kind is not StepKind.PARALLEL or row.state is State.COMPLETED:
        return "nothing of the step can be taken over"
    choice.resumed[name] = row
    return ""


def _cannot_resume(former: str, reason: str) -> str:
    return f"--resume_from {former} is not followed, the step begins anew: {reason}"
