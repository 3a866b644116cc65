"""What a step runs: its code and entry script, the input it divides, and the output that takes its rows."""

from prsd.spec.arguments import named_port
from prsd.spec.locations import Local, classify, is_snapshot
from prsd.spec.node import Node
from prsd.spec.ports import PARAMETER_TYPES
from prsd.spec.problems import did_you_mean, shown
from prsd.spec.step_context import StepContext


def read_code(context: StepContext, node: Node) -> str | None:
    text = node.text()
    if text is None or is_snapshot(text):
        return text
    location = classify(text)
    if not isinstance(location, Local):
        node.problem(f"{shown(text)} is not supported as code: give a local folder")
        return None
    if not location.is_absolute:
        node.problem("is a relative path: submit with prsctl, which knows the folder it is relative to")
        return None
    context.local.code.append(node)
    return location.path


def read_entry_script(context: StepContext, code: str | None) -> str | None:
    node = context.layers.node("task", "entry_script")
    text = node.text()
    if not text:
        node.problem("is missing: name the Python file (relative to 'code') or the module that has run()")
        return None
    is_file = text.endswith(".py") or "/" in text
    if text.startswith("/") or ".." in text.split("/"):
        node.problem("must lie in the code folder: write it relative to 'code', without '..'")
    elif is_file and not text.endswith(".py"):
        node.problem(f"{shown(text)} is no Python file: it must end in .py")
    elif not is_file and not all(part.isidentifier() for part in text.split(".")):
        node.problem(f"{shown(text)} is neither a .py file nor a module name")
    elif is_file and code is None:
        if not context.layers.node("task", "code").is_set:
            node.problem("is a file, so 'task.code' must name the folder it lies in")
    else:
        context.local.scripts.append((node, code))
    return text


def read_input_data(context: StepContext, rank_count: int) -> str | None:
    node = context.layers.node("input_data")
    if not node.is_set:
        if not rank_count:
            node.problem("is missing: name the input to divide, as ${{inputs.name}}")
        return None
    name = named_port(node, "input")
    ports = context.bindings.steps[context.name].inputs
    if name is None:
        return None
    if name not in ports:
        node.problem(f"the step has no input '{name}'{did_you_mean(name, ports)}")
        return None
    source = context.bindings.source(context.name, name)
    if source.literal is not None or (ports[name].type in PARAMETER_TYPES):
        node.problem(f"the input '{name}' is a literal; only data can be divided")
    elif source.is_unset and not source.is_broken and not rank_count:
        node.problem(f"the input '{name}' has no value, so there is nothing to divide")
    return name


def read_append_row_to(context: StepContext, output_action: str | None, arguments_at: Node) -> str | None:
    node = context.layers.node("task", "append_row_to")
    name = named_port(node, "output")
    outputs = context.bindings.steps[context.name].outputs
    if name is not None and name not in outputs:
        node.problem(f"the step has no output '{name}'{did_you_mean(name, outputs)}")
    if output_action == "append_row" and not node.is_set:
        arguments_at.problem("--output_action append_row needs 'task.append_row_to'")
    if output_action == "summary_only" and name is not None:
        arguments_at.notice("--output_action summary_only wins over append_row_to: returned rows are only counted")
        return None
    return name
