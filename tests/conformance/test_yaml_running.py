"""What a pipeline may say, seen in what then runs (statements 3, 7, 18 to 24, 26)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conformance.conftest import Bench
from tests.e2e.conftest import Outcome, Programs, wait_until

ECHO = "def run(mini_batch):\n    trace(*[word.replace(' ', '~') for word in sys.argv[1:]])\n    return mini_batch\n"
ALWAYS = "def run(mini_batch):\n    raise ValueError('always')\n"
FIRST = "def run(mini_batch):\n    if '00000' in mini_batch[0]:\n        raise ValueError\n    return mini_batch\n"


def submit(cluster: Programs, folder: Path, text: str, *arguments: str) -> Outcome:
    """Submits the text as a file in the folder, and waits."""
    folder.mkdir(exist_ok=True)
    pipeline = folder / "pipeline.yml"
    pipeline.write_text(text)
    return cluster.prsctl("submit", pipeline, "--wait", "-o", "json", *arguments)


def content(outcome: Outcome, step: str, output: str) -> str:
    assert outcome.exit_code == 0, outcome.stderr
    return Path(outcome.step(step)["outputs"][output]).read_text()


def setting(outcome: Outcome, step: str, name: str) -> tuple[str, str]:
    return next((each["value"], each["origin"]) for each in outcome.step(step)["settings"] if each["name"] == name)


def test_s03_a_step_without_a_type_runs_its_command(cluster: Programs, tmp_path: Path) -> None:
    outcome = submit(
        cluster,
        tmp_path,
        """
type: pipeline
name: without_type
settings: {default_compute: cpu}
jobs:
  hello:
    command: echo hello > ${{outputs.word}}
    outputs: {word: {type: uri_file}}
""",
    )
    assert content(outcome, "hello", "word") == "hello\n"
    assert outcome.step("hello")["type"] == "command"
    assert outcome.job["name"] == "without_type"  # a pipeline's own name is the job's


def test_s07_the_steps_compute_is_used(cluster: Programs, tmp_path: Path) -> None:
    other = cluster.start_agent("other", "--compute", "other")
    wait_until(lambda: "other" in cluster.prsctl("agent", "list", "-o", "name").stdout.split(), what="the third agent")
    try:
        outcome = submit(
            cluster,
            tmp_path,
            """
type: pipeline
settings: {default_compute: azureml:cpu}
jobs:
  here: {command: "pwd > ${{outputs.place}}", outputs: {place: {type: uri_file}}}
  there: {command: "pwd > ${{outputs.place}}", compute: "azureml:other", outputs: {place: {type: uri_file}}}
""",
        )
        assert content(outcome, "there", "place").startswith(str(cluster.folder / "other"))
        assert not content(outcome, "here", "place").startswith(str(cluster.folder / "other"))
    finally:
        other.terminate()
        other.wait(30)


def test_s18_an_output_without_a_word_is_a_folder_in_the_default_datastore(cluster: Programs, tmp_path: Path) -> None:
    outcome = submit(
        cluster,
        tmp_path,
        """
type: pipeline
settings: {default_compute: cpu}
jobs:
  write:
    command: touch ${{outputs.plain}}/file
    outputs:
      plain:
""",
    )
    assert outcome.exit_code == 0, outcome.stderr
    folder = Path(outcome.step("write")["outputs"]["plain"])
    assert folder == cluster.folder / "daemon" / "datastore" / "azureml" / f"{outcome.job['name']}.write" / "plain"
    assert [path.name for path in folder.iterdir()] == ["file"]


def test_s19_name_in_a_path_is_the_steps_job_name(cluster: Programs, tmp_path: Path) -> None:
    outcome = submit(
        cluster,
        tmp_path,
        """
type: pipeline
settings: {default_compute: cpu}
outputs:
  table: {type: uri_file, path: "azureml://datastores/${{default_datastore}}/paths/${{name}}/a.csv"}
jobs:
  write:
    command: echo 1 > ${{outputs.table}} && echo 2 > ${{outputs.named}}/b
    outputs:
      table: ${{parent.outputs.table}}
      named: {path: "azureml://datastores/workspaceblobstore/paths/x/${{output_name}}"}
