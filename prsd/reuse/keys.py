"""What makes two steps equal: everything that their results depend on, part by part, and a digest of it.

A part is named as people find it in the pipeline. Left out is what changes how a step runs, but not what comes out:
computes, instances and workers, logging, the step's name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from prsd.reuse.fingerprints import ABSENT, TooManyFiles, Unseen, fingerprint
from prsd.spec import Pipeline
from prsd.spec.locations import is_snapshot, to_uri
from prsd.spec.model import Step, StepInput
from prsd.store.rows import ReuseKey

Parts = dict[str, Any]

# Counted up when a part gets another meaning, so that keys of before match nothing any more.
_VERSION = 1
_RESUMPTION = "--resume_from"
_NO_PART_OF_RESULTS = frozenset(
    [
        "instance_count",
        "max_concurrency_per_instance",
        "task_overhead_timeout_s",
        "progress_update_timeout_s",
        "first_task_creation_timeout_s",
        "logging_level",
        "copy_logs_to_parent",
        "resource_monitor_interval_s",
        "metrics_name_prefix",
        "push_metrics_to_parent",
        "resume_from",
    ]
)


@dataclass(slots=True)
class Keys:
    """By step: its key, or why it can have none. `notices`: reasons that a person would not think of."""

    keys: dict[str, ReuseKey] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    notices: dict[str, str] = field(default_factory=dict)


def keys_of(pipeline: Pipeline, datastore_uri: str, known: Mapping[str, ReuseKey | None]) -> Keys:
    """The keys of all steps. `known`: those of steps that an earlier job had begun, whose data may look otherwise by now."""
    found = Keys()
    steps = {step.name: step for step in pipeline.steps}
    for step in _producers_first(steps):
        reason = _why_none(step, found)
        if step.name in known:
            former = known[step.name]
            if former is None:
                found.reasons[step.name] = "the job that it goes on from has recorded no key of it"
            else:
                found.keys[step.name] = former
        elif reason:
            found.reasons[step.name] = reason
        else:
            _look(step, datastore_uri, found)
    return found


def inputs_are_unchanged(parts_json: str) -> bool:
    """Whether the data that a step has read is still what its key says; raises Unseen."""
    inputs = (part for name, part in json.loads(parts_json).items() if name.startswith("inputs."))
    data = (part for part in inputs if "fingerprint" in part)
    return all(fingerprint(part["uri"], part["type"]) == part["fingerprint"] for part in data)


def differences(one: str, other: str) -> list[str]:
    """The names of the parts that differ, sorted; a part that only one of them has differs."""
    first, second = json.loads(one), json.loads(other)
    return sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))


def _producers_first(steps: Mapping[str, Step]) -> Iterator[Step]:
    """A checked pipeline has no cycle."""
    done: dict[str, None] = {}
    waiting = [*steps][::-1]
    while waiting:
        name = waiting[-1]
        missing = [each for each in steps[name].depends_on if each not in done]
        if missing:
            waiting += missing
            continue
        waiting.pop()
        if name not in done:
            done[name] = None
            yield steps[name]


def _why_none(step: Step, found: Keys) -> str:
    if not step.is_deterministic:
        return "its component says is_deterministic: false"
    unkeyed = next((name for name in step.depends_on if name not in found.keys), "")
    if unkeyed:
        return f"step {unkeyed}, which it depends on, is run anew every time"
    if step.code and not is_snapshot(step.code):
        return "its code is a folder on the daemon's machine, not a snapshot"
    return ""


def _look(step: Step, datastore_uri: str, found: Keys) -> None:
    try:
        parts = dict(_parts(step, datastore_uri, found.keys))
    except Unseen as unseen:
        found.reasons[step.name] = str(unseen)
        if isinstance(unseen, TooManyFiles):
            found.notices[step.name] = f"is run anew every time: {unseen}"
        return
    text = json.dumps(parts, sort_keys=True)
    found.keys[step.name] = ReuseKey(hashlib.sha256(text.encode()).hexdigest(), text)


def _parts(step: Step, datastore_uri: str, keys: Mapping[str, ReuseKey]) -> Iterator[tuple[str, Any]]:
    yield "version", _VERSION
    yield "type", step.kind
    yield "code", step.code
    yield "entry_script", step.entry_script
    yield "command", step.command
    yield "arguments", list(_without_resumption(step.arguments))
    yield "environment", step.environment.requested
    yield "input_data", step.input_data
    yield "partition_keys", step.partition_keys
    yield "mini_batch_size", f"{step.mini_batch_size.value} {step.mini_batch_size.unit}"
    yield "append_row_to", step.append_row_to
    for name, value in step.environment_variables.items():
        yield f"environment_variables.{name}", value
    for name, given in step.inputs.items():
        yield f"inputs.{name}", _input(given, datastore_uri, keys)
    for name, output in step.outputs.items():
        yield f"outputs.{name}", {"type": output.type, "mode": output.mode, "path": output.path}
    for each in fields(step.settings) if step.settings is not None else ():
        if each.name not in _NO_PART_OF_RESULTS:
            yield f"settings.{each.name}", getattr(step.settings, each.name).value


def _without_resumption(arguments: Sequence[str]) -> Iterator[str]:
    """A step that goes on from another one is not another step for it."""
    following = iter(arguments)
    for argument in following:
        if argument == _RESUMPTION:
            next(following, None)
        elif not argument.startswith(_RESUMPTION + "="):
            yield argument


def _input(given: StepInput, datastore_uri: str, keys: Mapping[str, ReuseKey]) -> Parts:
    if given.optional_unset:
        return {"type": given.type, "is_unset": True}
    if given.literal is not None:
        return {"type": given.type, "literal": given.literal}
    if given.producer is not None:
        producer, output = given.producer
        return {"type": given.type, "mode": given.mode, "output": output, "of": keys[producer].key}
    uri = to_uri(given.path or "", datastore_uri)
    seen = fingerprint(uri, given.type)
    if seen == ABSENT:
        raise Unseen(f"the daemon cannot see {uri}, the data of its input {given.name}")
    return {"type": given.type, "mode": given.mode, "uri": uri, "fingerprint": seen}
