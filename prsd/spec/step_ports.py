"""A step's inputs and outputs with their bindings followed, checked against types, modes and declarations."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from prsd.spec import units
from prsd.spec.bindings import Bindings, Source
from prsd.spec.expressions import MalformedExpressionError, parse
from prsd.spec.locations import Local, Refused, Remote, classify
from prsd.spec.model import Step, StepInput, StepOutput
from prsd.spec.node import Node, text_of
from prsd.spec.ports import (
    DATA_TYPES,
    DEFAULT_INPUT_MODE,
    DEFAULT_OUTPUT_MODE,
    DEFAULT_TYPE,
    PARAMETER_TYPES,
    Port,
    check_mode,
)
from prsd.spec.problems import listed, shown
from prsd.spec.scopes import bound_output, scope_of


@dataclass(frozen=True, slots=True)
class LocalData:
    """A local path that an input reads, with the type it is read as."""

    path: str
    type: str
    at: Node


def read_step_inputs(step: str, bindings: Bindings) -> tuple[dict[str, StepInput], list[LocalData]]:
    """All inputs of a step, and the local paths among them."""
    inputs: dict[str, StepInput] = {}
    local: list[LocalData] = []
    for name, port in bindings.steps[step].inputs.items():
        source = bindings.source(step, name)
        inputs[name] = read = _input(port, source)
        path = classify(read.path) if read.path else None
        if isinstance(path, Local) and source.at is not None:
            local.append(LocalData(path.path, read.type, source.at))
    return inputs, local


def read_step_outputs(step: str, bindings: Bindings) -> dict[str, StepOutput]:
    """All outputs of a step; a bound pipeline output decides the location and may change the type."""
    return {name: _output(step, name, bindings) for name in bindings.steps[step].outputs}


def report_shared_locations(steps: Iterable[Step], bindings: Bindings) -> None:
    """Two outputs at one place: a file would be overwritten, a folder is shared, which may be meant."""
    writers: dict[str, str] = {}
    for step in steps:
        for name, output in step.outputs.items():
            if output.path is None:
                continue
            place = output.path.replace("${{name}}", f"\0{step.name}").replace("${{output_name}}", name).rstrip("/")
            first = writers.setdefault(place, f"{step.name}.{name}")
            if first == f"{step.name}.{name}":
                continue
            at = bindings.steps[step.name].outputs[name].at
            if output.type == "uri_file":
                at.problem(f"is the same file as {first}, which would be overwritten: give it another path")
            else:
                at.notice(f"is the same folder as {first}; files of the same name overwrite each other")


def check_location(text: str, at: Node) -> str | None:
    """The path, if it is one that can be used; else None with a problem."""
    location = classify(text)
    if isinstance(location, Refused):
        at.problem(location.message)
        return None
    if isinstance(location, Local):
        if not location.is_absolute:
            at.problem("is a relative path: submit with prsctl, which knows the folder it is relative to")
            return None
        return location.path
    return location.uri if isinstance(location, Remote) else text


def check_literal(text: str, type_: str, declaration: Node | None, at: Node) -> None:
    """A parameter's type, and the `enum`, `min` and `max` of its declaration (spec section 1.5)."""
    rules: dict[str, units.Rule] = {
        "integer": units.integer(-(2**63), 2**63 - 1),
        "number": units.any_number,
        "boolean": units.boolean,
    }
    rule = rules.get(type_)
    try:
        value = rule(text) if rule else text
    except ValueError:
        at.problem(f"must be of type {type_}, not {shown(text)}")
        return
    if declaration is not None and isinstance(declaration.value, dict):
        _check_limits(text, value, declaration, at)


