"""Pipeline components: as steps of a pipeline, nested in each other, and as a whole job (spec sections 1.1, 1.3 and 1.5)."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from prsd.spec import InvalidPipeline, Pipeline, StepPlan, load_pipeline, parse_document, plan_steps

SCORING: dict[str, Any] = yaml.safe_load("""
type: pipeline
name: scoring
inputs:
  images: {type: uri_folder, mode: download}
  limit_s: {type: integer, default: 30, min: 1, max: 99}
  label: {type: string, optional: true}
outputs:
  rows: {type: uri_file}
jobs:
  prepare:
    command: cp -r ${{inputs.from}} ${{outputs.to}}
    inputs: {from: "${{parent.inputs.images}}"}
    outputs: {to: {}}
  score:
    type: parallel
    inputs:
      data: {type: uri_folder, path: "${{parent.jobs.prepare.outputs.to}}"}
      label: {type: string, optional: true, path: "${{parent.inputs.label}}"}
    outputs: {rows: "${{parent.outputs.rows}}"}
    input_data: ${{inputs.data}}
    retry_settings: {timeout: "${{parent.inputs.limit_s}}"}
    task:
      type: run_function
      code: /code
      entry_script: m.py
      program_arguments: $[[--label ${{inputs.label}}]]
      append_row_to: ${{outputs.rows}}
