"""Pipelines built with azure-ai-ml: what they dump (statement 25), and `prsctl.sdk` in place of its client."""

import logging
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Outcome, ParallelPipeline, Programs, wait_until

ARTICLE = Path(__file__).parent / "article" / "sdk"
FAILING = "def run(mini_batch):\n    raise ValueError('the script says no')\n"
NAMES = "import pathlib\ndef run(mini_batch):\n    return [pathlib.Path(path).name for path in mini_batch]\n"
WAITING = "import pathlib, time\ndef run(mini_batch):\n    pathlib.Path('GATE').touch()\n    time.sleep(600)\n"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Programs]:
    """A daemon with the article's two computes."""
    programs = Programs(tmp_path_factory.mktemp("cluster"))
    programs.start_daemon()
    for name, compute in (("one", "cpu-cluster"), ("two", "cpu-cluster"), ("three", "gpu-cluster")):
        programs.start_agent(name, "--slots", "2", "--compute", compute)
    wait_until(lambda: len(programs.prsctl("agent", "list", "-o", "name").stdout.split()) == 3, what="three agents")
    yield programs
    programs.stop_all()


@pytest.fixture
def article(tmp_path: Path) -> Path:
    """The folder of the article's SDK tab, with a small table and a model."""
    folder = shutil.copytree(ARTICLE, tmp_path / "article")
    (folder / "dataset").mkdir()
    (folder / "dataset" / "MLTable").write_text("type: mltable\npaths:\n  - file: ./flowers.csv\n")
    rows = "".join(f"{number}.5,{number}.25,{1000 - number}.0\n" for number in range(20))
    (folder / "dataset" / "flowers.csv").write_text("sepal,petal,height\n" + rows)
    (folder / "model").mkdir()
    (folder / "model" / "weight.txt").write_text("0.5")
    return folder


def python(cluster: Programs, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A user's program, which finds the daemon the way that prsctl does."""
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=folder, env=cluster.env, capture_output=True, text=True, timeout=100, check=False)


def results(job: dict[str, Any]) -> tuple[bytes, dict[str, str]]:
    """The appended rows, and the files that the other step wrote."""
    written = Path(job["outputs"]["pipeline_job_out_file"])
    rows = Path(job["outputs"]["pipeline_job_out_tabular"]).read_bytes()
    return rows, {path.name: path.read_text() for path in written.iterdir()}


def submitted(cluster: Programs, pipeline: Path) -> Outcome:
    outcome = cluster.prsctl("submit", pipeline, "--wait", "-o", "json")
    assert outcome.exit_code == 0, outcome.stderr
    return outcome


def test_s25_what_the_sdk_dumps_runs_like_the_hand_written_pipeline(cluster: Programs, article: Path) -> None:
    dump = "from pipeline_of_the_article import pipeline_job; pipeline_job.dump('dumped.yml')"
    dumped = python(cluster, article, "-c", dump)
    assert dumped.returncode == 0, dumped.stderr
    text = (article / "dumped.yml").read_text()
    assert "azureml:./dataset/" in text
    assert f"code: {article / 'src'}" in text
    ours = submitted(cluster, article / "pipeline.yml")
    theirs = submitted(cluster, article / "dumped.yml")
    rows, files = results(ours.job)
    assert rows.splitlines()[:2] == [b"0.5 0.25 1000.0 500.375", b"1.5 1.25 999.0 500.875"]
    assert len(rows.splitlines()) == len(files) == 20
    assert files["007.txt"] == "993.0"
    assert results(theirs.job) == (rows, files)
    counts = {step["name"]: (step["mini_batches"], step["items"], step["settings"]) for step in ours.job["steps"]}
    for step in theirs.job["steps"]:
        mini_batches, items, settings = counts[step["name"]]
        assert (step["mini_batches"], step["items"]) == (mini_batches, items)
        assert [each["value"] for each in step["settings"]] == [each["value"] for each in settings]


