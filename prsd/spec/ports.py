"""Inputs and outputs as they are written, before bindings are followed (spec section 1.6)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from prsd.spec import units
from prsd.spec.expressions import has_expression, sole_expression
from prsd.spec.keys import INPUT_KEYS, OUTPUT_KEYS
from prsd.spec.node import Node, checked
from prsd.spec.problems import did_you_mean, listed, shown

DATA_TYPES = ("uri_file", "uri_folder", "mltable", "mlflow_model", "custom_model", "triton_model")
PARAMETER_TYPES = ("string", "integer", "number", "boolean")
INPUT_MODES = ("ro_mount", "download", "direct")
MLTABLE_MODES = (*INPUT_MODES, "eval_mount", "eval_download")
OUTPUT_MODES = ("rw_mount", "mount", "upload", "direct")
DEFAULT_TYPE, DEFAULT_INPUT_MODE, DEFAULT_OUTPUT_MODE = "uri_folder", "ro_mount", "rw_mount"
# The type of older component files.
_LEGACY_TYPES = {"path": "uri_folder"}
_NAME_LIMIT = 255


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output as written; what is None was not said."""

    name: str
    at: Node
    type: str | None = None
    mode: str | None = None
    # A literal, a path or a text with expressions, and where it is written.
    text: str | None = None
    text_at: Node | None = None
    is_path: bool = False
    # What kind of literal the YAML scalar is.
    literal_type: str = "string"
    optional: bool = False
    # The component's declaration, with the parameter's limits.
    declaration: Node | None = None


def read_inputs(node: Node) -> dict[str, Port]:
    return {name: _read_input(name, entry) for name, entry in node.fields().items() if _is_name(entry, name)}


def read_outputs(node: Node) -> dict[str, Port]:
    return {name: _read_output(name, entry) for name, entry in node.fields().items() if _is_name(entry, name)}


def merged(declared: Mapping[str, Port], given: Mapping[str, Port]) -> dict[str, Port]:
    """The component's ports with the step's on top, key by key (spec section 1.5); other names are refused."""
    for name, port in given.items():
        if name not in declared:
            port.at.problem(
                f"the component has no '{name}'{did_you_mean(name, declared)} (it has: {listed(sorted(declared))})"
            )
    extra = {name: port for name, port in given.items() if name not in declared}
    return {name: _over(port, given.get(name)) for name, port in declared.items()} | extra


def check_mode(type_: str, mode: str, at: Node) -> None:
    """`eval_*` evaluates an MLTable, so it needs one."""
    allowed = MLTABLE_MODES if type_ == "mltable" else INPUT_MODES
    if mode in allowed:
        return
    why = "; eval modes are for type mltable only" if mode in MLTABLE_MODES else did_you_mean(mode, allowed)
    at.child("mode").problem(f"mode {shown(mode)} is not allowed for type {type_}: one of {', '.join(allowed)}{why}")


def _over(declared: Port, given: Port | None) -> Port:
    if given is None:
        return replace(declared, declaration=declared.at)
    has_text = given.text is not None
    return replace(
        given,
        type=given.type or declared.type,
        mode=given.mode or declared.mode,
        text=given.text if has_text else declared.text,
        text_at=given.text_at if has_text else declared.text_at,
        is_path=given.is_path if has_text else declared.is_path,
        literal_type=given.literal_type if has_text else declared.literal_type,
        optional=given.optional or declared.optional,
        declaration=declared.at,
    )


def _is_name(node: Node, name: str) -> bool:
    """A port's name becomes part of paths and expressions."""
    fine = name.isidentifier() and len(name) <= _NAME_LIMIT
    if not fine:
        node.problem(f"{shown(name)} is no name for an input or output: letters, digits and '_', not starting with a digit")
    return fine


def _read_input(name: str, node: Node) -> Port:
    if node.value is None:
        return Port(name, node)
    if not isinstance(node.value, dict):
        text = node.text()
        return Port(name, node, text=text, text_at=node, literal_type=_literal_type(node.value))
    node.refuse_unknown_keys(INPUT_KEYS)
    if node.child("path").is_set and node.child("value").is_set:
        node.problem("has a 'path' and a 'value': write one of them")
    for ignored in ("datastore", "path_on_compute"):
        if node.child(ignored).is_set:
            node.child(ignored).notice(f"'{ignored}' has no effect here")
    type_ = _type(node, (*DATA_TYPES, *PARAMETER_TYPES))
    port = Port(name, node, type_, node.child("mode").text(), optional=_is_optional(node.child("optional")))
    return _with_text(port, node)


def _is_optional(node: Node) -> bool:
    return node.is_set and checked(node, units.boolean, node.value) is True


def _with_text(port: Port, node: Node) -> Port:
    for key in ("path", "value", "default"):
        entry = node.child(key)
        text = entry.text()
        if text is not None:
            is_path = key == "path" or (key == "default" and port.type in DATA_TYPES)
            return replace(port, text=text, text_at=entry, is_path=is_path, literal_type=_literal_type(entry.value))
    return port


def _read_output(name: str, node: Node) -> Port:
    if node.value is None:
        return Port(name, node)
    if not isinstance(node.value, dict):
        return _bare_output(name, node)
    node.refuse_unknown_keys(OUTPUT_KEYS)
    if node.child("name").is_set or node.child("version").is_set:
        node.notice("outputs are not registered as assets; the data stays at the output's location")
    path = node.child("path")
    return Port(name, node, _type(node, DATA_TYPES), _output_mode(node.child("mode")), path.text(), path, is_path=True)


def _bare_output(name: str, node: Node) -> Port:
    text = node.text()
    if text is not None and not (sole_expression(text) and has_expression(text)):
        node.problem("an output is empty, a binding ${{parent.outputs.name}}, or a mapping with type, mode and path")
        text = None
    return Port(name, node, text=text, text_at=node, is_path=True)


def _output_mode(node: Node) -> str | None:
    mode = node.text()
    if mode == "link":
        # Older component files have it (spec section 1.5).
        node.notice("mode 'link' is read as rw_mount")
        return DEFAULT_OUTPUT_MODE
    if mode is not None and mode not in OUTPUT_MODES:
        node.problem(f"mode {shown(mode)} is not allowed for an output: one of {', '.join(OUTPUT_MODES)}")
        return None
    return mode


def _type(node: Node, allowed: tuple[str, ...]) -> str | None:
    text = node.child("type").text()
    if text is None:
        return None
    type_ = _LEGACY_TYPES.get(text, text)
    if type_ in allowed:
        return type_
    node.child("type").problem(f"unknown type {shown(text)}{did_you_mean(text, allowed)} (allowed: {', '.join(allowed)})")
    return None


def _literal_type(value: object) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    return "number" if isinstance(value, float) else "string"
