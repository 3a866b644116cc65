"""What pipelines may say, through the real programs: components, bindings, folder outputs, formats, logs, graphs."""

from __future__ import annotations

import json
from pathlib import Path

from tests.e2e.conftest import Outcome, ParallelPipeline, Programs

COMPONENT = """
type: parallel
name: scorer
version: 1
inputs:
  data: {type: uri_folder}
  suffix: {type: string, default: none}
  note: {type: string, optional: true}
outputs:
  rows: {type: uri_file}
  models: {type: uri_folder}
input_data: ${{inputs.data}}
mini_batch_size: "2"
retry_settings: {max_retries: 5, timeout: 77}
task:
  type: run_function
  code: ./code
  entry_script: package/entry.py
  environment: azureml:any:1
  program_arguments: --models ${{outputs.models}} --suffix ${{inputs.suffix}} $[[--note ${{inputs.note}}]]
  append_row_to: ${{outputs.rows}}
"""
ENTRY = """
import argparse, logging, os
from pathlib import Path
from azureml_user.parallel_run import EntryScript
import sibling

def init():
    global options
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--models", type=Path)
    parser.add_argument("--suffix")
    options, _ = parser.parse_known_args()
    EntryScript().logger.info("a worker is up")
    logging.info("by the root logger")
    print("printed in init")

def run(mini_batch, context):
    for path in mini_batch:
        (options.models / (Path(path).stem + options.suffix)).write_text(os.environ["COLOUR"])
    return [(mini_batch.task_id, sibling.name(path)) for path in mini_batch]

def shutdown():
    print("printed in shutdown")
"""


def write_component_pipeline(folder: Path) -> Path:
    package = folder / "parts" / "code" / "package"
    package.mkdir(parents=True)
    (package / "entry.py").write_text(ENTRY)
    (folder / "parts" / "code" / "sibling.py").write_text("import os\ndef name(path):\n    return os.path.basename(path)\n")
    (folder / "parts" / "scorer.yml").write_text(COMPONENT)
    for number in range(5):
        path = folder / "data" / f"sub{number % 2}" / f"{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(number))
    pipeline = folder / "pipeline.yml"
    pipeline.write_text("""
type: pipeline
settings: {default_compute: local}
inputs:
  suffix: .model
  data: {type: uri_folder, path: ./data}
outputs:
  scored: {type: uri_file}
jobs:
  score:
    component: ./parts/scorer.yml
    inputs: {data: "${{parent.inputs.data}}", suffix: "${{parent.inputs.suffix}}"}
    outputs: {rows: "${{parent.outputs.scored}}"}
    environment_variables: {COLOUR: green}
  count:
    command: >-
      ls ${{inputs.models}} | wc -l > ${{outputs.number}} && echo "asked for $WHAT"
    environment_variables: {WHAT: models}
    inputs: {models: {type: uri_folder, path: "${{parent.jobs.score.outputs.models}}"}}
    outputs: {number: {type: uri_file}}
""")
    return pipeline


def test_a_component_with_bindings_folder_outputs_and_all_logs(programs: Programs, tmp_path: Path) -> None:
    outcome = programs.run(write_component_pipeline(tmp_path / "p"))
    assert outcome.exit_code == 0, outcome.stderr
    rows = Path(outcome.job["outputs"]["scored"]).read_text().splitlines()
    # s28: sub-folders in bytewise order, two to a mini-batch; s53: task_id is the index; s81: a tuple is its str().
    assert rows == ["('0', '0.txt')", "('0', '2.txt')", "('1', '4.txt')", "('1', '1.txt')", "('2', '3.txt')"]
    models = Path(outcome.step("score")["outputs"]["models"])
    assert {path.name: path.read_text() for path in models.iterdir()} == {f"{n}.model": "green" for n in range(5)}
    assert Path(outcome.step("count")["outputs"]["number"]).read_text().strip() == "5"
    settings = {each["name"]: each["value"] for each in outcome.step("score")["settings"]}
    assert (settings["max_retries"], settings["run_timeout_s"]) == ("5", "77.0")
    _assert_logs_in_their_places(outcome)


