"""azure-ai-ml's pipeline objects → a checked pipeline, by way of the YAML that the object dumps."""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from prsctl.failures import InvalidPipeline, Problem
from prsctl.submission import loaded
from prsd.spec import LoadedPipeline, load_text

# What problems name as the file: the lines that they name are those of print(job).
_SOURCE = "<pipeline job>"


def load_job(job: object, changes: Mapping[str, object]) -> LoadedPipeline:
    """The checked pipeline of `job` with top-level keys of the YAML changed; raises InvalidPipeline.

    Relative paths start where azure-ai-ml lets them start: at the folder of the YAML file that a job was loaded from, else
    at the working directory.
    """
    if getattr(job, "type", None) != "pipeline" or not hasattr(job, "dump"):
        raise InvalidPipeline([Problem("", f"{_named(job)} is no pipeline job: call it within a function with @pipeline")])
    stream = io.StringIO()
    job.dump(stream)
    text = stream.getvalue()
    repairs = {**_unset_inputs(job), **_misplaced_code(yaml.safe_load(text))}
    overrides = [f"{path}={json.dumps(value)}" for path, value in {**repairs, **changes}.items()]
    base = Path(getattr(job, "base_path", None) or ".")
    return loaded(lambda: load_text(text, _SOURCE, base, overrides))


def _unset_inputs(job: Any) -> dict[str, object]:
    """Optional inputs of the pipeline that were given nothing: the dump leaves them out, though steps are bound to them."""
    given = set(getattr(job, "inputs", None) or ())
    declared: Mapping[str, Any] = getattr(getattr(job, "component", None), "inputs", None) or {}
    return {
        f"inputs.{name}": {"type": str(port.type), "optional": True}
        for name, port in declared.items()
        if name not in given and getattr(port, "optional", None) is True
    }


def _misplaced_code(pipeline: Mapping[str, Any], path: str = "") -> dict[str, object]:
    """Code folders by the path of their key, where a step's differs from its component's.

    The dump makes a step's folder absolute with the base of the first job that was dumped in the process, its component's
    with the right one.
    """
    found: dict[str, object] = {}
    for name, step in (pipeline.get("jobs") or {}).items():
        component = step.get("component")
        if not isinstance(component, dict):
            continue
        own, declared = ((holder.get("task") or {}).get("code") for holder in (step, component))
        if own and declared and own != declared:
            found[f"{path}jobs.{name}.task.code"] = declared
        found |= _misplaced_code(component, f"{path}jobs.{name}.component.")
    return found


def _named(job: object) -> str:
    return f"an object of type {type(job).__module__}.{type(job).__qualname__}"
