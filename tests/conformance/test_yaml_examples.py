"""Pipelines in the shape of the three public examples (statement 2): component files beside the pipeline, steps bound."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.conftest import Programs

ENVIRONMENT = "name: e\nchannels: [conda-forge]\ndependencies: [python=3.8, pip, {pip: [mltable, pandas]}]\n"

# 1a: models for each store and brand.
SALES = {
    "pipeline.yml": """
$schema: https://azuremlschemas.azureedge.net/latest/pipelineJob.schema.json
type: pipeline
display_name: oj-sales-by-parallel
settings: {default_compute: azureml:cpu}
inputs: {custom_node_count: 2}
jobs:
  partition_job:
    type: command
    component: ./src/partition_data/partition_data.yml
    inputs:
      data_source: {type: uri_folder, path: ./oj_sales_data}
      partition_keys: Store,Brand
    outputs:
      tabular_output_data: {type: mltable, mode: rw_mount}
  parallel_train:
    type: parallel
    inputs:
      data_source: {path: "${{parent.jobs.partition_job.outputs.tabular_output_data}}", type: mltable, mode: direct}
      drop_cols: Revenue,Advert
    outputs:
      model_folder: {type: uri_folder, mode: rw_mount}
    partition_keys: [Store, Brand]
    resources: {instance_count: "${{parent.inputs.custom_node_count}}"}
    mini_batch_error_threshold: 5
    error_threshold: -1
    logging_level: DEBUG
    input_data: ${{inputs.data_source}}
    max_concurrency_per_instance: 2
    retry_settings: {max_retries: 2, timeout: 60}
    environment_variables: {AZUREML_PARALLEL_EXAMPLE: 1a_yaml}
    task:
      type: run_function
      code: ./src/parallel_train
      entry_script: parallel_train.py
      environment: {image: some/image, conda_file: ./src/parallel_train/conda.yml}
      program_arguments: >-
        --drop_cols ${{inputs.drop_cols}}
        --model_folder ${{outputs.model_folder}}
        --resource_monitor_interval 20
""",
    "oj_sales_data/1000_dominicks.csv": "Store,Brand,Revenue,Advert\n1000,dominicks,1,0\n",
    "src/partition_data/partition_data.yml": """
$schema: https://azuremlschemas.azureedge.net/latest/commandComponent.schema.json
name: partition_data
version: 1
type: command
inputs:
  data_source: {type: uri_folder}
  partition_keys: {type: string}
outputs:
  tabular_output_data: {type: mltable}
code: ./
environment: {image: some/image, conda_file: ./conda.yml}
command: >-
  python partition_data.py --data_source ${{inputs.data_source}} --partition_keys ${{inputs.partition_keys}}
  --tabular_output_data ${{outputs.tabular_output_data}}
""",
    "src/partition_data/conda.yml": ENVIRONMENT,
    "src/parallel_train/conda.yml": ENVIRONMENT,
    "src/parallel_train/parallel_train.py": "def run(mini_batch, context):\n    return []\n",
}

# 2a: a table converted by one step and scored by the next, its rows in a file that a third one reads.
IRIS = {
    "pipeline.yml": """
$schema: https://azuremlschemas.azureedge.net/latest/pipelineJob.schema.json
type: pipeline
display_name: iris-batch-prediction-using-parallel
experiment_name: iris-batch-prediction-using-parallel
settings: {default_compute: azureml:cpu}
jobs:
  convert_data:
    type: command
    component: file:./convert/convert_data.yml
    inputs:
      input_data: {type: uri_folder, path: ./iris}
    outputs:
      file_output_data: {type: mltable, mode: rw_mount}
  batch_prediction:
    type: parallel
    inputs:
      input_data: {type: mltable, path: "${{parent.jobs.convert_data.outputs.file_output_data}}", mode: direct}
      score_model: {type: uri_folder, path: ./model, mode: download}
    outputs:
      job_output_file:
        type: uri_file
        mode: rw_mount
        path: azureml://datastores/${{default_datastore}}/paths/${{name}}/aggregated_returns.csv
    input_data: ${{inputs.input_data}}
    mini_batch_size: "60"
    resources: {instance_count: 2}
    max_concurrency_per_instance: 2
    error_threshold: 5
    mini_batch_error_threshold: 5
    retry_settings: {max_retries: 2, timeout: 60}
    task:
      type: run_function
      code: ./script
      entry_script: iris_prediction.py
      environment: {name: prs-env, version: 1, image: some/image, conda_file: ./environment.yml}
      program_arguments: >-
        --model ${{inputs.score_model}}
        --allowed_failed_percent 30
        --task_overhead_timeout 1200
        --progress_update_timeout 600
        --first_task_creation_timeout 600
        --copy_logs_to_parent True
        --resource_monitor_interval 20
      append_row_to: ${{outputs.job_output_file}}
  show:
    command: wc -l < ${{inputs.inference_result}} > ${{outputs.number}}
    inputs:
      inference_result: {type: uri_file, path: "${{parent.jobs.batch_prediction.outputs.job_output_file}}"}
    outputs:
      number: {type: uri_file}
