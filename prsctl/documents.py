"""Jobs and agents as plain data: what `-o json` promises, and what the tables are drawn from."""

import os
from collections.abc import Mapping
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from prsctl.exit_codes import ExitCode
from prsd.base.uris import UnsupportedUri, path_of
from prsd.v1 import jobs_pb2

FINAL = frozenset({"Completed", "Failed", "Canceled", "Skipped"})


def state_name(state: int) -> str:
    """A state in Azure's words: STATE_CANCEL_REQUESTED is "CancelRequested"."""
    words = jobs_pb2.State.Name(jobs_pb2.State.ValueType(state)).removeprefix("STATE_").split("_")
    return "".join(word.capitalize() for word in words)


def is_final(job: jobs_pb2.Job) -> bool:
    """Whether the job has ended."""
    return state_name(job.state) in FINAL


def shown_uri(uri: str) -> str:
    """A `file:` URI as a plain path; any other as it is."""
    try:
        return os.fsencode(path_of(uri)).decode("utf-8", "replace")
    except UnsupportedUri:
        return uri


def outcome_document(job: jobs_pb2.Job, exit_code: ExitCode) -> dict[str, Any]:
    """What `run -o json` and `submit --wait -o json` print: the job with prsctl's own exit code."""
    return {**job_document(job), "exit_code": int(exit_code)}


def job_document(job: jobs_pb2.Job) -> dict[str, Any]:
    """A job with its steps. Times are RFC 3339 in UTC or null, `file:` URIs are plain paths."""
    return {
        "name": job.name,
        "display_name": job.display_name,
        "experiment_name": job.experiment_name,
        "state": state_name(job.state),
        "error": job.error,
        "create_time": _time(job, "create_time"),
        "end_time": _time(job, "end_time"),
        "notices": list(job.notices),
        "resumed_from": job.resumed_from or None,
        "tags": dict(job.tags),
        "outputs": _paths(job.outputs),
        "logs": shown_uri(job.logs_uri) if job.logs_uri else None,
        "steps": [step_document(step) for step in job.steps],
    }


def step_document(step: jobs_pb2.Step) -> dict[str, Any]:
    """A step with its counts, outputs and errors."""
    batches, items = step.mini_batches, step.items
    return {
        "name": step.name,
        "type": step.type,
        "state": state_name(step.state),
        "mini_batches": {
            "total": batches.total,
            "succeeded": batches.succeeded,
            "failed": batches.failed,
            "retried": batches.retried,
        },
        "items": {"total": items.total, "succeeded": items.succeeded, "failed": items.failed},
        "outputs": _paths(step.outputs),
        "logs": shown_uri(step.logs_uri),
        "error": step.error,
        "errors": [error_document(group) for group in step.errors],
        "start_time": _time(step, "start_time"),
        "end_time": _time(step, "end_time"),
        "waiting_reason": step.waiting_reason,
        "depends_on": list(step.depends_on),
        "instances": step.instances,
        "workers": step.workers,
        "reuse": {
            "taken_from": step.reuse.taken_from or None,
            "reason": step.reuse.reason,
            "nearest": step.reuse.nearest or None,
            "differences": list(step.reuse.differences),
        },
        "settings": [{"name": each.name, "value": each.value, "origin": each.origin} for each in step.settings],
    }


def error_document(group: jobs_pb2.ErrorGroup) -> dict[str, Any]:
    """Failures with the same error."""
    return {
        "kind": group.kind,
        "message": group.message,
        "count": group.count,
        "mini_batches": list(group.mini_batches),
        "traceback": group.traceback,
    }


def agent_document(agent: jobs_pb2.Agent) -> dict[str, Any]:
    """An agent that has a session."""
    return {
        "name": agent.name,
        "compute": agent.compute,
        "slots": agent.slots,
        "free_slots": agent.free_slots,
        "heartbeat_age_s": round(agent.heartbeat_age_s, 3),
        "draining": agent.draining,
        "version": agent.version,
    }


def _paths(uris: Mapping[str, str]) -> dict[str, str]:
    return {name: shown_uri(uris[name]) for name in sorted(uris)}


def _time(message: jobs_pb2.Job | jobs_pb2.Step, name: str) -> str | None:
    if not message.HasField(name):  # type: ignore[arg-type]
        return None
    value: Timestamp = getattr(message, name)
    return value.ToJsonString()