def _check_limits(text: str, value: object, declaration: Node, at: Node) -> None:
    enum = declaration.child("enum")
    if enum.is_set:
        allowed = [node.text() or "" for node in enum.elements()]
        if text not in allowed:
            at.problem(f"must be one of {listed(allowed)}, not {shown(text)}")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return
    lowest, highest = (_limit(declaration.child(key)) for key in ("min", "max"))
    if (lowest is not None and value < lowest) or (highest is not None and value > highest):
        at.problem(
            f"must be in [{text_of(declaration.child('min').value or '-∞')}, "
            f"{text_of(declaration.child('max').value or '∞')}], not {shown(text)}"
        )


def _limit(node: Node) -> float | None:
    try:
        return None if node.value is None else units.any_number(node.value)
    except ValueError:
        node.problem(f"must be a number, not {shown(node.value)}")
        return None


def _input(port: Port, source: Source) -> StepInput:
    at = port.text_at or port.at
    if source.literal is not None:
        return _literal_input(port, source, source.literal, at)
    type_ = port.type or source.type or DEFAULT_TYPE
    if source.is_unset:
        if not port.optional and not source.is_broken:
            port.at.problem("the input has no value: give it a literal, a 'path' or a binding")
        return StepInput(name=port.name, type=type_, mode=port.mode or DEFAULT_INPUT_MODE, optional_unset=True)
    mode = port.mode or source.mode or DEFAULT_INPUT_MODE
    if type_ in PARAMETER_TYPES:
        at.problem(f"must be a literal of type {type_}, not data: write 'value' instead of 'path'")
        type_ = DEFAULT_TYPE
    check_mode(type_, mode, port.at)
    path = check_location(source.path, source.at or at) if source.path is not None else None
    return StepInput(name=port.name, type=type_, mode=mode, path=path, producer=source.producer)


def _literal_input(port: Port, source: Source, literal: str, at: Node) -> StepInput:
    type_ = port.type or source.type or "string"
    if type_ in DATA_TYPES:
        at.problem(f"must be data of type {type_}, not a literal: write {{type: {type_}, path: …}}")
    else:
        check_literal(literal, type_, port.declaration, at)
    return StepInput(name=port.name, type=type_, mode="", literal=literal)


def _output(step: str, name: str, bindings: Bindings) -> StepOutput:
    """The outermost output that it is bound to decides where it lies."""
    chain = bindings.scopes.outward(step, name)
    modes = [port.mode for port in chain if port.mode]
    return StepOutput(
        name=name,
        type=bindings.output_type(step, name),
        mode=modes[0] if modes else DEFAULT_OUTPUT_MODE,
        path=_path_of_outermost(chain, step, bindings),
    )


def _path_of_outermost(chain: Sequence[Port], step: str, bindings: Bindings) -> str | None:
    own, outermost = chain[0], chain[-1]
    at = own.text_at or own.at
    outputs = bindings.scopes.outputs_of(scope_of(step))
    name = bound_output(own)
    if name is not None and name not in outputs:
        at.problem(f"${{{{parent.outputs.{name}}}}}: the pipeline has no output '{name}' (it has: {listed(outputs)})")
        return None
    ends_within = len(chain) <= step.count(".") + 1
    # A nested pipeline's output that is bound to nothing is reported with that pipeline's own outputs.
    return (
        None if ends_within and bound_output(outermost) else _output_path(outermost.text, outermost.text_at or outermost.at)
    )


def _output_path(text: str | None, at: Node) -> str | None:
    """A location may use the three names that are known at submission, and nothing else."""
    if text is None:
        return None
    try:
        pieces = parse(text)
    except MalformedExpressionError as error:
        at.problem(str(error))
        return None
    for piece in pieces:
        if not isinstance(piece, str) and piece.kind not in ("name", "output_name", "default_datastore"):
            at.problem(
                f"{shown(str(piece))} means nothing in an output's path: use ${{{{name}}}}, ${{{{output_name}}}} "
                "or ${{default_datastore}}, or bind the whole output with ${{parent.outputs.name}}"
            )
            return None
    return check_location("".join(str(piece) for piece in pieces), at)
