"""Components inline and in files, the SDK's dump, environments (statements 2, 22, 23, 25)."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prsd.spec import Effective, InvalidPipeline, Pipeline, Problem, Step, load_pipeline, parse_document, plan_steps

Refused = Callable[..., list[str]]
Accepted = Callable[..., tuple[Pipeline, tuple[Problem, ...]]]

COMPONENT: dict[str, Any] = {
    "type": "parallel",
    "name": "c",
    "inputs": {
        "data": {"type": "uri_folder", "mode": "download"},
        "n": {"type": "integer", "default": "5", "min": 1, "max": 9},
        "kind": {"type": "string", "optional": True, "enum": ["a", "b"]},
    },
    "outputs": {"out": {"type": "uri_file", "mode": "link"}},
    "input_data": "${{inputs.data}}",
    "mini_batch_error_threshold": 7,
    "retry_settings": {"max_retries": 5, "timeout": 77},
    "resources": {"instance_count": 4},
    "environment_variables": {"A": "c", "B": "c"},
    "append_row_to": "ignored",
    "task": {"type": "run_function", "code": "/c", "entry_script": "m.py", "program_arguments": "--n ${{inputs.n}}"},
}


def pipeline_with(step: dict[str, object], component: dict[str, Any] = COMPONENT) -> dict[str, object]:
    inputs = {"data": {"path": "/d"}}
    body = {"component": copy.deepcopy(component), "compute": "cpu", "inputs": inputs, **step}
    return {"type": "pipeline", "jobs": {"s": body}}


def read(step: dict[str, object]) -> Step:
    return parse_document(pipeline_with(step))[0].steps[0]


def refusals(step: dict[str, object]) -> list[str]:
    with pytest.raises(InvalidPipeline) as raised:
        parse_document(pipeline_with(step))
    return [str(problem) for problem in raised.value.problems]


def test_s22_retry_settings_are_merged() -> None:
    settings = read({"retry_settings": {"timeout": 5}}).settings
    assert settings is not None
    assert settings.max_retries == Effective(value=5, origin="component")
    assert settings.run_timeout_s == Effective(value=5.0, origin="step")
    assert settings.instance_count.value == 4


def test_s23_a_zero_of_the_step_is_honoured() -> None:
    settings = read({"mini_batch_error_threshold": 0}).settings
    assert settings is not None
    assert settings.mini_batch_error_threshold == Effective(value=0, origin="step")


def test_what_a_component_declares_is_used() -> None:
    step = read({"environment_variables": {"B": "s"}})
    assert step.kind == "parallel"
    assert step.arguments == ("--n", "5")
    assert (step.inputs["data"].mode, step.inputs["data"].type) == ("download", "uri_folder")
    assert step.inputs["kind"].optional_unset
    assert step.outputs["out"].mode == "rw_mount"
    assert step.environment_variables == {"A": "c", "B": "s"}


def test_extra_keys_of_a_component_are_notices() -> None:
    _, notices = parse_document(pipeline_with({}))
    assert [n.path for n in notices if "is ignored" in n.message] == ["jobs.s.component.append_row_to"]


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ({"inputs": {"dat": {"path": "/d"}, "data": {"path": "/d"}}}, "the component has no 'dat'; did you mean 'data'?"),
        ({"inputs": {}}, "jobs.s.component.inputs.data: the input has no value"),
        ({"inputs": {"data": {"path": "/d"}, "n": 10}}, "must be in [1, 9]"),
        ({"inputs": {"data": {"path": "/d"}, "n": "x"}}, "must be of type integer"),
        ({"inputs": {"data": {"path": "/d"}, "kind": "c"}}, "must be one of a, b"),
        ({"inputs": {"data": "text"}}, "must be data of type uri_folder"),
        ({"inputs": {"data": {"path": "/d"}, "n": {"path": "/x"}}}, "must be a literal of type integer"),
        ({"type": "command"}, "the step has type 'command', but its component has type 'parallel'"),
        ({"component": "azureml:x:1"}, "registered component"),
        ({"component": "./x.yml"}, "submit with prsctl"),
    ],
)
def test_what_contradicts_the_component_is_refused(step: dict[str, object], message: str) -> None:
    assert any(message in problem for problem in refusals(step))


def test_s02_component_files_are_resolved_relative_to_themselves(tmp_path: Path) -> None:
    source = tmp_path / "src" / "partition_data"
    source.mkdir(parents=True)
    (source / "conda.yaml").write_text("dependencies: [python]\n")
    (source / "part.yml").write_text("""
