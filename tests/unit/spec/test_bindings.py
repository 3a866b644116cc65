"""Inputs, outputs, modes, expressions and arguments (statements 13 to 20, 26)."""

from collections.abc import Callable

import pytest

from prsd.spec import Pipeline, PlannedOutput, Problem, Step, StepPlan, parse_document, plan_steps

Refused = Callable[..., list[str]]
Accepted = Callable[..., tuple[Pipeline, tuple[Problem, ...]]]
OneStep = Callable[..., Step]

ARGUMENTS = "jobs.s.task.program_arguments"


def planned(pipeline: Pipeline) -> dict[str, StepPlan]:
    steps = plan_steps(pipeline, job="j", default_datastore="workspaceblobstore", datastore_uri="file:///ds")
    return {step.name: step for step in steps}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("input_data", "${{inputs.nope}}"),
        ("input_data", "data"),
        ("input_data", "${{inputs.data}}/sub"),
        ("task.append_row_to", "${{outputs.nope}}"),
        ("task.append_row_to", "${{outputs.out}}/x.csv"),
        ("task.program_arguments", "--a ${{inputs.nope}}"),
        ("task.program_arguments", "--a ${{outputs.nope}}"),
        ("task.program_arguments", "--a ${{parent.inputs.x}}"),
        ("task.program_arguments", "--a ${{inputs.da ta}}"),
        ("task.program_arguments", "--a ${{inputs.data"),
        ("task.program_arguments", "$[[ --a"),
    ],
)
def test_s13_unknown_or_malformed_names_in_a_step_are_rejected(key: str, value: str, refused: Refused) -> None:
    (problem,) = refused({f"jobs.s.{key}": value})
    assert problem.startswith(f"jobs.s.{key}: ")


def test_s13_a_near_name_is_suggested(refused: Refused) -> None:
    assert "did you mean 'data'?" in refused({ARGUMENTS: "${{inputs.dat}}"})[0]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("inputs.x", "${{parent.inputs.zz}}"),
        ("inputs.x", "${{parent.jobs.zz.outputs.q}}"),
        ("inputs.x", "${{parent.jobs.s.outputs.q}}"),
        ("inputs.x", "${{search_space.q}}"),
        ("outputs.out", "${{parent.outputs.zz}}"),
        ("outputs.out", "./somewhere"),
        ("retry_settings.timeout", "${{parent.inputs.zz}}"),
        ("environment_variables.V", "${{parent.inputs.zz}}"),
    ],
)
def test_s14_unknown_names_of_the_pipeline_are_rejected(key: str, value: str, refused: Refused) -> None:
    problems = refused({f"jobs.s.{key}": value})
    assert problems[0].startswith(f"jobs.s.{key}: ")


@pytest.mark.parametrize("mode", ["eval_mount", "eval_download"])
def test_s16_eval_modes_are_for_mltable_only(mode: str, step: OneStep, refused: Refused) -> None:
    (problem,) = refused({"jobs.s.inputs.data.mode": mode})
    assert problem.startswith("jobs.s.inputs.data.mode: ")
    read = step({"jobs.s.inputs.data": {"type": "mltable", "path": "/d", "mode": mode}})
    assert read.inputs["data"].mode == mode


def test_s17_output_modes(step: OneStep, refused: Refused) -> None:
    assert "rw_mount, mount, upload, direct" in refused({"jobs.s.outputs.out.mode": "download"})[0]
    for mode in ("upload", "rw_mount", "mount", "direct"):
        assert step({"jobs.s.outputs.out.mode": mode}).outputs["out"].mode == mode


def test_s18_an_empty_output_is_a_folder_in_the_default_datastore() -> None:
    text = "type: pipeline\njobs: {c: {command: x, compute: a, outputs: {o: }}}"
    output = planned(parse_document(text)[0])["c"].outputs["o"]
    assert output == PlannedOutput(name="o", type="uri_folder", mode="rw_mount", uri="file:///ds/azureml/j.c/o")


def test_s19_name_is_the_steps_job_name(accepted: Accepted) -> None:
    path = "azureml://datastores/${{default_datastore}}/paths/${{ name }}/${{output_name}}/a.csv"
    pipeline, _ = accepted({"jobs.s.outputs.out.path": path})
    assert planned(pipeline)["s"].outputs["out"].uri == "file:///ds/j.s/out/a.csv"


def test_s20_optional_groups(step: OneStep, refused: Refused) -> None:
    text = "--a 1 $[[--opt ${{inputs.opt}}]] --b 2"
    unset: dict[str, object] = {"jobs.s.inputs.opt": {"type": "string", "optional": True}, ARGUMENTS: text}
    assert step(unset).arguments == ("--a", "1", "--b", "2")
    assert step(unset).inputs["opt"].optional_unset
    assert step({"jobs.s.inputs.opt": "v", ARGUMENTS: text}).arguments == ("--a", "1", "--opt", "v", "--b", "2")
    assert "$[[" in refused({**unset, ARGUMENTS: "--opt ${{inputs.opt}}"})[0]


