from __future__ import annotations

import pytest

from prs_agent.arguments import UnknownExpressionError, substitute, worker_arguments
from prsd.v1 import agents_pb2 as pb

VALUES = {
    "inputs.data": "/data",
    "inputs.model": "/my models/m.bin",
    "outputs.rows": "/out/rows.txt",
    "outputs.folder": "/out",
}


def definition(**terms: object) -> pb.StepDefinition:
    base = pb.StepDefinition(entry_script="score.py", run_timeout_s=60, max_retries=2, error_threshold=-1, input_data="data")
    base.MergeFrom(pb.StepDefinition(**terms))  # type: ignore[arg-type]
    return base


def pairs(arguments: tuple[str, ...]) -> dict[str, str]:
    return dict(zip(arguments[::2], arguments[1::2], strict=True))


def test_runtime_arguments_come_before_program_arguments_and_both_are_one_list() -> None:
    arguments = worker_arguments(definition(arguments=["--model", "${{inputs.model}}"]), VALUES, workers=4)
    assert arguments[-2:] == ("--model", "/my models/m.bin")
    assert pairs(arguments) == {
        "--scoring_module_name": "score.py",
        "--logging_level": "INFO",
        "--process_count_per_node": "4",
        "--run_invocation_timeout": "60",
        "--run_max_try": "3",
        "--error_threshold": "-1",
        "--output_action": "summary_only",
        "--input_asset_0": "/data",
        "--model": "/my models/m.bin",
    }


@pytest.mark.parametrize(
    ("division", "expected"),
    [
        (pb.Division(unit=pb.Division.UNIT_PLAIN, size=5), ("--mini_batch_size", "5")),
        (pb.Division(unit=pb.Division.UNIT_ROWS, size=500), ("--mini_batch_size", "500 rows")),
        (pb.Division(partition_keys=["Store", "Brand"]), ("--partition_keys", '["Store", "Brand"]')),
        (pb.Division(rank_mini_batch_count=9), ("--rank_mini_batch_count", "9")),
    ],
)
def test_how_the_input_is_cut(division: pb.Division, expected: tuple[str, str]) -> None:
    assert expected in pairs(worker_arguments(definition(division=division), VALUES, 1)).items()


def test_a_file_output_and_a_folder_output_of_rows() -> None:
    outputs = [pb.Output(name="rows", type="uri_file"), pb.Output(name="folder", type="uri_folder")]
    to_file = pairs(worker_arguments(definition(outputs=outputs, append_row=pb.AppendRow(output="rows")), VALUES, 1))
    assert (to_file["--output_action"], to_file["--output_uri_file"]) == ("append_row", "/out/rows.txt")
    to_folder = pairs(worker_arguments(definition(outputs=outputs, append_row=pb.AppendRow(output="folder")), VALUES, 1))
    assert (to_folder["--output"], to_folder["--append_row_file_name"]) == ("/out", "parallel_run_step.txt")


def test_a_value_is_never_read_again() -> None:
    """Neither an expression nor shell text in a value means anything."""
    hostile = "${{inputs.data}}; rm -rf / $(id)\n"
    assert substitute("a ${{ inputs.x }} b", {"inputs.x": hostile}) == f"a {hostile} b"


def test_an_unknown_name_is_named_with_what_there_is() -> None:
    with pytest.raises(UnknownExpressionError, match=r"\$\{\{inputs.zz\}\} .*it has inputs.data"):
        substitute("--x ${{inputs.zz}}", {"inputs.data": "/data"})