type: command
name: partition_data
version: 1
inputs:
  data_source: {type: uri_file}
  partition_keys: {type: string}
outputs:
  tabular_output_data: {type: mltable}
code: ./
environment: {image: some/image, conda_file: ./conda.yaml}
command: >-
  python partition_data.py --data_source ${{inputs.data_source}} --partition_keys ${{inputs.partition_keys}}
  --tabular_output_data ${{outputs.tabular_output_data}}
""")
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "parallel_train.py").write_text("run = print\n")
    (tmp_path / "sales.csv").write_text("a\n1\n")
    (tmp_path / "pipeline.yml").write_text("""
type: pipeline
inputs: {custom_node_count: 3}
settings: {default_compute: azureml:cpu-cluster}
jobs:
  partition_job:
    type: command
    component: file:./src/partition_data/part.yml
    inputs:
      data_source: {type: uri_file, path: ./sales.csv}
      partition_keys: Store,Brand
    outputs:
      tabular_output_data: {type: mltable, mode: rw_mount}
  parallel_train:
    type: parallel
    inputs:
      data_source: {path: "${{parent.jobs.partition_job.outputs.tabular_output_data}}", type: mltable, mode: direct}
      drop_cols: "Revenue,Advert"
    outputs:
      model_folder: {type: uri_folder, mode: rw_mount}
    partition_keys: [Store, Brand]
    resources: {instance_count: "${{parent.inputs.custom_node_count}}"}
    error_threshold: -1
    input_data: ${{inputs.data_source}}
    environment_variables: {"AZUREML_PARALLEL_EXAMPLE": "1a_yaml"}
    task:
      type: run_function
      code: ./train
      entry_script: parallel_train.py
      program_arguments: >-
        --drop_cols ${{inputs.drop_cols}}
        --model_folder ${{outputs.model_folder}}
""")
    loaded = load_pipeline(tmp_path / "pipeline.yml")
    first, second = loaded.pipeline.steps
    assert first.code == str(source)
    assert first.command is not None
    assert "--partition_keys Store,Brand --tabular_output_data ${{outputs.tabular_output_data}}" in first.command
    assert second.depends_on == ("partition_job",)
    assert second.settings is not None
    assert second.settings.instance_count.value == 3
    assert parse_document(loaded.document)[0] == loaded.pipeline


DUMP = """
display_name: parallel_in_pipeline
type: pipeline
inputs:
  pipeline_job_data_path: {mode: ro_mount, type: mltable, path: 'azureml:./dataset/'}
  pipeline_score_model: {mode: download, type: uri_folder, path: 'azureml:./model/'}
  k: '5'
outputs:
  pipeline_job_out_tabular: {type: uri_file}
jobs:
  batch_score_with_tabular_input:
    type: parallel
    inputs:
      job_data_path: {mode: direct, path: '${{parent.inputs.pipeline_job_data_path}}'}
      score_model: {path: '${{parent.inputs.pipeline_score_model}}'}
      k: {path: '${{parent.inputs.k}}'}
    outputs:
      job_output_path: ${{parent.outputs.pipeline_job_out_tabular}}
    resources: {instance_count: 2}
    component: &component
      name: batch_score_with_tabular_input
      type: parallel
      is_deterministic: true
      inputs:
        job_data_path: {type: mltable, optional: false}
        score_model: {type: uri_folder, optional: false}
        k: {type: integer}
      outputs:
        job_output_path: {type: mltable}
      resources: {instance_count: 2}
      input_data: ${{inputs.job_data_path}}
      mini_batch_size: '10240'
      task: &task
        type: run_function
        code: CODE
        entry_script: tabular.py
        program_arguments: '--model ${{inputs.score_model}} --job_output_path ${{outputs.job_output_path}} '
        append_row_to: ${{outputs.job_output_path}}
        environment: {name: CliV2AnonymousEnvironment, version: abc, image: an/image, conda_file: {dependencies: [python]}}
    input_data: ${{inputs.job_data_path}}
    mini_batch_size: '10240'
    mini_batch_error_threshold: 5
    logging_level: DEBUG
    retry_settings: {timeout: 60, max_retries: 2}
    task: *task
