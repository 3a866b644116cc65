"""The effective settings of a parallel step: attributes, then arguments on top, then what follows from them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prsd.spec import units
from prsd.spec.bindings import Bindings
from prsd.spec.components import Layers
from prsd.spec.model import Effective, MiniBatchSize, ParallelSettings
from prsd.spec.node import Node, checked
from prsd.spec.program_arguments import Given

Values = dict[str, Effective[Any]]


@dataclass(frozen=True, slots=True)
class _Attribute:
    """A setting that has a key in the YAML."""

    keys: tuple[str, ...]
    rule: units.Rule


_ATTRIBUTES: Mapping[str, _Attribute] = {
    "mini_batch_size": _Attribute(("mini_batch_size",), units.mini_batch_size),
    "partition_keys": _Attribute(("partition_keys",), units.partition_keys),
    "instance_count": _Attribute(("resources", "instance_count"), units.integer(1)),
    "max_concurrency_per_instance": _Attribute(("max_concurrency_per_instance",), units.integer(1)),
    "max_retries": _Attribute(("retry_settings", "max_retries"), units.integer(0)),
    "run_timeout_s": _Attribute(("retry_settings", "timeout"), units.seconds),
    "error_threshold": _Attribute(("error_threshold",), units.integer(-1)),
    "mini_batch_error_threshold": _Attribute(("mini_batch_error_threshold",), units.integer(-1)),
    "logging_level": _Attribute(("logging_level",), units.one_of("DEBUG", "INFO", "WARNING")),
}

_DEFAULTS: Mapping[str, object] = {
    "mini_batch_size": MiniBatchSize(),
    "partition_keys": (),
    "output_action": None,
    "instance_count": 1,
    "max_concurrency_per_instance": None,
    "max_retries": 2,
    "run_timeout_s": 60.0,
    "error_threshold": -1,
    "mini_batch_error_threshold": -1,
    "allowed_failed_percent": 100.0,
    "task_overhead_timeout_s": 600.0,
    "first_task_creation_timeout_s": 600.0,
    "logging_level": "INFO",
    "copy_logs_to_parent": False,
    "resource_monitor_interval_s": 600,
    "append_row_file_name": "parallel_run_step.txt",
    "append_row_dataframe_header": False,
    "append_row_format": "text",
    "append_row_safe_output": False,
    "strict_types": False,
    "infer_schema": "sample",
    "mixed_types": False,
    "rank_mini_batch_count": 0,
    "profiling_module": None,
    "metrics_name_prefix": "",
    "push_metrics_to_parent": False,
    "resume_from": None,
    "async_mode": False,
}


@dataclass(frozen=True, slots=True)
class ReadSettings:
    """The settings, and the three that shape the step itself."""

    settings: ParallelSettings
    mini_batch_size: MiniBatchSize
    partition_keys: tuple[str, ...]
    output_action: str | None


def read_settings(
    layers: Layers, bindings: Bindings, step: str, options: Mapping[str, Given], arguments_at: Node
) -> ReadSettings:
    """Every setting with its origin; an argument beats the attribute of the same meaning (spec section 10, row 20)."""
    values: Values = {name: Effective(value=value) for name, value in _DEFAULTS.items()}
    values.update(_attributes(layers, bindings, step))
    for setting, given in options.items():
        _apply(setting, given, values, arguments_at)
    _compute_progress_timeout(values)
    size, keys, action = (values.pop(name).value for name in ("mini_batch_size", "partition_keys", "output_action"))
    if keys and size.unit != "default":
        layers.node("partition_keys").notice("partition_keys decide the mini-batches; mini_batch_size is not used")
    return ReadSettings(ParallelSettings(**values), size, keys, action)


def _attributes(layers: Layers, bindings: Bindings, step: str) -> Values:
    found: Values = {}
    for name, attribute in _ATTRIBUTES.items():
        written = layers.find(*attribute.keys)
        if written is None:
            continue
        value = _raw(written.node, bindings, step)
        result = None if value is None else checked(written.node, attribute.rule, value)
        if result is not None:
            found[name] = Effective(value=result, origin=written.origin)
    return found


def _raw(node: Node, bindings: Bindings, step: str) -> object:
    """What was written, with a binding replaced by its literal."""
    return bindings.literal_text(node, step) if isinstance(node.value, str) else node.value


def _apply(setting: str, given: Given, values: Values, at: Node) -> None:
    before = values.get(setting)
    if before is not None and before.origin != "default" and before.value != given.value:
        at.notice(f"--{given.option} {_said(given.value)} wins over the {before.origin}'s {_said(before.value)}")
    values[setting] = Effective(value=given.value, origin="program_arguments")


def _said(value: object) -> str:
    if isinstance(value, MiniBatchSize):
        return str(value.value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _compute_progress_timeout(values: Values) -> None:
    """Three tries at least, because that is what the original waits for (spec section 10, row 3)."""
    if "progress_update_timeout_s" in values:
        return
    tries = max(3, 1 + values["max_retries"].value)
    per_try = values["run_timeout_s"].value + values["task_overhead_timeout_s"].value
    values["progress_update_timeout_s"] = Effective(value=tries * per_try, origin="computed")