def _assert_logs_in_their_places(outcome: Outcome) -> None:  # statements 87 and 88
    user = Path(outcome.step("score")["logs"]) / "user"
    stdout = "".join(path.read_text() for path in user.glob("stdout/0/process*.stdout.txt"))
    assert "printed in init" in stdout
    assert "by the root logger" in stdout
    assert "printed in shutdown" in stdout
    assert "a worker is up" in next(user.glob("entry_script_log/0/process*.log.txt")).read_text()
    assert "asked for models" in (Path(outcome.step("count")["logs"]) / "user" / "std_log_0.txt").read_text()


FRAMES = """
import pandas as pd

def run(mini_batch):
    return pd.DataFrame([{"name": "x y", "value": 1.5, "none": None} for _ in mini_batch])
"""


def frames(folder: Path, arguments: str = "", settings: object = None) -> Path:
    pipeline = ParallelPipeline(folder, FRAMES, files=4, size=2, workers=1, arguments=arguments)
    path = pipeline.write()
    if settings is not None:
        (folder / "code" / "parallel_run_step.settings.json").write_text(json.dumps(settings))
    return path


def test_s82_s83_appended_dataframes(programs: Programs, tmp_path: Path) -> None:
    plain = programs.run(frames(tmp_path / "plain"))
    assert plain.exit_code == 0, plain.stderr
    assert Path(plain.step("score")["outputs"]["rows"]).read_text() == '"x y" 1.5 \n' * 4

    to_csv = {"append_row": {"pandas.DataFrame.to_csv": {"sep": ",", "index": True}}}
    header = programs.run(frames(tmp_path / "header", "--append_row_dataframe_header True", to_csv))
    assert header.exit_code == 0, header.stderr
    lines = Path(header.step("score")["outputs"]["rows"]).read_text().splitlines()
    assert lines == [",name,value,none", "0,x y,1.5,", "1,x y,1.5,", "0,x y,1.5,", "1,x y,1.5,"]


def test_lossless_formats(programs: Programs, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    jsonl = programs.run(frames(tmp_path / "jsonl", "--append_row_format jsonl"))
    assert jsonl.exit_code == 0, jsonl.stderr
    rows = [json.loads(line) for line in Path(jsonl.step("score")["outputs"]["rows"]).read_text().splitlines()]
    assert rows == [{"name": "x y", "value": 1.5, "none": None}] * 4

    parquet = programs.run(frames(tmp_path / "parquet", "--append_row_format parquet"))
    assert parquet.exit_code == 0, parquet.stderr
    assert pq.read_table(parquet.step("score")["outputs"]["rows"]).to_pylist() == rows


def graph(folder: Path, *, go_on: bool) -> Path:
    folder.mkdir(parents=True)
    path = folder / "pipeline.yml"
    path.write_text(f"""
type: pipeline
settings: {{default_compute: local, continue_on_step_failure: {go_on}}}
jobs:
  bad: {{command: "echo the reason >&2; exit 3", outputs: {{out: {{type: uri_folder}}}}}}
  after_bad: {{command: "true", inputs: {{i: {{type: uri_folder, path: "${{{{parent.jobs.bad.outputs.out}}}}"}}}}}}
  good: {{command: "echo fine > ${{{{outputs.out}}}}/f", outputs: {{out: {{type: uri_folder}}}}}}
  after_good:
    command: grep fine ${{{{inputs.i}}}}/f
    inputs: {{i: {{type: uri_folder, path: "${{{{parent.jobs.good.outputs.out}}}}"}}}}
""")
    return path


def test_s27_independent_steps_go_on_after_a_failure(programs: Programs, tmp_path: Path) -> None:
    outcome = programs.run(graph(tmp_path / "p", go_on=True))
    assert outcome.exit_code == 3
    states = {step["name"]: step["state"] for step in outcome.job["steps"]}
    assert states == {"bad": "Failed", "after_bad": "Skipped", "good": "Completed", "after_good": "Completed"}
    assert "command ended with exit code 3" in outcome.stderr
    assert "the reason" in outcome.stderr


def test_s27_a_failure_ends_the_pipeline_when_it_must_not_go_on(programs: Programs, tmp_path: Path) -> None:
    outcome = programs.run(graph(tmp_path / "p", go_on=False))
    assert outcome.exit_code == 3
    states = {step["name"]: step["state"] for step in outcome.job["steps"]}
    assert states["bad"] == "Failed"
    assert states["after_bad"] == "Skipped"
    assert states["after_good"] in ("Skipped", "Canceled", "Completed")
