"""Files of the user: the article's pipeline, overrides, local checks (statements 1, 24, 50)."""

from pathlib import Path

import pytest

from prsd.spec import InvalidPipeline, load_pipeline, load_text, parse_document


def problems(path: Path, *overrides: str) -> list[str]:
    with pytest.raises(InvalidPipeline) as raised:
        load_pipeline(path, overrides)
    return [str(problem) for problem in raised.value.problems]


def test_s01_the_articles_pipeline_is_accepted_unchanged(article: Path) -> None:
    loaded = load_pipeline(article)
    (step,) = loaded.pipeline.steps
    assert step.settings is not None
    assert (step.kind, step.compute) == ("parallel", "cpu-cluster")
    assert (step.settings.instance_count.value, step.settings.max_concurrency_per_instance.value) == (2, 2)
    assert (step.mini_batch_size.unit, step.mini_batch_size.value) == ("bytes", 10240)
    assert (step.settings.error_threshold.value, step.settings.allowed_failed_percent.value) == (5, 30.0)
    assert step.arguments[:2] == ("--model", "${{inputs.score_model}}")
    assert step.inputs["input_data"].path == str(article.parent / "neural-iris-mltable")
    assert len(loaded.notices) == 2
    assert parse_document(loaded.document)[0] == loaded.pipeline


def test_s24_set_overrides_by_dotted_path(article: Path) -> None:
    loaded = load_pipeline(
        article,
        [
            "jobs.batch_prediction.resources.instance_count=3",
            "jobs.batch_prediction.partition_keys=[a]",
            "jobs.batch_prediction.partition_keys.1=b",
            "jobs.batch_prediction.environment_variables.X=a=b: c",
            "tags.tag=${{x}}",
        ],
    )
    (step,) = loaded.pipeline.steps
    assert step.settings is not None
    assert step.settings.instance_count.value == 3
    assert step.partition_keys == ("a", "b")
    assert step.environment_variables == {"X": "a=b: c"}
    assert loaded.pipeline.tags["tag"] == "${{x}}"


@pytest.mark.parametrize(
    "override", ["nothing", "a..b=1", "=1", "type.x=1", "jobs.batch_prediction.partition_keys.x=1", "tags.a=[1"]
)
def test_s24_overrides_that_make_no_sense(article: Path, override: str) -> None:
    text = problems(article, "jobs.batch_prediction.partition_keys=[a]", override)
    assert any(problem.startswith("--set") for problem in text)


def test_s24_a_problem_in_an_override_names_its_path(article: Path) -> None:
    (problem,) = problems(article, "jobs.batch_prediction.retry_settings.timeout=0")
    assert "jobs.batch_prediction.retry_settings.timeout" in problem


def test_everything_missing_is_reported_at_once_with_file_and_line(article: Path) -> None:
    for name in ("neural-iris-mltable/MLTable", "environment/environment_parallel.yml", "script/iris_prediction.py"):
        (article.parent / name).unlink()
    (article.parent / "iris-model").rmdir()
    text = problems(article)
    assert len(text) == 4
    assert all(problem.startswith(f"{article}:") for problem in text)
    assert any("iris-model does not exist" in problem for problem in text)
    assert any("no readable file named 'MLTable'" in problem for problem in text)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("def init(): ...\n", "has no function run"),
        ("class A:\n    def run(self, x): ...\n", "has no function run"),
        ("def run(x:\n", "iris_prediction.py:1: "),
        ("def rum(x): ...\n", "did you mean 'rum'?"),
        ("\0", "iris_prediction.py"),
    ],
)
def test_s50_a_script_without_run_is_refused_before_anything_starts(article: Path, script: str, message: str) -> None:
    (article.parent / "script" / "iris_prediction.py").write_text(script)
    (problem,) = problems(article)
    assert message in problem


@pytest.mark.parametrize(
    "script",
    [
        "async def run(x): ...\n",
        "run = lambda x: x\n",
        "from other import run\n",
        "from other import *\n",
        "from other import predict as run\n",
        "try:\n    from a import run\nexcept ImportError:\n    pass\n",
        "if True:\n    def run(x): ...\n",
        "def f():\n    global run\n    run = 1\n",
        "a, run = 1, 2\n",
        "with open('x') as run: ...\n",
    ],
)
def test_s50_every_way_to_bind_run_is_accepted(article: Path, script: str) -> None:
    (article.parent / "script" / "iris_prediction.py").write_text(script)
    load_pipeline(article)


