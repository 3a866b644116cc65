"""Where names mean something: the pipeline is a scope, and so is each pipeline component that is a step (spec section 1.3).

A step of a nested pipeline is named after the way to it, "outer.inner", and "outer" is the scope in which its bindings are
read; the pipeline itself is the scope "". Nested pipelines have ports and no work: what they hand through is followed here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from prsd.spec.expressions import Expression, expressions_in, sole_expression
from prsd.spec.node import Node
from prsd.spec.ports import Port

Ports = Mapping[str, Port]
# A step and the name of one of its ports.
PortOf = tuple[str, str]


def scope_of(step: str) -> str:
    """The scope that a step stands in."""
    return step.rpartition(".")[0]


def in_scope(scope: str, name: str) -> str:
    """The full name of what is called `name` within a scope."""
    return f"{scope}.{name}" if scope else name


@dataclass(frozen=True, slots=True)
class StepPorts:
    """The inputs and outputs of one step. When they cannot be known, any name is taken for granted."""

    inputs: Ports = field(default_factory=dict)
    outputs: Ports = field(default_factory=dict)
    are_known: bool = True
    is_pipeline: bool = False


class Scopes:
    """All ports of a pipeline; `steps` by full name, nested pipelines among them."""

    def __init__(self, inputs: Ports, outputs: Ports, steps: Mapping[str, StepPorts]) -> None:
        self.inputs = inputs
        self.outputs = outputs
        self.steps = steps
        # By output of a nested pipeline: the step output that is bound to it. A second one is reported elsewhere.
        self._bound: dict[PortOf, PortOf] = {}
        # By input: kept, because a hostile pipeline can name one many times on each of many levels.
        self._named: dict[PortOf, tuple[str, ...]] = {}
        for step, ports in steps.items():
            for name, port in ports.outputs.items():
                if (outer := bound_output(port)) is not None:
                    self._bound.setdefault((scope_of(step), outer), (step, name))

    def inputs_of(self, scope: str) -> Ports:
        return self.steps[scope].inputs if scope else self.inputs

    def outputs_of(self, scope: str) -> Ports:
        return self.steps[scope].outputs if scope else self.outputs

    def steps_in(self, scope: str) -> list[str]:
        """The names of the steps of a scope, as bindings in it write them."""
        return [name.rpartition(".")[2] for name in self.steps if scope_of(name) == scope]

    def writer(self, step: str, output: str) -> PortOf | None:
        """The step that writes an output, looked for in nested pipelines; None when none does."""
        if not self.steps[step].is_pipeline:
            return step, output
        bound = self._bound.get((step, output))
        return None if bound is None else self.writer(*bound)

    def pipeline_writer(self, output: str) -> PortOf | None:
        """The step that writes an output of the whole pipeline."""
        bound = self._bound.get(("", output))
        return None if bound is None else self.writer(*bound)

    def outward(self, step: str, output: str) -> list[Port]:
        """A step's output, then the pipeline's output that it is bound to, and so on up to the whole pipeline's."""
        chain = [self.steps[step].outputs[output]]
        scope = scope_of(step)
        while (name := bound_output(chain[-1])) is not None and name in self.outputs_of(scope):
            chain.append(self.outputs_of(scope)[name])
            if not scope:
                break
            scope = scope_of(scope)
        return chain

    def named_by(self, step: str) -> dict[str, Node]:
        """The steps whose ports the inputs of `step` name, with the place of the first binding to each."""
        found: dict[str, Node] = {}
        for port_name, port in self.steps[step].inputs.items():
            for name in self._named_by(step, port_name):
                found.setdefault(name, port.text_at or port.at)
        return found

    def dependencies(self, step: str) -> tuple[str, ...]:
        """The steps with work of their own that must have completed before `step`, in the order of its bindings."""
        found: dict[str, None] = {}
        passed: set[str] = set()
        pending = [*self.named_by(step)]
        while pending:
            name = pending.pop(0)
            if not self.steps[name].is_pipeline:
                found[name] = None
            elif name not in passed:
                passed.add(name)
                pending = [*self.named_by(name), *pending]
        return tuple(found)

    def _named_by(self, step: str, name: str) -> tuple[str, ...]:
        """The steps that one input names, also by way of the inputs of the nested pipelines round it."""
        key = (step, name)
        if key not in self._named:
            port, scope = self.steps[step].inputs[name], scope_of(step)
            named = (other for each in expressions_in(port.text or "") for other in self._named_in(scope, each))
            self._named[key] = tuple(dict.fromkeys(named))
        return self._named[key]

    def _named_in(self, scope: str, expression: Expression) -> tuple[str, ...]:
        other = in_scope(scope, expression.step)
        if expression.kind == "step_output" and other in self.steps:
            writer = self.writer(other, expression.name)
            return () if writer is None else writer[:1]
        if expression.kind == "step_input" and other in self.steps:
            return (other,)
        if expression.kind in ("parent_input", "input") and scope and expression.name in self.inputs_of(scope):
            return self._named_by(scope, expression.name)
        return ()


def bound_output(port: Port) -> str | None:
    """The name of the pipeline output that a step output is bound to."""
    expression = sole_expression(port.text) if port.text else None
    return expression.name if expression and expression.kind == "parent_output" else None
