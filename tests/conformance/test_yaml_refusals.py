"""What is refused when a pipeline is submitted: everything at once, each with its line, and nothing is started
(statements 4 to 6 and 9 to 17, and what the original's client lets through: specification, section 1.4)."""

from __future__ import annotations

import re
from pathlib import Path

from tests.e2e.conftest import Programs

# Behind `#`: what must be said of that line.
MANY = """
type: pipeline
settings: {default_compute: cpu}
default_datastore: x  # unknown key 'default_datastore'; did you mean 'settings.default_datastore'?
inputs:
  data: {type: uri_folder, path: ./input}
  missing: {type: uri_folder, path: ./inptu}  # /inptu does not exist; did you mean 'input'?
jobs:
  Bad-Name: {command: "true"}  # is no step name: lower-case letters
  numbers:
    type: parallel
    inputs: {data: "${{parent.inputs.data}}"}
    outputs: {rows: {type: uri_file}}
    input_data: ${{inputs.data}}
    mini_batch_size: 1.5mb  # must be a number of files, or of bytes with kb, mb or gb
    error_threshold: -2  # must be a whole number in [-1, int.max]
    mini_batch_error_threshold: -2  # must be a whole number in [-1, int.max]
    max_concurrency_per_instance: 0  # must be a whole number in [1, int.max]
    logging_level: TRACE  # must be one of DEBUG, INFO, WARNING
    retry_settings:
      timeout: 259201  # must be a number of seconds in (0, 259200]
      max_retries: -1  # must be a whole number in [0, int.max]
    resources:
      instance_count: 0  # must be a whole number in [1, int.max]
    mini_batch_timeout: 5  # unknown key 'mini_batch_timeout'; did you mean 'retry_settings.timeout'?
    task:
      type: run_function
      code: ./code
      entry_script: entry.py
      environmnet: azureml:x:1  # unknown key 'environmnet'; did you mean 'environment'?
      program_arguments: --allowed_failed_percent 101  # --allowed_failed_percent must be a number in [0, 100]
      append_row_to: ${{outputs.rows}}/x.csv  # must be ${{outputs.name}}, and nothing else
  names:
    type: parallel
    inputs:
      data: {type: uri_folder, path: ./input}
      one: ${{parent.inputs.zz}}  # the pipeline has no input 'zz'
      two: ${{parent.jobs.zz.outputs.q}}  # there is no step 'zz'
      three: ${{parent.jobs.numbers.outputs.row}}  # has no output 'row'; did you mean 'rows'?
      four: {type: uri_folder, path: ./input, mode: eval_mount}  # eval modes are for type mltable only
      five: {type: uri_file, path: ./input}  # is a folder, but type uri_file needs a file
      six: {type: mltable, path: ./input}  # holds no readable file named 'MLTable'
    outputs:
      one: ${{parent.outputs.zz}}  # the pipeline has no output 'zz'
      two: {mode: download}  # mode 'download' is not allowed for an output
    input_data: ${{inputs.nope}}  # the step has no input 'nope'
    task:
      type: function  # must be run_function
      code: ./cod  # the code folder
      entry_script: entry.py
      program_arguments: --x ${{inputs.nix}} ${{outputs.nix}}  # the step has no input 'nix'
      append_row_to: ${{outputs.tow}}  # the step has no output 'tow'; did you mean 'two'?
  scripts:
    type: parallel
    inputs: {data: {type: uri_folder, path: ./input}}
    input_data: data  # must be ${{inputs.name}}, and nothing else
    task: {type: run_function, code: ./code, entry_script: enrty.py}  # does not exist; did you mean 'entry.py'?
  no_run:
    type: parallel
    inputs: {data: {type: uri_folder, path: ./input}}
    input_data: ${{inputs.data}}
    task: {type: run_function, code: ./code, entry_script: broken.py}  # has no function run(mini_batch)
  no_task: {type: parallel}  # a parallel step needs a 'task'
  no_input: {type: parallel, task: {type: run_function, code: ./code, entry_script: entry.py}}  # is missing: name the input
  from_component:
    component: ./component.yml
    inputs:
      data: {type: uri_folder, path: ./input}
      low: 0  # must be in [1, 9]
      flag: perhaps  # must be of type boolean
      kind: c  # must be one of a, b
      unknown: 1  # the component has no 'unknown'
  a: {command: "x ${{inputs.i}}", inputs: {i: "${{parent.jobs.b.outputs.o}}"}, outputs: {o: }}
  b: {command: "x ${{inputs.i}}", inputs: {i: "${{parent.jobs.a.outputs.o}}"}, outputs: {o: }}  # a → b → a
  own: {command: "x ${{inputs.i}}", inputs: {i: "${{parent.jobs.own.outputs.o}}"}, outputs: {o: }}  # own → own
  sweep: {type: sweep, trial: ./trial.yml}  # sweep steps are not supported: write one command step per trial
  spark: {type: spark, entry: {file: x.py}}  # spark steps are not supported: start spark-submit
  automl: {type: automl, task: classification}  # automl steps are not supported: train from a command step
  fetch: {type: import, source: {}}  # import steps are not supported: fetch the data in a command step
  copy: {type: data_transfer, task: copy_data}  # data_transfer steps are not supported: copy the data
  each: {type: parallel_for, body: "${{parent.jobs.a}}", items: []}  # parallel_for steps are not supported: use
  either: {type: if_else, condition: "true"}  # if_else steps are not supported: decide inside a command step
  again: {type: do_while, body: "${{parent.jobs.a}}"}  # do_while steps are not supported: loop inside a command step
  registered: {component: "azureml:scorer:1"}  # is a registered component, which is not supported: write
"""
COMPONENT = """
type: parallel
name: c
inputs:
  data: {type: uri_folder}
  low: {type: integer, min: 1, max: 9}
  flag: {type: boolean}
  kind: {type: string, enum: [a, b]}
input_data: ${{inputs.data}}
task: {type: run_function, code: ./code, entry_script: entry.py}
"""


