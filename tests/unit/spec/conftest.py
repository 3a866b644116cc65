"""A small valid pipeline, and the ways tests change it."""

import copy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from prsd.spec import InvalidPipeline, Pipeline, Problem, Step, parse_document

BASE: dict[str, Any] = yaml.safe_load("""
type: pipeline
settings: {default_compute: cpu}
jobs:
  s:
    type: parallel
    inputs:
      data: {type: uri_folder, path: /data}
    outputs:
      out: {type: uri_file}
    input_data: ${{inputs.data}}
    task:
      type: run_function
      code: /code
      entry_script: m.py
      append_row_to: ${{outputs.out}}
""")

Changes = Mapping[str, object]


def changed(changes: Changes) -> dict[str, Any]:
    """The base pipeline with values set by dotted path; None removes the key."""
    document = copy.deepcopy(BASE)
    for path, value in changes.items():
        *parents, last = path.split(".")
        here = document
        for key in parents:
            here = here.setdefault(key, {})
        if value is None:
            here.pop(last, None)
        else:
            here[last] = value
    return document


@pytest.fixture
def accepted() -> Callable[..., tuple[Pipeline, tuple[Problem, ...]]]:
    def run(changes: Changes | None = None) -> tuple[Pipeline, tuple[Problem, ...]]:
        return parse_document(changed(changes or {}))

    return run


@pytest.fixture
def step() -> Callable[..., Step]:
    """The (first) step of the changed pipeline."""

    def run(changes: Changes | None = None) -> Step:
        return parse_document(changed(changes or {}))[0].steps[0]

    return run


@pytest.fixture
def notices() -> Callable[..., list[str]]:
    def run(changes: Changes) -> list[str]:
        return [str(notice) for notice in parse_document(changed(changes))[1]]

    return run


@pytest.fixture
def refused() -> Callable[..., list[str]]:
    """The problems of the changed pipeline; a pipeline without any fails the test."""

    def run(changes: Changes | str) -> list[str]:
        with pytest.raises(InvalidPipeline) as raised:
            parse_document(changes if isinstance(changes, str) else changed(changes))
        return [str(problem) for problem in raised.value.problems]

    return run


ARTICLE = """\
$schema: https://azuremlschemas.azureedge.net/latest/pipelineJob.schema.json
type: pipeline

display_name: iris-batch-prediction-using-parallel
description: The hello world pipeline job with inline parallel job
tags:
  tag: tagvalue
  owner: sdkteam

settings:
  default_compute: azureml:cpu-cluster

jobs:
  batch_prediction:
    type: parallel
    compute: azureml:cpu-cluster
    inputs:
      input_data:
        type: mltable
        path: ./neural-iris-mltable
        mode: direct
      score_model:
        type: uri_folder
        path: ./iris-model
        mode: download
    outputs:
      job_output_file:
        type: uri_file
        mode: rw_mount

    input_data: ${{inputs.input_data}}
    mini_batch_size: "10kb"
    resources:
        instance_count: 2
    max_concurrency_per_instance: 2

    logging_level: "DEBUG"
    mini_batch_error_threshold: 5
    retry_settings:
      max_retries: 2
      timeout: 60

    task:
      type: run_function
      code: "./script"
      entry_script: iris_prediction.py
      environment:
        name: "prs-env"
        version: 1
        image: mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04
        conda_file: ./environment/environment_parallel.yml
      program_arguments: >-
        --model ${{inputs.score_model}}
        --error_threshold 5
        --allowed_failed_percent 30
        --task_overhead_timeout 1200
        --progress_update_timeout 600
        --first_task_creation_timeout 600
        --copy_logs_to_parent True
        --resource_monitor_interva 20
      append_row_to: ${{outputs.job_output_file}}
"""


@pytest.fixture
def article(tmp_path: Path) -> Path:
    """The article's complete pipeline.yml, with the files it names."""
    (tmp_path / "neural-iris-mltable").mkdir()
    (tmp_path / "neural-iris-mltable" / "MLTable").write_text("paths:\n  - file: ./iris.csv\n")
    (tmp_path / "iris-model").mkdir()
    (tmp_path / "script").mkdir()
    (tmp_path / "script" / "iris_prediction.py").write_text("def init(): ...\n\n\ndef run(batch):\n    return batch\n")
    (tmp_path / "environment").mkdir()
    (tmp_path / "environment" / "environment_parallel.yml").write_text("name: e\ndependencies:\n  - python=3.8\n")
    (tmp_path / "pipeline.yml").write_text(ARTICLE)
    return tmp_path / "pipeline.yml"