""",
    )
    assert content(outcome, "write", "table") == "1\n"
    datastore = cluster.folder / "daemon" / "datastore"
    assert (datastore / f"{outcome.job['name']}.write" / "a.csv").read_text() == "1\n"
    assert (datastore / "x" / "named" / "b").read_text() == "2\n"
    assert outcome.job["outputs"]["table"] == outcome.step("write")["outputs"]["table"]


@pytest.mark.parametrize(("given", "expected"), [({}, []), ({"opt": "a b"}, ["--opt", "a~b", "--last"])])
def test_s20_an_optional_group_vanishes_or_loses_its_brackets(
    bench: Bench, given: dict[str, str], expected: list[str]
) -> None:
    bench.files = 1
    whole = bench.document()["jobs"]["score"]
    component = {
        "type": "parallel",
        "name": "c",
        "inputs": {"data": {"type": "uri_folder"}, "opt": {"type": "string", "optional": True}},
        "outputs": {"rows": {"type": "uri_file"}},
        "task": {**whole["task"], "program_arguments": "--first 1 $[[--opt '${{inputs.opt}}' --last]]"},
    }
    bench.step = {"component": component, "task": {}, "inputs": {**whole["inputs"], **given}}
    step = bench.run(ECHO)
    assert step.state == "Completed", step.error
    (words,) = step.trace
    start = words.index("--first")
    assert [word for word in words if word in ("--opt", "a~b", "--last") or "[" in word] == expected
    assert words[start + 2 : start + 2 + len(expected)] == expected


def test_s21_a_numeric_setting_may_be_a_pipeline_input(cluster: Programs, tmp_path: Path, bench: Bench) -> None:
    document = bench.document()
    document["inputs"] = {"seconds": 7, "many": 3}
    document["jobs"]["score"] |= {
        "retry_settings": {"timeout": "${{parent.inputs.seconds}}"},
        "mini_batch_size": "${{parent.inputs.many}}",
    }
    bench.write(ECHO)
    outcome = submit_document(cluster, tmp_path, document)
    assert setting(outcome, "score", "run_timeout_s") == ("7.0", "step")
    assert outcome.step("score")["mini_batches"]["total"] == 4


def submit_document(cluster: Programs, folder: Path, document: dict[str, Any], *arguments: str) -> Outcome:
    outcome = submit(cluster, folder, json.dumps(document), *arguments)
    assert outcome.job["steps"], outcome.stderr
    return outcome


def over_component(bench: Bench, step: dict[str, Any]) -> dict[str, Any]:
    """The bench's pipeline with its settings in a component file, and `step` over it."""
    document = bench.document()
    whole = document["jobs"]["score"]
    component = {
        "type": "parallel",
        "name": "scorer",
        "inputs": {"data": {"type": "uri_folder"}},
        "outputs": {"rows": {"type": "uri_file"}},
        "input_data": whole["input_data"],
        "mini_batch_size": "1",
        "mini_batch_error_threshold": 7,
        "retry_settings": {"max_retries": 5, "timeout": 77},
        "task": {**whole["task"], "code": "./code"},
    }
    (bench.folder / "scorer.yml").write_text(yaml.safe_dump(component))
    inputs = {"data": whole["inputs"]["data"]}
    document["jobs"]["score"] = {"component": "./scorer.yml", "inputs": inputs, **step}
    return document


def test_s22_a_step_overrides_its_component_key_by_key(cluster: Programs, bench: Bench) -> None:
    bench.files = 1
    bench.write(ALWAYS)
    document = over_component(bench, {"retry_settings": {"timeout": 5}})
    outcome = submit_document(cluster, bench.folder, document)
    assert setting(outcome, "score", "max_retries") == ("5", "component")
    assert setting(outcome, "score", "run_timeout_s") == ("5.0", "step")
    assert outcome.step("score")["errors"][0]["count"] == 6


def test_s23_a_threshold_of_zero_is_effective(cluster: Programs, bench: Bench) -> None:
    bench.files = 4
    bench.write(FIRST)
    tolerant = submit_document(cluster, bench.folder, over_component(bench, {"retry_settings": {"max_retries": 0}}))
    assert tolerant.step("score")["state"] == "Completed"
    strict = {"mini_batch_error_threshold": 0, "retry_settings": {"max_retries": 0}}
    outcome = submit_document(cluster, bench.folder, over_component(bench, strict))
    assert (outcome.exit_code, outcome.step("score")["state"]) == (3, "Failed")
    assert "mini_batch_error_threshold" in outcome.step("score")["error"]


def test_s24_set_changes_a_value_by_its_path(cluster: Programs, bench: Bench) -> None:
    bench.files = 2
    outcome = cluster.prsctl(
        "submit", bench.write(ECHO), "--wait", "-o", "json", "--set", "jobs.score.resources.instance_count=3"
    )
    assert outcome.exit_code == 0, outcome.stderr
    assert setting(outcome, "score", "instance_count") == ("3", "step")