def write(folder: Path, text: str) -> Path:
    (folder / "input").mkdir()
    (folder / "code").mkdir()
    (folder / "code" / "entry.py").write_text("def run(mini_batch): return mini_batch\n")
    (folder / "code" / "broken.py").write_text("def runn(mini_batch): return mini_batch\n")
    (folder / "component.yml").write_text(COMPONENT)
    pipeline = folder / "pipeline.yml"
    pipeline.write_text(text)
    return pipeline


def test_s04_to_s17_everything_that_is_wrong_is_said_at_once_with_its_line(cluster: Programs, tmp_path: Path) -> None:
    pipeline = write(tmp_path, MANY)
    jobs = cluster.prsctl("job", "list", "-o", "name").stdout
    refused = cluster.prsctl("submit", pipeline)
    assert refused.exit_code == 9
    told: dict[int, str] = {}
    for problem in re.split(rf"^{re.escape(str(pipeline))}:", refused.stderr, flags=re.MULTILINE)[1:]:
        line, _, message = problem.partition(":")
        told[int(line)] = told.get(int(line), "") + message
    expected = {n: line.partition("  # ")[2] for n, line in enumerate(MANY.splitlines(), 1) if "  # " in line}
    assert {line: words for line, words in expected.items() if words not in told.get(line, "")} == {}
    assert sorted(told) == sorted(expected), "a line without a mistake is named"
    assert cluster.prsctl("job", "list", "-o", "name").stdout == jobs


def test_s06_a_step_without_any_compute(cluster: Programs, tmp_path: Path) -> None:
    refused = cluster.prsctl("submit", write(tmp_path, 'type: pipeline\njobs:\n  s: {command: "true"}\n'))
    assert refused.exit_code == 9
    assert "jobs.s.compute: compute not set: give the step a 'compute', or the pipeline a 'settings" in refused.stderr
