"""Follows bindings: what a step's input is in the end, and which steps have to run before (spec section 1.7)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from prsd.spec.expressions import (
    Expression,
    MalformedExpressionError,
    expressions_in,
    has_expression,
    sole_expression,
    substitute,
)
from prsd.spec.node import Node
from prsd.spec.ports import DEFAULT_TYPE, Port
from prsd.spec.problems import did_you_mean, listed, shown

_LONGEST_CHAIN = 60


@dataclass(frozen=True, slots=True)
class Source:
    """What an input is bound to in the end; nothing at all when it has no value."""

    type: str | None = None
    mode: str | None = None
    literal: str | None = None
    path: str | None = None
    producer: tuple[str, str] | None = None
    at: Node | None = None
    # What is wrong with it was reported already, or the other step cannot be known: say nothing more.
    is_broken: bool = False

    @property
    def is_unset(self) -> bool:
        return self.literal is None and self.path is None and self.producer is None


_UNSET = Source()
_BROKEN = Source(is_broken=True)


@dataclass(frozen=True, slots=True)
class StepPorts:
    """The inputs and outputs of one step. When they cannot be known, any name is taken for granted."""

    inputs: Mapping[str, Port] = field(default_factory=dict)
    outputs: Mapping[str, Port] = field(default_factory=dict)
    are_known: bool = True


class Bindings:
    """All ports of a pipeline, and what they lead to."""

    def __init__(self, inputs: Mapping[str, Port], outputs: Mapping[str, Port], steps: Mapping[str, StepPorts]) -> None:
        self.inputs = inputs
        self.outputs = outputs
        self.steps = steps
        self._sources: dict[tuple[str, str], Source] = {}
        self._depth = 0

    def source(self, step: str, name: str) -> Source:
        """What input `name` of `step` is bound to; broken while it is being followed, so that cycles end."""
        key = (step, name)
        if key not in self._sources:
            self._sources[key] = _BROKEN
            self._sources[key] = self._follow_port(self.steps[step].inputs[name])
        return self._sources[key]

    def pipeline_source(self, name: str) -> Source:
        """A pipeline input, which nothing can be bound to."""
        port = self.inputs[name]
        if port.text is None or has_expression(port.text):
            return Source(port.type, port.mode, at=port.at)
        if port.is_path:
            return Source(port.type or DEFAULT_TYPE, port.mode, path=port.text, at=port.text_at)
        return Source(port.type or port.literal_type, literal=port.text, at=port.text_at)

    def output_type(self, step: str, name: str) -> str:
        """The pipeline output that a step output is bound to may override its type (spec section 1.6)."""
        port = self.steps[step].outputs.get(name)
        bound = self.outputs.get(self.pipeline_output(port) or "") if port else None
        return (bound.type if bound else None) or (port.type if port else None) or DEFAULT_TYPE

    def pipeline_output(self, port: Port) -> str | None:
        """The name of the pipeline output that a step output is bound to."""
        expression = sole_expression(port.text) if port.text else None
        return expression.name if expression and expression.kind == "parent_output" else None

    def dependencies(self, step: str) -> dict[str, Node]:
        """The steps whose ports the inputs of `step` name, with the place of the first binding to each."""
        found: dict[str, Node] = {}
        for port in self.steps[step].inputs.values():
            for expression in expressions_in(port.text or ""):
                if expression.step in self.steps:
                    found.setdefault(expression.step, port.text_at or port.at)
        return found

    def literal_text(self, node: Node, step: str) -> str | None:
        """The text of an attribute with `${{parent.inputs.n}}` and `${{inputs.n}}` replaced by literals."""
        text = node.text()
        if text is None or not has_expression(text):
            return text
        return self._literals(text, node, step)

    def _literals(self, text: str, node: Node, step: str | None) -> str | None:
        sources: list[Source] = []

        def resolve(expression: Expression) -> str:
            source = self._follow(expression, node, step)
            sources.append(source)
            if source.path is not None or source.producer is not None:
                node.problem(f"{expression} is data; only a literal can stand here")
            return source.literal or ""

        try:
            result = substitute(text, resolve)
        except MalformedExpressionError as error:
            node.problem(str(error))
            return None
        return result if all(source.literal is not None for source in sources) else None

    def _follow_port(self, port: Port) -> Source:
        node = port.text_at or port.at
        if port.text is None:
            return _UNSET
        expression = sole_expression(port.text)
        if expression is not None:
            return self._follow(expression, node, None)
        text: str | None = port.text
        if has_expression(port.text):
            text = self._literals(port.text, node, None)
        if text is None:
            return _UNSET if port.optional else _BROKEN
        if port.is_path:
            return Source(port.type, path=text, at=node)
        return Source(port.type or port.literal_type, literal=text, at=node)

    def _follow(self, expression: Expression, node: Node, step: str | None) -> Source:
        """`step` is given where `${{inputs.n}}` means the step's own inputs; in an inputs block it means the parent's."""
        match expression.kind:
            case "input" if step is not None:
                return self._own_input(expression, node, step)
            case "input":
                node.notice(f"{expression} is read as ${{{{parent.inputs.{expression.name}}}}}")
                return self._parent_input(expression, node)
            case "parent_input":
                return self._parent_input(expression, node)
            case "step_output" if step is None:
                return self._step_output(expression, node)
            case "step_input" if step is None:
                return self._step_input(expression, node)
        here = (
            "${{parent.inputs.name}} and ${{inputs.name}}"
            if step
            else "${{parent.inputs.name}} and ${{parent.jobs.step.outputs.name}}"
        )
        node.problem(f"{shown(str(expression))} means nothing here: use {here}")
        return _BROKEN

    def _own_input(self, expression: Expression, node: Node, step: str) -> Source:
        ports = self.steps[step]
        if expression.name in ports.inputs:
            return self.source(step, expression.name)
        if ports.are_known:
            node.problem(_no_such(expression, "the step has no input", ports.inputs))
        return _BROKEN

    def _parent_input(self, expression: Expression, node: Node) -> Source:
        if expression.name not in self.inputs:
            node.problem(_no_such(expression, "the pipeline has no input", self.inputs))
            return _BROKEN
        source = self.pipeline_source(expression.name)
        if source.is_unset and not self.inputs[expression.name].optional:
            source = _BROKEN
            node.problem(
                f"{expression}: the pipeline input '{expression.name}' has no value; give it one under 'inputs', "
                f"or with --set inputs.{expression.name}=…"
            )
        return source

    def _step_output(self, expression: Expression, node: Node) -> Source:
        other = self._other_step(expression, node)
        if other is None:
            return _BROKEN
        if expression.name not in other.outputs:
            node.problem(_no_such(expression, f"step '{expression.step}' has no output", other.outputs))
            return _BROKEN
        type_ = self.output_type(expression.step, expression.name)
        return Source(type_, producer=(expression.step, expression.name), at=node)

    def _step_input(self, expression: Expression, node: Node) -> Source:
        other = self._other_step(expression, node)
        if other is None:
            return _BROKEN
        if expression.name not in other.inputs:
            node.problem(_no_such(expression, f"step '{expression.step}' has no input", other.inputs))
            return _BROKEN
        if self._depth >= _LONGEST_CHAIN:
            node.problem(f"{expression} ends a chain of more than {_LONGEST_CHAIN} bindings of inputs to inputs")
            return _BROKEN
        self._depth += 1
        try:
            source = self.source(expression.step, expression.name)
        finally:
            self._depth -= 1
        port = other.inputs[expression.name]
        return source if source.is_unset else replace(source, type=port.type or source.type, mode=port.mode or source.mode)

    def _other_step(self, expression: Expression, node: Node) -> StepPorts | None:
        other = self.steps.get(expression.step)
        if other is None:
            node.problem(
                f"{expression}: there is no step '{expression.step}'{did_you_mean(expression.step, self.steps)}"
                f" (steps: {listed(self.steps)})"
            )
            return None
        return other if other.are_known else None


def _no_such(expression: Expression, what: str, names: Mapping[str, Port]) -> str:
    return f"{expression}: {what} '{expression.name}'{did_you_mean(expression.name, names)} (it has: {listed(names)})"