def test_s20_an_optional_group_is_no_second_problem_of_a_broken_binding(refused: Refused) -> None:
    changes = {
        "jobs.s.inputs.opt": {"path": "${{parent.inputs.zz}}", "optional": True},
        ARGUMENTS: "$[[--a ${{inputs.opt}}]]",
    }
    (problem,) = refused(changes)
    assert problem.startswith("jobs.s.inputs.opt.path: ")


def test_s26_a_bound_step_waits_and_reads_the_other_ones_output(accepted: Accepted) -> None:
    first = {"command": "make ${{outputs.o}}", "outputs": {"o": {"type": "mltable"}}}
    pipeline, _ = accepted(
        {
            "jobs.first": first,
            "jobs.s.inputs.data": {"path": "${{parent.jobs.first.outputs.o}}", "mode": "direct"},
        }
    )
    step = planned(pipeline)["s"]
    assert step.depends_on == ("first",)
    assert (step.inputs["data"].type, step.inputs["data"].uri) == ("mltable", "file:///ds/azureml/j.first/o")


def test_literals_go_into_the_text_before_it_is_split_and_data_after(step: OneStep) -> None:
    read = step(
        {
            "inputs": {"flag": "yes", "n": 3},
            "jobs.s.inputs.words": "two words",
            "jobs.s.inputs.n": {"path": "${{parent.inputs.n}}"},
            "jobs.s.inputs.mixed": "n=${{parent.inputs.n}}!",
            ARGUMENTS: "--a ${{inputs.words}} --q '${{inputs.words}}' --d=${{ inputs.data }}/x "
            "--n ${{inputs.n}} ${{inputs.mixed}}",
        }
    )
    assert read.arguments == (*("--a", "two", "words", "--q", "two words", "--d=${{inputs.data}}/x", "--n", "3", "n=3!"),)
    assert read.inputs["n"].type == "integer"


def test_truth_values_are_spelt_as_python_does(accepted: Accepted) -> None:
    component = {
        "type": "command",
        "name": "c",
        "command": "x ${{inputs.declared}} ${{inputs.one}} ${{inputs.default}}",
        "inputs": {
            "declared": {"type": "boolean"},
            "one": {"type": "boolean"},
            "default": {"type": "boolean", "default": "False"},
        },
    }
    pipeline, _ = accepted(
        {
            "inputs": {"flag": True, "text": "true"},
            "jobs.c": {"component": component, "inputs": {"declared": "yes", "one": 1}},
            "jobs.d": {
                "command": "x ${{inputs.flag}} ${{inputs.text}} ${{inputs.bare}} ${{inputs.word}} ${{inputs.number}}",
                "inputs": {
                    "flag": "${{parent.inputs.flag}}",
                    "text": "${{parent.inputs.text}}",
                    "bare": False,
                    "word": "yes",
                    "number": 1,
                },
            },
        }
    )
    steps = {step.name: step for step in pipeline.steps}
    assert steps["c"].command == "x True True False"
    assert steps["d"].command == "x True true False yes 1"
    assert steps["d"].inputs["bare"].literal == "False"


def test_commands_keep_data_expressions(accepted: Accepted) -> None:
    command = {"command": "p ${{inputs.n}} ${{ outputs.o }}", "inputs": {"n": 1}, "outputs": {"o": {}}}
    pipeline, _ = accepted({"jobs.c": command})
    assert pipeline.steps[1].command == "p 1 ${{outputs.o}}"


def test_a_pipeline_output_decides_location_and_type(accepted: Accepted, refused: Refused) -> None:
    outputs = {"p": {"type": "mltable", "path": "azureml://datastores/workspaceblobstore/paths/here/${{output_name}}"}}
    pipeline, _ = accepted({"outputs": outputs, "jobs.s.outputs.out": "${{parent.outputs.p}}"})
    output = planned(pipeline)["s"].outputs["out"]
    assert (output.type, output.uri) == ("mltable", "file:///ds/here/out")
    assert pipeline.outputs["p"].bound_to == "s.out"
    twice = {"outputs": {"p": None}, "jobs.s.outputs": {"out": "${{parent.outputs.p}}", "b": "${{parent.outputs.p}}"}}
    assert "bound to s.out already" in refused({**twice, "outputs": {"p": {}}})[0]