settings: {default_compute: 'azureml:cpu-cluster'}
"""


def test_s25_the_sdks_dump_is_accepted(tmp_path: Path) -> None:
    for folder in ("dataset", "model", "code"):
        (tmp_path / folder).mkdir()
    (tmp_path / "dataset" / "MLTable").write_text("paths:\n  - folder: ./\n")
    (tmp_path / "code" / "tabular.py").write_text("def run(batch): return batch\n")
    (tmp_path / "p.yml").write_text(DUMP.replace("CODE", str(tmp_path / "code")))
    loaded = load_pipeline(tmp_path / "p.yml")
    (step,) = plan_steps(loaded.pipeline, job="j", default_datastore="workspaceblobstore", datastore_uri="file:///ds")
    assert (step.mini_batch_size.unit, step.mini_batch_size.value) == ("files_or_bytes", 10240)
    assert step.inputs["job_data_path"].uri == (tmp_path / "dataset").as_uri()
    assert (step.inputs["score_model"].type, step.inputs["score_model"].mode) == ("uri_folder", "download")
    assert (step.inputs["k"].literal, step.inputs["k"].type) == ("5", "integer")
    assert (step.outputs["job_output_path"].type, step.append_row_to) == ("uri_file", "job_output_path")


@pytest.mark.parametrize(
    "environment",
    [
        "azureml:env:1",
        "azureml:env@latest",
        "azureml://registries/r/environments/e/versions/1",
        "azureml://registries/r/environments/e/labels/latest",
        {"image": "i", "conda_file": {"dependencies": []}, "name": "n", "version": 1},
        {"build": {"path": "/x", "dockerfile_path": "Dockerfile"}},
    ],
)
def test_forms_of_environments(environment: object, accepted: Accepted) -> None:
    pipeline, notices = accepted({"jobs.s.task.environment": environment})
    assert pipeline.steps[0].environment.kind == "host"
    assert [n.path for n in notices] == ["jobs.s.task.environment"]
    assert "agent's own interpreter" in pipeline.steps[0].environment.notice


@pytest.mark.parametrize("environment", ["plain", {"image": "i", "build": {}}, {"imag": "i"}, {"name": "x"}, [1]])
def test_environments_that_are_none(environment: object, refused: Refused) -> None:
    assert all("jobs.s.task.environment" in problem for problem in refused({"jobs.s.task.environment": environment}))


def test_an_uploaded_snapshot_is_accepted_as_code(accepted: Accepted, refused: Refused) -> None:
    digest = "snapshot:" + "0a" * 32
    assert accepted({"jobs.s.task.code": digest})[0].steps[0].code == digest
    assert accepted({"jobs.s.task.code": "file:///x/y"})[0].steps[0].code == "/x/y"
    assert "local folder" in refused({"jobs.s.task.code": "git+https://example.org/x"})[0]
    assert "relative" in refused({"jobs.s.task.code": "./src"})[0]


def test_files_from_outside_the_code_folder_are_refused_and_not_forgotten(accepted: Accepted, refused: Refused) -> None:
    component = {"type": "command", "name": "c", "command": "x", "code": "/c", "additional_includes": ["../shared"]}
    (problem,) = refused({"jobs.c": {"component": component}})
    assert problem.startswith("jobs.c.component.additional_includes: files from outside the code folder")
    accepted({"jobs.c": {"component": {**component, "additional_includes": []}}})