""",
    "iris/iris.csv": "a,b\n" + "".join(f"{number},{number}.5\n" for number in range(40)),
    "model/weight.txt": "2",
    "environment.yml": ENVIRONMENT,
    "convert/environment.yml": ENVIRONMENT,
    "convert/convert_data.yml": """
type: command
name: convert_data
display_name: convert data
version: 1
inputs:
  input_data: {type: uri_folder}
outputs:
  file_output_data: {type: mltable}
code: ./code
environment: {image: some/image, conda_file: ./environment.yml}
command: sh convert.sh ${{inputs.input_data}} ${{outputs.file_output_data}}
""",
    "convert/code/convert.sh": "cp $1/iris.csv $2 && cp MLTable $2\n",
    "convert/code/MLTable": "paths:\n  - file: ./iris.csv\ntransformations:\n  - read_delimited:\n      delimiter: ','\n",
    "script/iris_prediction.py": """
import argparse
from pathlib import Path

def init():
    global weight
    parser = argparse.ArgumentParser(allow_abbrev=False, description="ParallelRunStep Agent")
    parser.add_argument("--model", dest="model", type=Path)
    weight = int((parser.parse_known_args()[0].model / "weight.txt").read_text())

def run(mini_batch):
    return [int(a) * weight for a in mini_batch["a"]]
""",
}

# 3a: pictures in a folder that an MLTable names, evaluated.
MNIST = {
    "pipeline.yml": """
$schema: https://azuremlschemas.azureedge.net/latest/pipelineJob.schema.json
type: pipeline
display_name: mnist-batch-identification-using-parallel
settings: {default_compute: azureml:cpu}
jobs:
  batch_prediction:
    type: parallel
    compute: azureml:cpu
    inputs:
      input_data: {type: mltable, path: ./mnist_data, mode: eval_mount}
      score_model: {type: uri_folder, path: ./mnist_models}
    outputs:
      job_output_file: {type: uri_file}
    input_data: ${{inputs.input_data}}
    mini_batch_size: "2"
    resources: {instance_count: 2}
    max_concurrency_per_instance: 1
    mini_batch_error_threshold: 10
    retry_settings: {max_retries: 1, timeout: 60}
    task:
      type: run_function
      code: ./script
      entry_script: digit_identification.py
      environment: azureml:mnist-env@latest
      program_arguments: --model ${{inputs.score_model}} --error_threshold 5 --allowed_failed_percent 30
      append_row_to: ${{outputs.job_output_file}}
""",
    "mnist_data/MLTable": "paths:\n  - pattern: ./mnist/*\n",
    **{f"mnist_data/mnist/{number}.png": "picture" for number in range(5)},
    "mnist_models/model": "m",
    "script/digit_identification.py": "import os\ndef init(): ...\ndef run(mini_batch):\n"
    "    return [(os.path.basename(path), 7) for path in mini_batch]\n",
}


def written(files: dict[str, str], folder: Path) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder / "pipeline.yml"


def test_s02_example_1a_is_accepted(cluster: Programs, tmp_path: Path) -> None:
    accepted = cluster.prsctl("submit", written(SALES, tmp_path), "--dry-run")
    assert accepted.exit_code == 0, accepted.stderr
    assert "would accept" in accepted.stderr


def test_s02_example_2a_runs(cluster: Programs, tmp_path: Path) -> None:
    outcome = cluster.prsctl("submit", written(IRIS, tmp_path), "--wait", "-o", "json")
    assert outcome.exit_code == 0, outcome.stderr
    rows = Path(outcome.step("batch_prediction")["outputs"]["job_output_file"])
    assert rows.parts[-2:] == (f"{outcome.job['name']}.batch_prediction", "aggregated_returns.csv")
    assert rows.read_text().splitlines() == [str(2 * number) for number in range(40)]
    assert Path(outcome.step("show")["outputs"]["number"]).read_text().strip() == "40"


def test_s02_example_3a_runs(cluster: Programs, tmp_path: Path) -> None:
    outcome = cluster.prsctl("submit", written(MNIST, tmp_path), "--wait", "-o", "json")
    assert outcome.exit_code == 0, outcome.stderr
    rows = Path(outcome.step("batch_prediction")["outputs"]["job_output_file"]).read_text().splitlines()
    assert rows == [f"('{number}.png', 7)" for number in range(5)]