def test_s26_a_bound_step_starts_afterwards_and_reads_the_others_files(cluster: Programs, tmp_path: Path) -> None:
    outcome = submit(
        cluster,
        tmp_path,
        """
type: pipeline
settings: {default_compute: cpu}
jobs:
  last:
    command: cat ${{inputs.words}}/*.txt > ${{outputs.all}}
    inputs: {words: {type: uri_folder, path: "${{parent.jobs.first.outputs.words}}"}}
    outputs: {all: {type: uri_file}}
  first:
    command: for n in 1 2 3; do echo $n > ${{outputs.words}}/$n.txt; done
    outputs: {words: {}}
""",
    )
    assert content(outcome, "last", "all") == "1\n2\n3\n"
    assert outcome.step("last")["depends_on"] == ["first"]
    assert outcome.step("first")["end_time"] <= outcome.step("last")["start_time"]


FAILING = """
type: pipeline
settings: {default_compute: cpu, continue_on_step_failure: %s}
jobs:
  bad:
    command: until [ -e FOLDER/started ]; do sleep 0.05; done; exit 3
    outputs: {out: {}}
  after_bad:
    command: "true"
    inputs: {i: {type: uri_folder, path: "${{parent.jobs.bad.outputs.out}}"}}
  independent:
    command: touch FOLDER/started; until [ -e FOLDER/go ]; do sleep 0.05; done
    outputs: {out: {}}
  after_independent:
    command: "true"
    inputs: {i: {type: uri_folder, path: "${{parent.jobs.independent.outputs.out}}"}}
"""


def states(outcome: Outcome) -> dict[str, str]:
    return {step["name"]: step["state"] for step in outcome.job["steps"]}


def test_s27_independent_steps_are_canceled_when_a_failure_must_end_the_pipeline(cluster: Programs, tmp_path: Path) -> None:
    outcome = submit(cluster, tmp_path, (FAILING % "false").replace("FOLDER", str(tmp_path)))
    assert outcome.exit_code == 3
    assert states(outcome) == {
        "bad": "Failed",
        "after_bad": "Skipped",
        "independent": "Canceled",
        "after_independent": "Skipped",
    }


def test_s27_independent_steps_go_on_otherwise(cluster: Programs, tmp_path: Path) -> None:
    pipeline = tmp_path / "pipeline.yml"
    pipeline.write_text((FAILING % "true").replace("FOLDER", str(tmp_path)))
    job = cluster.prsctl("submit", pipeline, "-o", "json").job["name"]

    def bad_has_failed() -> bool:
        return states(cluster.prsctl("job", "show", job, "-o", "json"))["bad"] == "Failed"

    wait_until(bad_has_failed, what="the failure")
    (tmp_path / "go").touch()
    assert cluster.prsctl("job", "wait", job).exit_code == 3
    assert states(cluster.prsctl("job", "show", job, "-o", "json")) == {
        "bad": "Failed",
        "after_bad": "Skipped",
        "independent": "Completed",
        "after_independent": "Completed",
    }


def test_pipelines_within_pipelines_run_as_one_graph(cluster: Programs, tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "doubled.yml").write_text("""
type: pipeline
inputs:
  text: {type: uri_file}
  times: {type: integer, default: 2}
outputs:
  text: {type: uri_file}
jobs:
  repeat:
    command: for n in $(seq ${{inputs.times}}); do cat ${{inputs.text}}; done > ${{outputs.text}}
    inputs: {text: "${{parent.inputs.text}}", times: "${{parent.inputs.times}}"}
    outputs: {text: {type: uri_file}}
  count:
    command: wc -l < ${{inputs.text}} > ${{outputs.text}}; cat ${{inputs.text}} >> ${{outputs.text}}
    inputs: {text: "${{parent.jobs.repeat.outputs.text}}"}
    outputs: {text: "${{parent.outputs.text}}"}
""")
    (tmp_path / "line.txt").write_text("line\n")
    outcome = submit(
        cluster,
        tmp_path,
        """
type: pipeline
settings: {default_compute: cpu}
inputs: {line: {type: uri_file, path: ./line.txt}}
outputs: {text: {type: uri_file}}
jobs:
  one: {component: ./parts/doubled.yml, inputs: {text: "${{parent.inputs.line}}"}}
  two:
    component: ./parts/doubled.yml
    inputs: {text: "${{parent.jobs.one.outputs.text}}", times: 3}
    outputs: {text: "${{parent.outputs.text}}"}
""",
    )
    assert outcome.exit_code == 0, outcome.stderr
    assert Path(outcome.job["outputs"]["text"]).read_text().split() == ["9", *["2", "line", "line"] * 3]
    assert [step["name"] for step in outcome.job["steps"]] == ["one.repeat", "one.count", "two.repeat", "two.count"]
    got = cluster.prsctl(
        "job", "download", outcome.job["name"], "--output-name", "one.repeat.text", "--path", tmp_path / "got", "--all"
    )
    assert got.exit_code == 0, got.stderr
    assert (tmp_path / "got" / "logs" / "two.count").is_dir()
    assert cluster.prsctl("job", "logs", outcome.job["name"], "--step", "one.repeat").exit_code == 0
