"""A step and the component it names: which of the two a value comes from (spec section 1.5).

The step's value wins key by key, also when it is 0; `retry_settings`, `resources` and `task` are merged.
"""

from dataclasses import dataclass
from typing import Literal, get_args

from prsd.spec.keys import COMPONENT_KEYS, STEP_HINTS, STEP_KEYS, UNSUPPORTED_TYPES
from prsd.spec.node import Node, suggestion
from prsd.spec.problems import did_you_mean, shown

# A step with work of its own, or a pipeline component, which stands for its steps.
Kind = Literal["parallel", "command", "pipeline"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Written:
    """A value that was written, and by whom."""

    node: Node
    origin: Literal["step", "component"]


@dataclass(frozen=True, slots=True)
class Layers:
    """A step over its component."""

    kind: Kind
    step: Node
    component: Node | None

    def find(self, *keys: str) -> Written | None:
        """The value under a path of keys: the step's, else the component's."""
        node = self.step.child(*keys)
        if node.is_set:
            return Written(node, "step")
        if self.component is not None and self.component.child(*keys).is_set:
            return Written(self.component.child(*keys), "component")
        return None

    def node(self, *keys: str) -> Node:
        """Like `find`; where nothing is written, the place in the step where it would be."""
        written = self.find(*keys)
        return written.node if written else self.step.child(*keys)

    def all(self, *keys: str) -> list[Node]:
        """The component's value, then the step's: later ones go on top."""
        found = [] if self.component is None else [self.component.child(*keys)]
        return [node for node in [*found, self.step.child(*keys)] if node.is_set]


def read_layers(step: Node) -> Layers | None:
    """The step's kind and component; None, with a problem, where it is nothing that can be run."""
    fields = step.fields()
    if not fields:
        step.problem("is empty: a step needs a 'type', and a 'task', a 'command' or a 'component'")
        return None
    component = read_component(step.child("component"))
    if component is None and step.child("component").is_set:
        return None
    kind = _kind(step, component)
    if kind is None:
        return None
    if kind == "pipeline" and component is None:
        step.problem("a pipeline step needs a 'component': put its 'jobs' into a file, and write component: ./file.yml")
        return None
    layers = Layers(kind, step, component)
    _check_keys(layers)
    return layers


def read_component(node: Node) -> Node | None:
    """The component, if it is written in the document; else None, with a problem where something else is named."""
    if node.value is None or isinstance(node.value, dict):
        return node if node.is_set else None
    text = node.text() or ""
    if text.startswith("azureml:"):
        node.problem(f"{shown(text)} is a registered component, which is not supported: write component: ./file.yml")
    else:
        node.problem(
            "component files are read where the pipeline is submitted from: submit with prsctl, or write the component here"
        )
    return None


def _kind(step: Node, component: Node | None) -> Kind | None:
    own = step.child("type").text()
    theirs = component.child("type").text() if component else None
    if own and theirs and own != theirs:
        step.child("type").problem(f"the step has type {shown(own)}, but its component has type {shown(theirs)}")
        return None
    at = step.child("type") if own or component is None else component.child("type")
    written = own or theirs
    if written is None:
        return _guessed(step, component)
    if written in UNSUPPORTED_TYPES:
        at.problem(UNSUPPORTED_TYPES[written])
        return None
    for kind in KINDS:
        if written == kind:
            return kind
    at.problem(f"unknown step type {shown(written)}{did_you_mean(written, KINDS)} (allowed: {', '.join(KINDS)})")
    return None


def _guessed(step: Node, component: Node | None) -> Kind | None:
    """A step without a type is a command step (spec section 1.3), unless what it holds says otherwise."""
    layers = [step] if component is None else [step, component]
    if any(layer.child("command").is_set for layer in layers):
        return "command"
    if component is not None and component.child("jobs").is_set:
        return "pipeline"
    if any(layer.child("task").is_set for layer in layers):
        step.problem("has a 'task' but no type: add 'type: parallel'")
        return None
    for key in ("trial", "body", "condition"):
        if step.child(key).is_set:
            step.child(key).problem(f"'{key}' belongs to a step type that is not supported (supported: {', '.join(KINDS)})")
            return None
    step.problem("has neither 'type' nor 'command': add 'type: parallel' and a 'task', or a 'command'")
    return None


def _check_keys(layers: Layers) -> None:
    hints = STEP_HINTS[layers.kind]
    layers.step.refuse_unknown_keys(STEP_KEYS[layers.kind], hints)
    if layers.component is None:
        return
    allowed = COMPONENT_KEYS[layers.kind]
    for key, node in layers.component.fields().items():
        # Published component files carry extra keys, so here they are no reason to refuse.
        if key not in allowed:
            node.notice(f"the component's key {shown(key)} is ignored{suggestion(key, allowed, hints)}")
