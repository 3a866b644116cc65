"""What a worker finds in `sys.argv`, and the text of a command step: data expressions become values.

`sys.argv[1:]` is the runtime arguments and then the program arguments, in one list (spec section 3.4): scripts read both
with `parse_known_args`. An element of the list is never split or quoted again, whatever its value contains.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from prsd.v1 import agents_pb2 as pb

_EXPRESSION = re.compile(r"\$\{\{\s*(\S*?)\s*\}\}")
DEFAULT_ROW_FILE = "parallel_run_step.txt"  # spec section 2.1


class UnknownExpressionError(ValueError):
    """A text names an input or output that the step does not have."""


def substitute(text: str, values: Mapping[str, str]) -> str:
    """The text with `${{inputs.x}}` and `${{outputs.y}}` replaced; `values` is keyed "inputs.x".

    UnknownExpressionError names an expression that has no value.
    """

    def value_of(match: re.Match[str]) -> str:
        name = match[1]
        if name not in values:
            known = ", ".join(sorted(values)) or "none"
            raise UnknownExpressionError(f"{match[0]} in {text!r} names nothing that the step has; it has {known}")
        return values[name]

    return _EXPRESSION.sub(value_of, text)


def worker_arguments(definition: pb.StepDefinition, values: Mapping[str, str], workers: int) -> tuple[str, ...]:
    """`sys.argv[1:]` of the step's workers. `values` as for `substitute`."""
    program = (substitute(argument, values) for argument in definition.arguments)
    return (*runtime_arguments(definition, values, workers), *program)


def runtime_arguments(definition: pb.StepDefinition, values: Mapping[str, str], workers: int) -> list[str]:
    """The documented arguments that the runtime itself passes (naming map of the specification, right column)."""
    arguments = {
        "--scoring_module_name": definition.entry_script,
        "--logging_level": definition.logging_level or "INFO",
        "--process_count_per_node": str(workers),
        "--run_invocation_timeout": _number(definition.run_timeout_s),
        "--run_max_try": str(1 + definition.max_retries),
        "--error_threshold": str(definition.error_threshold),
    }
    if definition.task_overhead_timeout_s:
        arguments["--task_overhead_timeout"] = _number(definition.task_overhead_timeout_s)
    arguments |= _division_arguments(definition.division)
    arguments |= _output_arguments(definition, values)
    if definition.input_data:
        arguments["--input_asset_0"] = values.get(f"inputs.{definition.input_data}", "")
    return [word for pair in arguments.items() for word in pair]


def _division_arguments(division: pb.Division) -> dict[str, str]:
    if division.rank_mini_batch_count:
        return {"--rank_mini_batch_count": str(division.rank_mini_batch_count)}
    if division.partition_keys:
        return {"--partition_keys": json.dumps(list(division.partition_keys))}
    if division.unit == pb.Division.UNIT_ROWS:
        return {"--mini_batch_size": f"{division.size} rows"}
    return {"--mini_batch_size": str(division.size)} if division.size else {}


def _output_arguments(definition: pb.StepDefinition, values: Mapping[str, str]) -> dict[str, str]:
    append = definition.append_row
    if not append.output:
        return {"--output_action": "summary_only"}
    target = values.get(f"outputs.{append.output}", "")
    is_file = any(output.name == append.output and output.type == "uri_file" for output in definition.outputs)
    if is_file:
        return {"--output_action": "append_row", "--output_uri_file": target}
    return {
        "--output_action": "append_row",
        "--output": target,
        "--append_row_file_name": append.file_name or DEFAULT_ROW_FILE,
    }


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else str(value)
