"""One step: from its layers and its followed bindings to a checked `Step`."""

from typing import Any

from prsd.spec import units
from prsd.spec.components import Layers
from prsd.spec.environments import read_environment
from prsd.spec.keys import LIMIT_KEYS, RESOURCE_KEYS, RETRY_KEYS, TASK_KEYS
from prsd.spec.model import Step
from prsd.spec.node import Node, checked
from prsd.spec.ports import merged, read_inputs, read_outputs
from prsd.spec.problems import did_you_mean, shown
from prsd.spec.program_arguments import read_options
from prsd.spec.scopes import StepPorts
from prsd.spec.script import read_append_row_to, read_code, read_entry_script, read_input_data
from prsd.spec.settings import read_settings
from prsd.spec.step_context import StepContext
from prsd.spec.step_ports import read_step_inputs, read_step_outputs

_ANY_AGENT = ("local", "serverless")
_INERT_RESOURCES = RESOURCE_KEYS - {"instance_count"}


def read_ports(layers: Layers) -> StepPorts:
    """The inputs and outputs of a step; a component declares them, an inline step just has them."""
    inputs, outputs = read_inputs(layers.step.child("inputs")), read_outputs(layers.step.child("outputs"))
    if layers.component is not None:
        inputs = merged(read_inputs(layers.component.child("inputs")), inputs)
        outputs = merged(read_outputs(layers.component.child("outputs")), outputs)
    return StepPorts(inputs, outputs, is_pipeline=layers.kind == "pipeline")


def read_step(context: StepContext) -> Step:
    """Everything about one step; what is wrong becomes problems, and the step is then not used."""
    layers = context.layers
    inputs, data = read_step_inputs(context.name, context.bindings)
    context.local.data.extend(data)
    for key in ("identity", "services", "queue_settings", "distribution"):
        if layers.find(key):
            layers.node(key).notice(f"'{key}' has no effect here")
    common: dict[str, Any] = {
        "name": context.name,
        "kind": layers.kind,
        "display_name": layers.node("display_name").text() or context.name,
        "description": layers.node("description").text() or "",
        "depends_on": context.bindings.scopes.dependencies(context.name),
        "is_deterministic": _is_deterministic(layers),
        "compute": _compute(context),
        "environment_variables": _environment_variables(context),
        "inputs": inputs,
        "outputs": read_step_outputs(context.name, context.bindings),
    }
    _check_resources(layers)
    specific = _parallel(context) if layers.kind == "parallel" else _command(context)
    return Step(**common, **specific)


def read_nested_pipeline(context: StepContext) -> None:
    """Check what a pipeline component is given; its steps are read like any others."""
    _, data = read_step_inputs(context.name, context.bindings)
    read_step_outputs(context.name, context.bindings)
    context.local.data.extend(data)
    for key in ("settings", "compute", "identity", "services"):
        for node in context.layers.all(key):
            node.notice(f"'{key}' has no effect here: the steps in it follow the whole pipeline's settings")


def _parallel(context: StepContext) -> dict[str, Any]:
    layers = context.layers
    _check_mapping(layers, "retry_settings", RETRY_KEYS)
    _check_task(layers)
    arguments_at = layers.node("task", "program_arguments")
    arguments = context.renderer.arguments(arguments_at)
    options = read_options(arguments, arguments_at)
    read = read_settings(layers, context.bindings, context.name, options, arguments_at)
    code = read_code(context, layers.node("task", "code"))
    append_row_to = read_append_row_to(context, read.output_action, arguments_at)
    return {
        "code": code,
        "environment": read_environment(layers.node("task", "environment")),
        "entry_script": read_entry_script(context, code),
        "arguments": arguments,
        "input_data": read_input_data(context, read.settings.rank_mini_batch_count.value),
        "partition_keys": read.partition_keys,
        "mini_batch_size": read.mini_batch_size,
        "append_row_to": append_row_to,
        "settings": read.settings,
    }


