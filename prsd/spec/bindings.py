"""Follows bindings: what a step's input is in the end, and which steps have to run before (spec section 1.7)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from prsd.spec import units
from prsd.spec.expressions import Expression, MalformedExpressionError, has_expression, sole_expression, substitute
from prsd.spec.node import Node
from prsd.spec.ports import DEFAULT_TYPE, Port
from prsd.spec.problems import did_you_mean, listed, shown
from prsd.spec.scopes import Scopes, in_scope, scope_of

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


class Bindings:
    """What the ports of a pipeline lead to."""

    def __init__(self, scopes: Scopes) -> None:
        self.scopes = scopes
        self.steps = scopes.steps
        self._sources: dict[tuple[str, str], Source] = {}
        self._depth = 0

    def source(self, step: str, name: str) -> Source:
        """What input `name` of `step` is bound to; broken while it is being followed, so that cycles end."""
        key = (step, name)
        if key not in self._sources:
            self._sources[key] = _BROKEN
            port = self.steps[step].inputs[name]
            self._sources[key] = _spelt(self._follow_port(port, scope_of(step)), port.type)
        return self._sources[key]

    def pipeline_source(self, name: str) -> Source:
        """An input of the whole pipeline, which nothing can be bound to."""
        port = self.scopes.inputs[name]
        if port.text is None or has_expression(port.text):
            return Source(port.type, port.mode, at=port.at)
        if port.is_path:
            return Source(port.type or DEFAULT_TYPE, port.mode, path=port.text, at=port.text_at)
        return _spelt(Source(port.type or port.literal_type, literal=port.text, at=port.text_at), port.type)

    def output_type(self, step: str, name: str) -> str:
        """The pipeline output that a step output is bound to may override its type (spec section 1.6)."""
        if name not in self.steps[step].outputs:
            return DEFAULT_TYPE
        types = [port.type for port in self.scopes.outward(step, name) if port.type]
        return types[-1] if types else DEFAULT_TYPE

    def literal_text(self, node: Node, step: str) -> str | None:
        """The text of an attribute with `${{parent.inputs.n}}` and `${{inputs.n}}` replaced by literals."""
        text = node.text()
        if text is None or not has_expression(text):
            return text
        return self._literals(text, node, _Place(scope_of(step), step))

    def _literals(self, text: str, node: Node, place: "_Place") -> str | None:
        sources: list[Source] = []

        def resolve(expression: Expression) -> str:
            source = self._follow(expression, node, place)
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

    def _follow_port(self, port: Port, scope: str) -> Source:
        node = port.text_at or port.at
        if port.text is None:
            return _UNSET
        expression = sole_expression(port.text)
        if expression is not None:
            return self._follow(expression, node, _Place(scope))
        text: str | None = port.text
        if has_expression(port.text):
            text = self._literals(port.text, node, _Place(scope))
        if text is None:
            return _UNSET if port.optional else _BROKEN
        if port.is_path:
            return Source(port.type, path=text, at=node)
        return Source(port.type or port.literal_type, literal=text, at=node)

    def _follow(self, expression: Expression, node: Node, place: "_Place") -> Source:
        match expression.kind:
            case "input" if place.step is not None:
                return self._own_input(expression, node, place.step)
            case "input":
                node.notice(f"{expression} is read as ${{{{parent.inputs.{expression.name}}}}}")
                return self._parent_input(expression, node, place.scope)
            case "parent_input":
                return self._parent_input(expression, node, place.scope)
            case "step_output" if place.step is None:
                return self._step_output(expression, node, place.scope)
            case "step_input" if place.step is None:
                return self._step_input(expression, node, place.scope)
        here = (
            "${{parent.inputs.name}} and ${{inputs.name}}"
            if place.step
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

    def _parent_input(self, expression: Expression, node: Node, scope: str) -> Source:
        inputs = self.scopes.inputs_of(scope)
        if expression.name not in inputs:
            whole = f"the pipeline component of step '{scope}'" if scope else "the pipeline"
            node.problem(_no_such(expression, f"{whole} has no input", inputs))
            return _BROKEN
        if scope:
            source = self._input_of(scope, expression, node)
            # Whoever reads the nested pipeline's own inputs says that it lacks a value.
            return _BROKEN if source.is_unset and not inputs[expression.name].optional else source
        source = self.pipeline_source(expression.name)
        if source.is_unset and not inputs[expression.name].optional:
            source = _BROKEN
            node.problem(
                f"{expression}: the pipeline input '{expression.name}' has no value; give it one under 'inputs', "
                f"or with --set inputs.{expression.name}=…"
            )
        return source

    def _step_output(self, expression: Expression, node: Node, scope: str) -> Source:
        step = self._other_step(expression, node, scope)
        if step is None:
            return _BROKEN
        outputs = self.steps[step].outputs
        if expression.name not in outputs:
            node.problem(_no_such(expression, f"step '{expression.step}' has no output", outputs))
            return _BROKEN
        writer = self.scopes.writer(step, expression.name)
        if writer is None:
            node.problem(f"{expression}: no step of '{expression.step}' writes to its output '{expression.name}'")
            return _BROKEN
        return Source(self.output_type(*writer), producer=writer, at=node)

    def _step_input(self, expression: Expression, node: Node, scope: str) -> Source:
        step = self._other_step(expression, node, scope)
        if step is None:
            return _BROKEN
        inputs = self.steps[step].inputs
        if expression.name not in inputs:
            node.problem(_no_such(expression, f"step '{expression.step}' has no input", inputs))
            return _BROKEN
        return self._input_of(step, expression, node)

    def _input_of(self, step: str, expression: Expression, node: Node) -> Source:
        """What an input of another step, or of the nested pipeline round this one, is bound to; read as that declares it."""
        if self._depth >= _LONGEST_CHAIN:
            node.problem(f"{expression} ends a chain of more than {_LONGEST_CHAIN} bindings of inputs to inputs")
            return _BROKEN
        self._depth += 1
        try:
            source = self.source(step, expression.name)
        finally:
            self._depth -= 1
        port = self.steps[step].inputs[expression.name]
        return source if source.is_unset else replace(source, type=port.type or source.type, mode=port.mode or source.mode)

    def _other_step(self, expression: Expression, node: Node, scope: str) -> str | None:
        step = in_scope(scope, expression.step)
        if step not in self.steps:
            known = self.scopes.steps_in(scope)
            node.problem(
                f"{expression}: there is no step '{expression.step}'{did_you_mean(expression.step, known)}"
                f" (steps: {listed(known)})"
            )
            return None
        return step if self.steps[step].are_known else None


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an expression stands. With a `step`, `${{inputs.n}}` means its own inputs; in an inputs block there is none."""

    scope: str
    step: str | None = None


def _spelt(source: Source, declared: str | None) -> Source:
    """A truth value is written True or False, as Python does and the original hands it to scripts; the SDK dumps 1 and 0."""
    if source.literal is None or (declared or source.type) != "boolean":
        return source
    try:
        return replace(source, literal=str(units.boolean(source.literal)))
    except ValueError:
        # Reported where the input's type is checked.
        return source


def _no_such(expression: Expression, what: str, names: Mapping[str, Port]) -> str:
    return f"{expression}: {what} '{expression.name}'{did_you_mean(expression.name, names)} (it has: {listed(names)})"
