"""A document → a checked pipeline. Opens no file: the daemon uses it for what arrives over the network."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from prsd.spec import units
from prsd.spec.bindings import Bindings
from prsd.spec.components import KINDS, Layers, read_component, read_layers
from prsd.spec.expressions import has_expression
from prsd.spec.graph import report_cycles
from prsd.spec.keys import TOP_HINTS, TOP_KEYS, UNSUPPORTED_TYPES
from prsd.spec.locations import Local, classify
from prsd.spec.model import DEFAULT_DATASTORE, Pipeline, PipelineInput, PipelineOutput, PipelineSettings, Step
from prsd.spec.node import Findings, Node, checked
from prsd.spec.plain_data import checked_plain
from prsd.spec.ports import DATA_TYPES, DEFAULT_INPUT_MODE, DEFAULT_TYPE, Port, check_mode, merged, read_inputs, read_outputs
from prsd.spec.problems import Problem, shown
from prsd.spec.scopes import Scopes, StepPorts, bound_output, in_scope, scope_of
from prsd.spec.step_context import LocalThings, StepContext
from prsd.spec.step_ports import LocalData, check_literal, check_location, report_shared_locations
from prsd.spec.steps import read_nested_pipeline, read_ports, read_step
from prsd.spec.yaml_document import read_yaml

_STEP_NAME = re.compile(r"[a-z_][a-z0-9_]{0,254}")
_JOB_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,254}")


@dataclass(frozen=True, slots=True)
class Parsed:
    """What reading a document gave. With problems in `findings` there is no pipeline."""

    pipeline: Pipeline | None
    findings: Findings
    local: LocalThings


def parse_document(document: str | Mapping[str, object]) -> tuple[Pipeline, tuple[Problem, ...]]:
    """The pipeline and the notices; raises InvalidPipeline with every problem. Takes YAML, JSON, or plain data."""
    root = read_yaml(document, None) if isinstance(document, str) else checked_plain(document)
    parsed = parse(root)
    parsed.findings.raise_problems()
    assert parsed.pipeline is not None
    return parsed.pipeline, parsed.findings.notices


def parse(root: object) -> Parsed:
    """Read everything that can be read, collecting what is wrong."""
    findings = Findings(root)
    local = LocalThings()
    top = Node(root, (), findings)
    if not isinstance(root, dict):
        top.problem("is no pipeline: a mapping with 'type: pipeline' and 'jobs' is expected")
        return Parsed(None, findings, local)
    pipeline = _read(top, local)
    return Parsed(None if findings.problems else pipeline, findings, local)


def _read(top: Node, local: LocalThings) -> Pipeline:
    """With problems, the result is incomplete and not used."""
    _check_top(top)
    settings = _settings(top)
    component = read_component(top.child("component"))
    layers = _all_layers((component or top).child("jobs"), "")
    ports = {name: read_ports(found) if found else StepPorts(are_known=False) for name, found in layers.items()}
    bindings = Bindings(Scopes(*_own_ports(top, component), ports))
    inputs = {name: _pipeline_input(port, bindings) for name, port in bindings.scopes.inputs.items()}
    _report_doubly_bound(bindings.scopes)
    local.data.extend(_local_inputs(bindings))
    steps = _read_steps(layers, bindings, settings, local)
    report_shared_locations(steps, bindings)
    report_cycles({name: bindings.scopes.named_by(name) for name in ports})
    return Pipeline(
        name=top.child("name").text(),
        display_name=top.child("display_name").text(),
        experiment_name=top.child("experiment_name").text(),
        description=top.child("description").text(),
        tags=top.child("tags").texts(),
        properties=top.child("properties").texts(),
        settings=settings,
        inputs=inputs,
        outputs={name: _pipeline_output(port, bindings.scopes) for name, port in bindings.scopes.outputs.items()},
        steps=tuple(steps),
    )


def _check_top(top: Node) -> None:
    type_ = top.child("type")
    written = type_.text()
    if written != "pipeline" and (written in KINDS or written in UNSUPPORTED_TYPES):
        type_.problem(f"must be pipeline, not {shown(written)}: write this as a step, under the 'jobs' of a pipeline")
        return
    if written != "pipeline":
        type_.problem("is missing: write 'type: pipeline'" if written is None else f"must be pipeline, not {shown(written)}")
    top.refuse_unknown_keys(TOP_KEYS, TOP_HINTS)
    name = top.child("name").text()
    if name is not None and not _JOB_NAME.fullmatch(name):
        top.child("name").problem(
            f"{shown(name)} is no job name: letters, digits, '-' and '_', starting with a letter or digit"
        )
    _check_jobs(top)
    for key in ("identity", "services"):
        if top.child(key).is_set:
            top.child(key).notice(f"'{key}' has no effect here")


def _check_jobs(top: Node) -> None:
    """A pipeline has its steps in `jobs`, or in the pipeline component that it runs as a whole (spec section 1.1)."""
    component = top.child("component")
    if component.is_set and top.child("jobs").is_set:
        top.child("jobs").problem("'jobs' and 'component' exclude each other: the component has the steps")
    holder = component if isinstance(component.value, dict) else top
    type_ = component.child("type").text()
    if type_ not in (None, "pipeline"):
        component.child("type").problem(
            f"must be pipeline, not {shown(type_)}: a component of this type is one step of 'jobs'"
        )
    elif not holder.child("jobs").value and not (component.is_set and holder is top):
        holder.child("jobs").problem("the pipeline has no jobs: there is nothing to run")


def _all_layers(jobs: Node, scope: str) -> dict[str, Layers | None]:
    """Each step's layers, those in nested pipelines after the pipeline.

    None where the step cannot be understood, so that bindings to it are not called unknown.
    """
    found: dict[str, Layers | None] = {}
    for name, node in jobs.fields().items():
        if not _STEP_NAME.fullmatch(name) or not name.isidentifier():
            node.problem(f"{shown(name)} is no step name: lower-case letters, digits and '_', starting with a letter or '_'")
        full_name = in_scope(scope, name)
        found[full_name] = layers = read_layers(node)
        if layers is not None and layers.kind == "pipeline":
            inner = layers.node("component", "jobs")
            if not inner.value:
                inner.problem("the pipeline component has no jobs: there is nothing to run")
            found |= _all_layers(inner, full_name)
    return found


def _own_ports(top: Node, component: Node | None) -> tuple[dict[str, Port], dict[str, Port]]:
    inputs, outputs = read_inputs(top.child("inputs")), read_outputs(top.child("outputs"))
    if component is None:
        return inputs, outputs
    declared = read_inputs(component.child("inputs")), read_outputs(component.child("outputs"))
    return merged(declared[0], inputs), merged(declared[1], outputs)


def _read_steps(
    layers: Mapping[str, Layers | None], bindings: Bindings, settings: PipelineSettings, local: LocalThings
) -> list[Step]:
    steps = []
    for name, found in layers.items():
        if found is None:
            continue
        context = StepContext(name, found, bindings, settings.default_compute, local)
        if found.kind == "pipeline":
            read_nested_pipeline(context)
        else:
            steps.append(read_step(context))
    return steps


def _settings(top: Node) -> PipelineSettings:
    """Keys that mean nothing are accepted, because the original's schema is open here (spec section 1.2)."""
    node = top.child("settings")
    fields = node.fields()
    for key in ("on_init", "on_finalize"):
        if key in fields:
            fields[key].notice(f"'{key}' has no effect here")
    datastore = node.child("default_datastore").text()
    if datastore is not None and datastore.removeprefix("azureml:") != DEFAULT_DATASTORE:
        node.child("default_datastore").problem(
            f"there is no datastore {shown(datastore)}: only '{DEFAULT_DATASTORE}' exists"
        )
    return PipelineSettings(
        default_compute=node.child("default_compute").text() or top.child("compute").text(),
        continue_on_step_failure=_flag(node.child("continue_on_step_failure"), True),
        force_rerun=_flag(node.child("force_rerun"), False),
    )


