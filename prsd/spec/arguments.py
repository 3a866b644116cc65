"""`program_arguments` and `command`: groups, literals, and what is left for the agent to fill in (spec section 1.7)."""

import shlex
from dataclasses import dataclass
from typing import Literal

from prsd.spec.bindings import Bindings
from prsd.spec.expressions import Expression, MalformedExpressionError, drop_unset_groups, sole_expression, substitute
from prsd.spec.node import Node
from prsd.spec.problems import did_you_mean, listed, shown


@dataclass(frozen=True, slots=True)
class Renderer:
    """Puts a step's literals into its texts; data expressions stay, normalised, because only an agent knows the paths."""

    step: str
    bindings: Bindings

    def text(self, node: Node) -> str | None:
        """The text with literals in place; None, with problems, where that is impossible."""
        written = node.text()
        if written is None:
            return None
        try:
            return substitute(drop_unset_groups(written, self._is_unset), lambda expression: self._value(expression, node))
        except MalformedExpressionError as error:
            node.problem(str(error))
            return None

    def arguments(self, node: Node) -> tuple[str, ...]:
        """Substituted first, split like a shell would afterwards: a quoted expression stays one argument."""
        text = self.text(node)
        try:
            return tuple(shlex.split(text or ""))
        except ValueError as error:
            node.problem(f"cannot be split into arguments: {str(error).lower()}")
            return ()

    def _is_unset(self, expression: Expression) -> bool:
        ports = self.bindings.steps[self.step]
        if expression.kind != "input" or expression.name not in ports.inputs:
            return False
        source = self.bindings.source(self.step, expression.name)
        return source.is_unset and not source.is_broken

    def _value(self, expression: Expression, node: Node) -> str:
        if expression.kind == "input":
            return self._input(expression, node)
        if expression.kind == "output":
            return self._output(expression, node)
        hint = ""
        if expression.kind in ("parent_input", "step_output", "step_input"):
            hint = ": bind it to an input of the step, and write ${{inputs.name}} here"
        node.problem(f"{shown(str(expression))} means nothing here{hint or ': use ${{inputs.name}} or ${{outputs.name}}'}")
        return ""

    def _input(self, expression: Expression, node: Node) -> str:
        ports = self.bindings.steps[self.step]
        if expression.name not in ports.inputs:
            if ports.are_known:
                node.problem(
                    _no_such(expression, "input", listed(ports.inputs), did_you_mean(expression.name, ports.inputs))
                )
            return ""
        source = self.bindings.source(self.step, expression.name)
        if source.literal is not None:
            return source.literal
        if self._is_unset(expression) and ports.inputs[expression.name].optional:
            node.problem(f"{expression} is optional and has no value: write the part that needs it as $[[ … ]]")
        return f"${{{{inputs.{expression.name}}}}}"

    def _output(self, expression: Expression, node: Node) -> str:
        outputs = self.bindings.steps[self.step].outputs
        if expression.name not in outputs:
            node.problem(_no_such(expression, "output", listed(outputs), did_you_mean(expression.name, outputs)))
        return f"${{{{outputs.{expression.name}}}}}"


def named_port(node: Node, kind: Literal["input", "output"]) -> str | None:
    """The name in an attribute that must be exactly `${{inputs.name}}` or `${{outputs.name}}`."""
    text = node.text()
    if text is None:
        return None
    expression = sole_expression(text)
    if expression is not None and expression.kind == kind:
        return expression.name
    node.problem(f"must be ${{{{{kind}s.name}}}}, and nothing else, not {shown(text)}")
    return None


def _no_such(expression: Expression, kind: str, known: str, guess: str) -> str:
    return f"{expression}: the step has no {kind} '{expression.name}'{guess} ({kind}s: {known})"