def test_the_articles_sdk_tab_runs_with_one_changed_import(cluster: Programs, article: Path) -> None:
    tab = python(cluster, article, "submit.py")
    assert tab.returncode == 0, tab.stderr + tab.stdout
    lines = tab.stdout.splitlines()
    assert lines[0].startswith("Compute(name='cpu-cluster'")
    name = next(line.split()[1] for line in lines if line.startswith("submitted "))
    assert lines[lines.index("Execution Summary") + 2 :][:2] == [f"RunId: {name}", "Status: Completed"]
    assert any(line.startswith("Output pipeline_job_out_tabular: ") for line in lines)
    job = cluster.prsctl("job", "show", name, "-o", "json").job
    assert (job["experiment_name"], job["display_name"]) == ("pipeline_samples", "parallel_in_pipeline")
    assert len(results(job)[1]) == 20


# The rest imports azure-ai-ml into this process, where its notes on experimental classes are in the way.


@pytest.fixture
def client(cluster: Programs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    logging.getLogger("azure").setLevel(logging.ERROR)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PRS_SERVER", raising=False)
    from prsctl.sdk import MLClient

    (tmp_path / "config.json").write_text(f'{{"workspace_name": "w", "server": "{cluster.server}"}}')
    with MLClient.from_config() as made:
        assert made.workspace_name == "w"
        yield made


def yaml_job(folder: Path, script: str, **step: Any) -> Any:
    """A job that azure-ai-ml has loaded from YAML."""
    from azure.ai.ml import load_job

    pipeline = ParallelPipeline(folder, script.replace("GATE", str(folder / "gate")), files=4, workers=1, step=step)
    return load_job(pipeline.write(), params_override=[{"settings.default_compute": "azureml:cpu-cluster"}])


def test_a_failed_job_raises_the_scripts_own_error(client: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from azure.ai.ml.exceptions import JobException

    job = client.jobs.create_or_update(yaml_job(tmp_path / "p", FAILING, mini_batch_error_threshold=0), tags={"a": "b"})
    with pytest.raises(JobException) as raised:
        client.jobs.stream(job.name)
    assert "ValueError: the script says no" in str(raised.value)
    assert "Status: Failed" in capsys.readouterr().out
    found = client.jobs.get(job.name)
    assert (found.status, found.tags) == ("Failed", {"a": "b"})
    assert found.name in [each.name for each in client.jobs.list()]
    assert [(each.display_name, each.status) for each in client.jobs.list(parent_job_name=job.name)] == [("score", "Failed")]


def test_outputs_and_logs_are_downloaded(client: Any, tmp_path: Path) -> None:
    from azure.core.exceptions import ResourceNotFoundError

    job = client.jobs.create_or_update(yaml_job(tmp_path / "p", NAMES))
    client.jobs.stream(job.name)
    client.jobs.download(job.name, download_path=tmp_path / "logs_only")
    assert [path.name for path in (tmp_path / "logs_only").iterdir()] == ["logs"]
    client.jobs.download(job.name, download_path=tmp_path / "rows", output_name="score.rows")
    (rows,) = [path for path in (tmp_path / "rows").rglob("*") if path.is_file()]
    assert rows.read_text().splitlines() == [f"{number:05}.txt" for number in range(4)]
    client.jobs.download(job.name, download_path=tmp_path / "everything", all=True)
    assert sorted(path.name for path in (tmp_path / "everything").iterdir()) == ["logs", "named-outputs"]
    with pytest.raises(ResourceNotFoundError, match="its outputs are"):
        client.jobs.download(job.name, output_name="none")


def test_a_job_is_canceled(client: Any, tmp_path: Path) -> None:
    from azure.ai.ml.exceptions import JobException

    job = client.jobs.create_or_update(yaml_job(tmp_path / "p", WAITING))
    wait_until((tmp_path / "p" / "gate").exists, what="the first run()")
    cancellation = client.jobs.begin_cancel(job.name)
    cancellation.result(timeout=60)
    assert cancellation.status() == client.jobs.get(job.name).status == "Canceled"
    with pytest.raises(JobException, match="Canceled"):
        client.jobs.stream(job.name)


def test_what_cannot_run_is_refused_with_azures_exceptions(client: Any, tmp_path: Path) -> None:
    from azure.ai.ml import command
    from azure.ai.ml.exceptions import ValidationException
    from azure.core.exceptions import ResourceNotFoundError, ServiceRequestError

    from prsctl.sdk import MLClient

    job = yaml_job(tmp_path / "p", NAMES, retry_settings={"timeout": 0})
    verdict = client.jobs.validate(job)
    assert not verdict.passed
    assert "(0, 259200]" in verdict.error_messages["jobs.score.retry_settings.timeout"]
    with pytest.raises(ValidationException, match="must be a number of seconds"):
        client.jobs.create_or_update(job)
    assert client.jobs.validate(yaml_job(tmp_path / "q", NAMES)).passed
    with pytest.raises(ValidationException, match="@pipeline"):
        client.jobs.create_or_update(command(command="true", environment="azureml:e:1"))
    with pytest.raises(ResourceNotFoundError):
        client.jobs.get("no-such-job")
    with pytest.raises(ResourceNotFoundError, match="cpu-cluster, gpu-cluster"):
        client.compute.get("tpu-cluster")
    assert [(each.name, each.agents, each.slots) for each in client.compute.list()] == [
        ("cpu-cluster", ("one", "two"), 4),
        ("gpu-cluster", ("three",), 2),
    ]
    with pytest.raises(ServiceRequestError), MLClient(server=f"unix:{tmp_path}/none") as nobody:
        nobody.jobs.list()


def test_archiving_warns_that_it_does_nothing(client: Any, tmp_path: Path) -> None:
    job = client.jobs.create_or_update(yaml_job(tmp_path / "p", NAMES))
    with pytest.warns(UserWarning, match="stays listed"):
        client.jobs.archive(job.name)
    assert job.name in [each.name for each in client.jobs.list()]
    client.jobs.stream(job.name)


def test_optional_inputs_nested_functions_and_bound_settings(client: Any, cluster: Programs, tmp_path: Path) -> None:
    from azure.ai.ml import Input, Output
    from azure.ai.ml.dsl import pipeline
    from azure.ai.ml.parallel import RunFunction, parallel_run_function

    ParallelPipeline(tmp_path, NAMES, files=3).write()
    names = parallel_run_function(
        name="names",
        inputs={"data": Input(type="uri_folder"), "note": Input(type="string", optional=True)},
        outputs={"rows": Output(type="uri_file")},
        input_data="${{inputs.data}}",
        task=RunFunction(
            code="./code",
            entry_script="entry.py",
            environment="azureml:e:1",
            program_arguments="$[[--note ${{inputs.note}}]]",
            append_row_to="${{outputs.rows}}",
        ),
    )

    @pipeline()  # type: ignore[untyped-decorator]
    def inner(data: Input(type="uri_folder"), size: int, note: Input(type="string", optional=True) = None) -> Any:  # type: ignore[valid-type]
        step = names(data=data, note=note)
        step.mini_batch_size = size
        return {"rows": step.outputs.rows}

    @pipeline()  # type: ignore[untyped-decorator]
    def outer(data: Input(type="uri_folder"), size: int = 2, note: Input(type="string", optional=True) = None) -> Any:  # type: ignore[valid-type]
        return {"rows": inner(data=data, size=size, note=note).outputs.rows}

    job = client.jobs.create_or_update(outer(data=Input(path="./input")), compute="cpu-cluster")
    client.jobs.stream(job.name)
    found = client.jobs.get(job.name)
    assert Path(found.outputs["rows"].path).read_text().splitlines() == [f"{number:05}.txt" for number in range(3)]
    (step,) = client.jobs.list(parent_job_name=job.name)
    assert (step.display_name, step.document["mini_batches"]["total"]) == ("inner.names", 2)
    assert cluster.prsctl("job", "verify", job.name).exit_code == 0