def _flag(node: Node, default: bool) -> bool:
    value = checked(node, units.boolean, node.value) if node.is_set else None
    return default if value is None else bool(value)


def _pipeline_input(port: Port, bindings: Bindings) -> PipelineInput:
    at = port.text_at or port.at
    if port.text is not None and has_expression(port.text):
        at.problem("an input of the pipeline must be a literal or data, not an expression")
    source = bindings.pipeline_source(port.name)
    type_ = source.type or DEFAULT_TYPE
    if source.literal is not None:
        if type_ in DATA_TYPES:
            at.problem(f"must be data of type {type_}: write 'path' instead of 'value'")
        else:
            check_literal(source.literal, type_, port.declaration or port.at, at)
        return PipelineInput(name=port.name, type=type_, mode="", literal=source.literal)
    mode = port.mode or DEFAULT_INPUT_MODE
    if type_ in DATA_TYPES:
        check_mode(type_, mode, port.at)
    elif source.path is not None:
        at.problem(f"must be a literal of type {type_}: write 'value' instead of 'path'")
    path = check_location(source.path, at) if source.path is not None else None
    return PipelineInput(name=port.name, type=type_, mode=mode, path=path)


def _local_inputs(bindings: Bindings) -> list[LocalData]:
    """Local paths of the pipeline's inputs. What they are read as, the steps say."""
    found = []
    for name, port in bindings.scopes.inputs.items():
        path = bindings.pipeline_source(name).path
        location = classify(path) if path is not None else None
        if isinstance(location, Local) and location.is_absolute:
            found.append(LocalData(location.path, "", port.text_at or port.at))
    return found


def _report_doubly_bound(scopes: Scopes) -> None:
    """A second step output that is bound to the same output of a pipeline would overwrite the first."""
    bound: dict[tuple[str, str], str] = {}
    for step, ports in scopes.steps.items():
        for port in ports.outputs.values():
            name = bound_output(port)
            if name is None:
                continue
            first = bound.setdefault((scope_of(step), name), f"{step}.{port.name}")
            if first != f"{step}.{port.name}":
                port.at.problem(f"the pipeline's output '{name}' is bound to {first} already")


def _pipeline_output(port: Port, scopes: Scopes) -> PipelineOutput:
    writer = scopes.pipeline_writer(port.name)
    if writer is None:
        port.at.notice(f"no step writes to it: bind a step's output with ${{{{parent.outputs.{port.name}}}}}")
    bound_to = None if writer is None else ".".join(writer)
    return PipelineOutput(name=port.name, type=port.type, mode=port.mode, path=port.text, bound_to=bound_to)