def test_entry_scripts_as_modules(article: Path) -> None:
    package = article.parent / "script" / "pkg"
    package.mkdir()
    (package / "main.py").write_text("def run(x): ...\n")
    key = "jobs.batch_prediction.task.entry_script"
    load_pipeline(article, [f"{key}=pkg.main"])
    load_pipeline(article, [f"{key}=pkg/main.py"])
    elsewhere = load_pipeline(article, [f"{key}=installed.elsewhere"])
    assert any("must be installed" in notice.message for notice in elsewhere.notices)
    assert "without '..'" in problems(article, f"{key}=../x.py")[0]
    assert "did you mean 'iris_prediction.py'?" in problems(article, f"{key}=iris_predicton.py")[0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: [", "not YAML"),
        ("- a", "mapping"),
        ("a: 1\na: 2", "duplicate"),
        ("paths:\n  - file: a.csv\ntransformations: [drop_colums: a]\n", "did you mean 'drop_columns'"),
        ("paths:\n  - file: a.csv\ntransformations: [read_delimited, {select_partitions: [0]}]\n", "is not supported"),
    ],
)
def test_s43_mltable_files_are_checked_before_anything_is_submitted(article: Path, content: str, message: str) -> None:
    (article.parent / "neural-iris-mltable" / "MLTable").write_text(content)
    (problem,) = problems(article)
    assert message in problem


def test_a_file_is_no_folder_and_a_folder_no_file(article: Path) -> None:
    (article.parent / "f.csv").write_text("x")
    key = "jobs.batch_prediction.inputs.score_model"
    assert "write 'type: uri_file'" in problems(article, f"{key}.path=./f.csv")[0]
    assert "write 'type: uri_folder'" in problems(article, f"{key}.type=uri_file")[0]
    assert "name the folder it lies in" in problems(article, "jobs.batch_prediction.task.code=./f.csv")[0]


def test_files_that_cannot_be_read(tmp_path: Path, article: Path) -> None:
    assert "cannot be read" in problems(tmp_path / "none.yml")[0]
    (tmp_path / "bad.yml").write_bytes(b"\xff\xfe\xff")
    assert "UTF-8" in problems(tmp_path / "bad.yml")[0]
    (tmp_path / "list.yml").write_text("- a")
    assert "no pipeline" in problems(tmp_path / "list.yml")[0]
    missing = problems(article, "jobs.batch_prediction.component=./none.yml")
    assert len(missing) == 1
    assert "none.yml cannot be read" in missing[0]


def test_problems_in_a_component_file_name_that_file(article: Path) -> None:
    component = article.parent / "c.yml"
    component.write_text("type: parallel\nname: c\nlogging_level: LOUD\ntask:\n  type: run_function\n")
    text = problems(article, "jobs.batch_prediction.component=./c.yml", "jobs.batch_prediction.logging_level=")
    assert any(problem.startswith(f"{component}:3: jobs.batch_prediction.component.logging_level") for problem in text)


def test_pipeline_inputs_are_checked_also_when_no_step_uses_them(article: Path) -> None:
    (problem,) = problems(article, "inputs.unused.path=./nowhere")
    assert "inputs.unused.path" in problem
    assert "does not exist" in problem


def test_a_pipeline_in_memory_is_read_relative_to_a_folder(article: Path) -> None:
    from_text = load_text(article.read_text(), "<memory>", article.parent, ["jobs.batch_prediction.compute=gpu"])
    from_file = load_pipeline(article, ["jobs.batch_prediction.compute=gpu"])
    assert from_text.pipeline == from_file.pipeline
    with pytest.raises(InvalidPipeline) as raised:
        load_text("type: pipeline\nnope: 1\n", "<memory>", article.parent)
    assert str(raised.value.problems[0]).startswith("<memory>:2: nope: unknown key")