def test_chains_of_inputs_are_followed(accepted: Accepted) -> None:
    pipeline, _ = accepted(
        {
            "inputs": {"d": {"type": "uri_file", "path": "/a b.csv", "mode": "download"}},
            "jobs.one": {"command": "x", "inputs": {"i": "${{parent.inputs.d}}"}},
            "jobs.two": {"command": "x", "inputs": {"i": "${{parent.jobs.one.inputs.i}}"}},
        }
    )
    read = planned(pipeline)["two"].inputs["i"]
    assert (read.type, read.mode, read.uri) == ("uri_file", "download", "file:///a%20b.csv")


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        ("/a/b", "file:///a/b"),
        ("file:///a/b%20c", "file:///a/b%20c"),
        ("azureml:/a/b", "file:///a/b"),
        ("azureml:file:/a/b", "file:///a/b"),
        ("azureml:file:///a/b", "file:///a/b"),
        ("azureml:s3://bucket/b", "s3://bucket/b"),
        ("azureml://datastores/workspaceblobstore/paths/x/y/", "file:///ds/x/y"),
        ("s3://bucket/a b", "s3://bucket/a b"),
    ],
)
def test_forms_of_paths(path: str, uri: str, accepted: Accepted) -> None:
    pipeline, _ = accepted({"jobs.s.inputs.data.path": path})
    assert planned(pipeline)["s"].inputs["data"].uri == uri


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("./rel", "relative"),
        ("azureml:rel", "relative"),
        ("azureml:name:1", "registered data asset"),
        ("azureml:name@latest", "registered data asset"),
        ("ftp://x/y", "not supported"),
        ("file://host/x", "another machine"),
        ("", "no path"),
    ],
)
def test_paths_that_cannot_be_used(path: str, message: str, refused: Refused) -> None:
    (problem,) = refused({"jobs.s.inputs.data.path": path})
    assert problem.startswith("jobs.s.inputs.data.path: ")
    assert message in problem


def test_environment_variables(step: OneStep) -> None:
    text = """
type: pipeline
inputs: {n: 5}
jobs:
  c:
    command: x
    compute: a
    environment_variables: {A: true, B: 010, C: 1.10, D: "${{parent.inputs.n}}", E: , F: yes}
"""
    variables = parse_document(text)[0].steps[0].environment_variables
    assert variables == {"A": "true", "B": "010", "C": "1.10", "D": "5", "E": "", "F": "yes"}


def test_an_input_without_a_value_is_refused(refused: Refused) -> None:
    assert "no value" in refused({"jobs.s.inputs.data": {"type": "uri_folder"}})[0]
    (problem,) = refused({"inputs": {"d": {"type": "uri_folder"}}, "jobs.s.inputs.data": "${{parent.inputs.d}}"})
    assert "--set inputs.d=" in problem


def test_input_data_must_be_data(refused: Refused) -> None:
    assert "is a literal" in refused({"jobs.s.inputs.data": 5})[0]
    assert "is missing" in refused({"jobs.s.input_data": None})[0]


def test_texts_cannot_grow_without_end(refused: Refused) -> None:
    """Each literal doubles the one before: fifty lines would stand for 2^50 characters."""
    jobs: dict[str, object] = {"j0": {"command": "x", "inputs": {"i": "ab"}}}
    for n in range(1, 50):
        one = f"${{{{parent.jobs.j{n - 1}.inputs.i}}}}"
        jobs[f"j{n}"] = {"command": "x", "inputs": {"i": one + "+" + one}}
    assert any("longer than" in problem for problem in refused({"jobs": jobs}))


def test_two_outputs_at_one_place(accepted: Accepted, refused: Refused) -> None:
    path = "azureml://datastores/workspaceblobstore/paths/x/"
    shared = {"jobs.s.outputs": {"out": {"path": path}, "b": {"path": path}}}
    assert any("same folder as s.out" in notice.message for notice in accepted(shared)[1])
    files = {"jobs.s.outputs": {"out": {"type": "uri_file", "path": path}, "b": {"type": "uri_file", "path": path}}}
    assert "same file as s.out" in refused(files)[0]
    apart = path + "${{name}}/${{output_name}}"
    accepted({"jobs.s.outputs": {"out": {"type": "uri_file", "path": apart}, "b": {"type": "uri_file", "path": apart}}})


def test_declared_parameters_of_the_pipeline(accepted: Accepted, refused: Refused) -> None:
    pipeline, _ = accepted({"inputs": {"n": {"type": "integer", "default": 3}, "o": {"type": "string", "optional": "yes"}}})
    assert pipeline.inputs["n"].literal == "3"
    assert "must be of type integer" in refused({"inputs": {"n": {"type": "integer", "value": "x"}}})[0]
    assert "not an expression" in refused({"inputs": {"n": "${{parent.inputs.o}}"}})[0]