""")
DOCUMENT: dict[str, Any] = {
    "type": "pipeline",
    "settings": {"default_compute": "cpu"},
    "inputs": {"limit_s": 7, "images": {"path": "/images"}},
    "outputs": {"final": {"type": "mltable"}},
    "jobs": {
        "first": {
            "type": "pipeline",
            "component": SCORING,
            "inputs": {"images": "${{parent.inputs.images}}", "limit_s": "${{parent.inputs.limit_s}}", "label": "x"},
            "outputs": {"rows": "${{parent.outputs.final}}"},
        },
        "second": {
            "component": SCORING,
            "inputs": {"images": {"path": "${{parent.jobs.first.outputs.rows}}"}},
        },
    },
}


def changed(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    document = copy.deepcopy(DOCUMENT)
    change(document)
    return document


def read(document: dict[str, Any] = DOCUMENT) -> tuple[Pipeline, dict[str, StepPlan]]:
    pipeline, _ = parse_document(document)
    plans = plan_steps(pipeline, job="j", default_datastore="workspaceblobstore", datastore_uri="file:///ds")
    return pipeline, {plan.name: plan for plan in plans}


def refusals(change: Callable[[dict[str, Any]], object]) -> list[str]:
    with pytest.raises(InvalidPipeline) as raised:
        parse_document(changed(change))
    return [str(problem) for problem in raised.value.problems]


def test_steps_of_nested_pipelines_are_named_after_the_way_to_them() -> None:
    pipeline, plans = read()
    assert list(plans) == ["first.prepare", "first.score", "second.prepare", "second.score"]
    assert {name: plan.depends_on for name, plan in plans.items()} == {
        "first.prepare": (),
        "first.score": ("first.prepare",),
        "second.prepare": ("first.score",),
        "second.score": ("second.prepare",),
    }
    assert {plan.compute for plan in plans.values()} == {"cpu"}
    assert pipeline.outputs["final"].bound_to == "first.score.rows"


def test_inputs_are_bound_through() -> None:
    _, plans = read()
    given = plans["first.prepare"].inputs["from"]
    assert (given.uri, given.type, given.mode) == ("file:///images", "uri_folder", "download")
    assert plans["first.score"].arguments == ("--label", "x")
    assert plans["second.score"].arguments == ()
    first, second = (plans[f"{name}.score"].settings for name in ("first", "second"))
    assert first is not None
    assert second is not None
    assert (first.run_timeout_s.value, second.run_timeout_s.value) == (7, 30)


def test_outputs_are_bound_through() -> None:
    _, plans = read()
    rows = plans["first.score"].outputs["rows"]
    assert (rows.type, rows.uri) == ("mltable", "file:///ds/azureml/j.first.score/rows")
    assert plans["second.prepare"].inputs["from"].uri == rows.uri
    assert plans["second.score"].outputs["rows"].type == "uri_file"


def test_the_outermost_output_decides_the_place() -> None:
    def move(document: dict[str, Any]) -> None:
        document["outputs"]["final"] = {"path": "azureml://datastores/${{default_datastore}}/paths/${{name}}/a.csv"}

    _, plans = read(changed(move))
    assert plans["first.score"].outputs["rows"].uri == "file:///ds/j.first.score/a.csv"


def test_pipelines_nest_in_nested_pipelines() -> None:
    outer = {
        "type": "pipeline",
        "inputs": {"photos": {"type": "uri_folder"}},
        "outputs": {"rows": {}},
        "jobs": {
            "inner": {
                "component": SCORING,
                "inputs": {"images": "${{parent.inputs.photos}}"},
                "outputs": {"rows": "${{parent.outputs.rows}}"},
            }
        },
    }

    def nest(document: dict[str, Any]) -> None:
        document["jobs"]["first"]["component"] = outer
        document["jobs"]["first"]["inputs"] = {"photos": {"path": "/photos"}}

    pipeline, plans = read(changed(nest))
    assert plans["first.inner.prepare"].inputs["from"].uri == "file:///photos"
    assert plans["second.prepare"].depends_on == ("first.inner.score",)
    assert pipeline.outputs["final"].bound_to == "first.inner.score.rows"


def test_a_pipeline_component_is_a_whole_job() -> None:
    document = {
        "type": "pipeline",
        "compute": "cpu",
        "component": SCORING,
        "inputs": {"images": {"type": "uri_folder", "path": "/i"}, "limit_s": 9},
    }
    _, plans = read(document)
    assert list(plans) == ["prepare", "score"]
    assert plans["prepare"].inputs["from"].uri == "file:///i"
    settings = plans["score"].settings
    assert settings is not None
    assert settings.run_timeout_s.value == 9


@pytest.mark.parametrize(
    ("change", "where", "message"),
    [
        (lambda d: d["jobs"]["second"]["inputs"].clear(), "jobs.second.component.inputs.images", "has no value"),
        (lambda d: d["jobs"]["second"]["inputs"].update(limit_s=100), "jobs.second.inputs.limit_s", "must be in [1, 99]"),
        (lambda d: d["inputs"].update(limit_s="x"), "jobs.first.inputs.limit_s", "must be of type integer"),
        (lambda d: d["jobs"]["second"]["inputs"].update(imags="x"), "jobs.second.inputs.imags", "did you mean 'images'?"),
        (lambda d: d["jobs"]["first"].update(command="x"), "jobs.first.command", "unknown key 'command'"),
        (lambda d: d["jobs"]["first"].update(component=None), "jobs.first", "needs a 'component'"),
        (lambda d: d["jobs"]["first"]["component"].update(jobs={}), "jobs.first.component.jobs", "nothing to run"),
        (
            lambda d: d["jobs"]["first"]["component"]["jobs"]["prepare"]["inputs"].update({"from": "${{parent.inputs.zz}}"}),
            "jobs.first.component.jobs.prepare.inputs.from",
            "the pipeline component of step 'first' has no input 'zz'",
        ),
        (
            lambda d: d["jobs"]["first"]["component"]["jobs"]["score"]["inputs"]["data"].update(
                path="${{parent.jobs.second.outputs.rows}}"
            ),
            "jobs.first.component.jobs.score.inputs.data.path",
            "there is no step 'second' (steps: prepare, score)",
        ),
        (
            lambda d: d["jobs"]["first"]["component"]["jobs"]["score"].update(outputs={"rows": None}),
            "jobs.second.inputs.images.path",
            "no step of 'first' writes to its output 'rows'",
        ),
        (
            lambda d: d["jobs"]["first"]["outputs"].update(rows="${{parent.outputs.zz}}"),
            "jobs.first.outputs.rows",
            "the pipeline has no output 'zz'",
        ),
        (
            lambda d: d["jobs"]["first"]["component"]["jobs"]["prepare"]["outputs"].update(to="${{parent.outputs.rows}}"),
            "jobs.first.component.jobs.score.outputs.rows",
            "bound to first.prepare.to already",
        ),
        (
            lambda d: d["jobs"]["first"]["inputs"].update(images="${{parent.jobs.second.outputs.rows}}"),
            "jobs.first.component.jobs.prepare.inputs.from",
            "second.score → second.prepare → first.score → first.prepare → second.score",
        ),
        (
            lambda d: d["jobs"]["first"]["inputs"].update(label="${{parent.jobs.first.inputs.label}}"),
            "jobs.first.inputs.label",
            "first → first",
        ),
        (lambda d: d.update(component=SCORING), "jobs", "exclude each other"),
        (
            lambda d: (d.pop("jobs"), d.update(component={**SCORING, "type": "command"})),
            "component.type",
            "must be pipeline",
        ),
        (lambda d: (d.pop("jobs"), d.update(component="azureml:x:1")), "component", "registered component"),
    ],
)
def test_what_is_wrong_is_named_where_it_is_written(
    change: Callable[[dict[str, Any]], object], where: str, message: str
) -> None:
    assert any(problem.startswith(f"{where}: ") and message in problem for problem in refusals(change)), refusals(change)


def test_many_bindings_on_many_levels_cost_no_power_of_each_other() -> None:
    """Twelve levels of eight bindings are 8^12 ways from the innermost input to the outermost."""
    many = "${{parent.inputs.a}}" * 8
    here: dict[str, Any] = {"command": "x", "inputs": {"a": many}}
    for _ in range(12):
        here = {"component": {"type": "pipeline", "inputs": {"a": {"type": "string"}}, "jobs": {"s": here}}}
        here["inputs"] = {"a": many}
    pipeline, _ = parse_document({"type": "pipeline", "compute": "cpu", "inputs": {"a": ""}, "jobs": {"s": here}})
    assert pipeline.steps[0].inputs["a"].literal == ""
    with pytest.raises(InvalidPipeline, match="is longer than 262144 characters"):
        parse_document({"type": "pipeline", "compute": "cpu", "inputs": {"a": "x"}, "jobs": {"s": here}})


def test_component_files_name_component_files_relative_to_themselves(tmp_path: Path) -> None:
    parts = tmp_path / "parts"
    (parts / "code").mkdir(parents=True)
    (parts / "code" / "m.py").write_text("def run(batch): return batch\n")
    score = copy.deepcopy(SCORING["jobs"]["score"])
    score["task"]["code"] = "./code"
    step = {"inputs": score.pop("inputs"), "outputs": score.pop("outputs"), "component": "./score.yml"}
    declared = {"inputs": {"data": {"type": "uri_folder"}, "label": {"type": "string", "optional": True}}}
    (parts / "score.yml").write_text(yaml.safe_dump({**score, **declared, "outputs": {"rows": {"type": "uri_file"}}}))
    del score["retry_settings"]
    scoring = {**SCORING, "jobs": {"prepare": SCORING["jobs"]["prepare"], "score": step}}
    (parts / "scoring.yml").write_text(yaml.safe_dump(scoring))
    document = changed(lambda d: [job.update(component="./parts/scoring.yml") for job in d["jobs"].values()])
    document["inputs"]["images"]["path"] = "./parts"
    (tmp_path / "pipeline.yml").write_text(yaml.safe_dump(document))
    loaded = load_pipeline(tmp_path / "pipeline.yml")
    assert [each.code for each in loaded.pipeline.steps] == [None, str(parts / "code")] * 2
    assert parse_document(loaded.document)[0] == loaded.pipeline


def test_a_component_that_holds_itself_is_refused(tmp_path: Path) -> None:
    step = {"component": "./b.yml"}
    (tmp_path / "a.yml").write_text(yaml.safe_dump({"type": "pipeline", "jobs": {"b": step}}))
    (tmp_path / "b.yml").write_text(yaml.safe_dump({"type": "pipeline", "jobs": {"a": {"component": "./a.yml"}}}))
    with pytest.raises(InvalidPipeline) as raised:
        load_pipeline(tmp_path / "a.yml")
    (problem,) = raised.value.problems
    assert "holds itself" in problem.message
    assert "b.yml → a.yml → b.yml" in problem.message
    assert (problem.file, problem.line) == (str(tmp_path / "a.yml"), 3)