def _command(context: StepContext) -> dict[str, Any]:
    layers = context.layers
    _check_mapping(layers, "limits", LIMIT_KEYS)
    _check_mapping(layers, "retry_settings", RETRY_KEYS)
    command_at = layers.node("command")
    command = context.renderer.text(command_at)
    if not (command or "").strip() and not (command_at.is_set and command is None):
        command_at.problem("a command step needs a 'command'")
    timeout = layers.find("limits", "timeout") or layers.find("retry_settings", "timeout")
    retries = layers.find("retry_settings", "max_retries")
    _notice_instances(context)
    includes = layers.node("additional_includes")
    if includes.value:
        includes.problem("files from outside the code folder are not supported: put copies of them into it")
    return {
        "code": read_code(context, layers.node("code")),
        "environment": read_environment(layers.node("environment")),
        "command": command or "",
        "command_timeout_s": _literal(context, timeout.node, units.seconds) if timeout else None,
        "command_retries": (_literal(context, retries.node, units.integer(0)) if retries else None) or 0,
    }


def _notice_instances(context: StepContext) -> None:
    count = context.layers.find("resources", "instance_count")
    if count and _literal(context, count.node, units.integer(1)) not in (None, 1):
        count.node.notice("a command step runs on one instance")


def _is_deterministic(layers: Layers) -> bool:
    """What the component says (spec section 1.5); a step without one is."""
    if layers.component is None or not layers.component.child("is_deterministic").is_set:
        return True
    node = layers.component.child("is_deterministic")
    return checked(node, units.boolean, node.value) is not False


def _check_mapping(layers: Layers, key: str, allowed: frozenset[str]) -> None:
    for node in layers.all(key):
        node.refuse_unknown_keys(allowed)


def _check_resources(layers: Layers) -> None:
    for node in layers.all("resources"):
        node.refuse_unknown_keys(RESOURCE_KEYS)
        for key, child in node.fields().items():
            if key in _INERT_RESOURCES and child.is_set:
                child.notice(f"'{key}' has no effect here")


def _check_task(layers: Layers) -> None:
    if not layers.all("task"):
        layers.node("task").problem("a parallel step needs a 'task' with 'type: run_function', 'code' and 'entry_script'")
        return
    _check_mapping(layers, "task", TASK_KEYS)
    type_at = layers.node("task", "type")
    type_ = type_at.text()
    if type_ is None:
        type_at.problem("is missing: the task type must be run_function")
    elif type_ != "run_function":
        type_at.problem(f"must be run_function, not {shown(type_)}{did_you_mean(type_, ['run_function'])}")


def _compute(context: StepContext) -> str:
    """The step's own compute wins over the pipeline's (spec section 1.2)."""
    node = context.layers.node("compute")
    name = context.bindings.literal_text(node, context.name) or context.default_compute
    if name is None:
        node.problem("compute not set: give the step a 'compute', or the pipeline a 'settings.default_compute'")
        return ""
    return compute_name(name)


def compute_name(written: str) -> str:
    """`azureml:NAME` and NAME are one compute; `local` and `serverless` are any agent ("")."""
    name = written.removeprefix("azureml:").rstrip("/").rsplit("/", 1)[-1]
    return "" if name in _ANY_AGENT else name


def _environment_variables(context: StepContext) -> dict[str, str]:
    """The step's on top of the component's; numbers and truth values become the text that YAML writes for them."""
    found: dict[str, str] = {}
    for node in context.layers.all("environment_variables"):
        for name, entry in node.fields().items():
            if not name or "=" in name or "\0" in name:
                entry.problem(f"{shown(name)} cannot be the name of an environment variable")
                continue
            value = context.bindings.literal_text(entry, context.name)
            if "\0" in (value or ""):
                entry.problem("the value of an environment variable cannot hold a NUL character")
            found[name] = value or ""
    return found


def _literal(context: StepContext, node: Node, rule: units.Rule) -> Any:
    text = context.bindings.literal_text(node, context.name)
    return None if text is None else checked(node, rule, text)
