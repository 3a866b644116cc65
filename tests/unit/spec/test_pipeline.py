"""The pipeline as a whole: keys, kinds of steps, compute, graph (statements 3 to 7, 15)."""

from collections.abc import Callable
from pathlib import Path

import pytest

from prsd.spec import InvalidPipeline, Pipeline, Problem, load_pipeline, parse_document

Refused = Callable[..., list[str]]
Accepted = Callable[..., tuple[Pipeline, tuple[Problem, ...]]]


def test_s03_a_step_without_type_but_with_command_is_a_command_step(accepted: Accepted) -> None:
    pipeline, _ = accepted({"jobs": {"c": {"command": "echo hi", "limits": {"timeout": 5}}}})
    assert [(s.kind, s.command, s.command_timeout_s, s.command_retries) for s in pipeline.steps] == [
        ("command", "echo hi", 5.0, 0)
    ]


@pytest.mark.parametrize("name", ["Bad-Name", "Abc", "class-x", "1a"])
def test_s04_bad_step_names_are_rejected_naming_the_rule(name: str, refused: Refused) -> None:
    assert "lower-case letters, digits and '_'" in refused({f"jobs.{name}": {"command": "x"}})[0]


def test_s05_unknown_keys_are_named_with_their_line() -> None:
    text = "type: pipeline\njobz: {}\njobs:\n  c:\n    command: x\n    compute: a\n    comand: y\n"
    with pytest.raises(InvalidPipeline) as raised:
        parse_document(text)
    assert [(p.line, p.path) for p in raised.value.problems] == [(2, "jobz"), (7, "jobs.c.comand")]
    assert "did you mean 'jobs'?" in raised.value.problems[0].message
    assert "did you mean 'command'?" in raised.value.problems[1].message


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("mini_batch_timeout", "retry_settings.timeout"),
        ("mini_batch_max_retries", "retry_settings.max_retries"),
        ("item_error_threshold", "'error_threshold'"),
        ("overhead_timeout", "--task_overhead_timeout"),
        ("environment", "task.environment"),
        ("instance_count", "resources.instance_count"),
        ("progress_update_timeout", "--progress_update_timeout"),
    ],
)
def test_s05_names_that_are_no_keys_get_the_right_one(key: str, hint: str, refused: Refused) -> None:
    (problem,) = refused({f"jobs.s.{key}": 5})
    assert f"jobs.s.{key}" in problem
    assert hint in problem


def test_s06_compute_not_set(refused: Refused) -> None:
    (problem,) = refused({"settings": None})
    assert problem.startswith("jobs.s.compute: compute not set")


def test_s07_the_steps_compute_wins(accepted: Accepted) -> None:
    def compute(changes: dict[str, object]) -> str:
        return accepted(changes)[0].steps[0].compute

    assert compute({"jobs.s.compute": "azureml:gpu"}) == "gpu"
    assert compute({}) == "cpu"
    assert compute({"settings": None, "compute": "azureml:top"}) == "top"
    assert compute({"jobs.s.compute": "local"}) == ""
    assert compute({"jobs.s.compute": "serverless"}) == ""


@pytest.mark.parametrize(
    "kind", ["sweep", "spark", "automl", "import", "data_transfer", "parallel_for", "if_else", "do_while"]
)
def test_other_step_types_are_refused_by_name(kind: str, refused: Refused) -> None:
    (problem,) = refused({"jobs.other": {"type": kind}, "jobs.s.inputs.extra": "${{parent.jobs.other.outputs.x}}"})
    assert problem.startswith(f"jobs.other.type: {kind} steps are not supported: ")


def test_a_file_with_a_single_step_is_told_where_it_belongs(refused: Refused) -> None:
    (problem,) = refused("type: command\ncommand: x\n")
    assert problem.startswith("1: type: must be pipeline, not 'command': write this as a step")
    assert refused("type: pipelin\njobs: {s: {command: x, compute: a}}") == ["1: type: must be pipeline, not 'pipelin'"]


def test_a_component_of_another_kind_is_refused_where_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "trial.yml").write_text("name: t\ntype: sweep\n")
    (tmp_path / "pipeline.yml").write_text("type: pipeline\njobs:\n  s: {component: ./trial.yml}\n")
    with pytest.raises(InvalidPipeline) as raised:
        load_pipeline(tmp_path / "pipeline.yml")
    (problem,) = raised.value.problems
    assert (problem.file, problem.line) == (str(tmp_path / "trial.yml"), 2)
    assert problem.message.startswith("sweep steps are not supported: write one command step per trial")


def test_a_pipeline_without_jobs_is_refused(refused: Refused) -> None:
    assert "nothing to run" in refused({"jobs": {}})[0]
    assert "nothing to run" in refused({"jobs": None})[0]


def test_all_problems_are_reported_at_once(refused: Refused) -> None:
    problems = refused(
        {
            "type": "job",
            "jobs.s.logging_level": "TRACE",
            "jobs.s.mini_batch_size": "abc",
            "jobs.s.inputs.data.mode": "no",
            "jobs.t": {"type": "sweep"},
        }
    )
    assert len(problems) == 5


def _command(binding: str) -> dict[str, object]:
    return {"command": "x ${{inputs.i}}", "inputs": {"i": binding}, "outputs": {"o": {}}}


def test_s15_cycles_are_reported_as_a_path(refused: Refused) -> None:
    a, b, c = (_command(f"${{{{parent.jobs.{name}.outputs.o}}}}") for name in "bca")
    (problem,) = refused({"jobs": {"a": a, "b": b, "c": c}})
    assert problem.startswith("jobs.c.inputs.i: ")
    assert "a → b → c → a" in problem


def test_s15_self_references_are_reported(refused: Refused) -> None:
    (problem,) = refused({"jobs.a": _command("${{parent.jobs.a.outputs.o}}")})
    assert "a → a" in problem


def test_s15_inputs_bound_to_each_other_are_a_cycle(refused: Refused) -> None:
    a, b = _command("${{parent.jobs.b.inputs.i}}"), _command("${{parent.jobs.a.inputs.i}}")
    assert "a → b → a" in refused({"jobs": {"a": a, "b": b}})[0]


def test_unknown_settings_are_accepted_and_flags_read(accepted: Accepted) -> None:
    settings = {"default_compute": "cpu", "whatever": 1, "continue_on_step_failure": "False", "force_rerun": True}
    pipeline, _ = accepted({"settings": settings})
    assert pipeline.settings.continue_on_step_failure is False
    assert pipeline.settings.force_rerun is True
    assert accepted()[0].settings.continue_on_step_failure is True


def test_only_the_default_datastore_exists(refused: Refused) -> None:
    assert "no datastore 'other'" in refused({"jobs.s.outputs.out.path": "azureml://datastores/other/paths/x"})[0]
    assert "no datastore" in refused({"settings.default_datastore": "azureml:other"})[0]
    assert "'..'" in refused({"jobs.s.outputs.out.path": "azureml://datastores/workspaceblobstore/paths/../x"})[0]
