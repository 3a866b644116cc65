"""What happens when something is wrong: with the pipeline, the script, the input, or a process."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.e2e.conftest import ParallelPipeline, Programs, processes_of, wait_until

SLEEPY = "import time\ndef run(mini_batch):\n    time.sleep(30)\n    return mini_batch\n"
FINE = "def run(mini_batch):\n    return [open(path).read().strip() for path in mini_batch]\n"


def failing_on_the_third(how: str) -> str:
    return f"def run(mini_batch):\n    if '00003' in mini_batch[0]:\n        {how}\n    return mini_batch\n"


def test_every_problem_of_a_pipeline_at_once_with_file_and_line_and_nothing_started(
    programs: Programs, tmp_path: Path
) -> None:
    pipeline = tmp_path / "broken.yml"
    pipeline.write_text(
        "type: pipeline\njobs:\n  score:\n    type: parallel\n    compute: local\n    mini_batch_timeout: 5\n"
        "    mini_batch_error_threshold: -7\n    inputs:\n      data:\n        type: uri_folder\n        path: ./nowhere\n"
        "    input_data: ${{inputs.dat}}\n    task:\n      type: run_function\n      code: ./missing\n"
        "      entry_script: x.py\n      environment: azureml:a:1\n"
    )
    outcome = programs.run(pipeline)
    assert outcome.exit_code == 9
    for expected in (
        "broken.yml:6: jobs.score.mini_batch_timeout",
        "retry_settings.timeout",
        "broken.yml:7: jobs.score.mini_batch_error_threshold",
        "broken.yml:11: jobs.score.inputs.data.path",
        "broken.yml:12: jobs.score.input_data",
        "did you mean",
        "broken.yml:15: jobs.score.task.code",
    ):
        assert expected in outcome.stderr, outcome.stderr
    assert outcome.job["exit_code"] == 9
    assert not (programs.folder / "data" / "prsd.db").exists()


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("def init():\n    pass\n", "run"),
        ("import nothing_of_that_name\ndef run(mini_batch):\n    return []\n", "nothing_of_that_name"),
        ("def init():\n    raise OSError('no model here')\ndef run(mini_batch):\n    return []\n", "no model here"),
    ],
    ids=["s50_no_run", "failing_import", "s75_failing_init"],
)
def test_a_script_that_cannot_start_fails_fast_with_the_users_error(
    programs: Programs, tmp_path: Path, script: str, expected: str
) -> None:
    outcome = programs.run(ParallelPipeline(tmp_path / "p", script).write(), timeout_s=40)
    assert outcome.exit_code in (3, 9)
    assert expected in outcome.stderr
    assert processes_of(programs.folder) == []


def test_empty_input_is_named(programs: Programs, tmp_path: Path) -> None:
    outcome = programs.run(ParallelPipeline(tmp_path / "p", FINE, files=0).write())
    assert outcome.exit_code == 3
    assert "empty" in outcome.job["error"]


def test_s62_a_mini_batch_that_always_fails_is_tried_three_times_and_the_error_comes_first(
    programs: Programs, tmp_path: Path
) -> None:
    script = failing_on_the_third("raise ValueError('bad file')")
    pipeline = ParallelPipeline(tmp_path / "p", script, step={"mini_batch_error_threshold": 0})
    outcome = programs.run(pipeline.write())
    assert outcome.exit_code == 3
    assert "ValueError: bad file" in outcome.stderr
    assert "mini_batch_error_threshold" in outcome.stderr
    result = (Path(outcome.step("score")["logs"]) / "job_result.txt").read_text()
    assert "ValueError: bad file" in result
    assert "Exit code 42" in result
    assert not Path(outcome.step("score")["outputs"]["rows"]).exists()


def test_s61_a_retry_that_succeeds_is_no_failure(programs: Programs, tmp_path: Path) -> None:
    script = (
        "import pathlib\n"
        "def run(mini_batch, context):\n"
        "    if context.minibatch_index == 4 and context.retry_count == 0:\n"
        "        raise ValueError('only once')\n"
        "    return [pathlib.Path(path).name for path in mini_batch]\n"
    )
    pipeline = ParallelPipeline(tmp_path / "p", script, step={"mini_batch_error_threshold": 0})
    outcome = programs.run(pipeline.write())
    assert outcome.exit_code == 0, outcome.stderr
    assert outcome.step("score")["mini_batches"] == {"total": 10, "succeeded": 10, "failed": 0, "retried": 1}


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("import os; os._exit(7)", "returncode 7"),
        ("import sys; sys.exit(5)", "returncode 5"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL"),
        ("import ctypes; ctypes.string_at(0)", "SIGSEGV"),
    ],
    ids=["os_exit", "sys_exit", "s65_sigkill", "segfault"],
)
def test_a_worker_that_dies_costs_one_mini_batch(programs: Programs, tmp_path: Path, how: str, expected: str) -> None:
    script = failing_on_the_third(how)
    step = {"mini_batch_error_threshold": 1, "retry_settings": {"max_retries": 1}}
    outcome = programs.run(ParallelPipeline(tmp_path / "p", script, step=step).write())
    assert outcome.exit_code == 0, outcome.stderr
    assert outcome.step("score")["mini_batches"] == {"total": 10, "succeeded": 9, "failed": 1, "retried": 1}
    errors = (Path(outcome.step("score")["logs"]) / "job_error.txt").read_text()
    assert expected in errors
    assert len(Path(outcome.step("score")["outputs"]["rows"]).read_text().splitlines()) == 9


def test_s64_a_run_that_overruns_is_killed_and_the_next_worker_has_the_next_number(
    programs: Programs, tmp_path: Path
) -> None:
    script = (
        "import time\n"
        "def run(mini_batch, context):\n"
        "    if context.minibatch_index == 2 and context.retry_count == 0:\n"
        "        time.sleep(60)\n"
        "    return mini_batch\n"
    )
    pipeline = ParallelPipeline(tmp_path / "p", script, workers=1, step={"retry_settings": {"timeout": 1}})
    outcome = programs.run(pipeline.write())
    assert outcome.exit_code == 0, outcome.stderr
    report = (Path(outcome.step("score")["logs"]) / "sys/job_report/processed_mini-batches.csv").read_text()
    assert "RUN_TIMEOUT" in report
    assert "process001" in report


def test_first_ctrl_c_cancels_and_leaves_no_process(programs: Programs, tmp_path: Path) -> None:
    pipeline = ParallelPipeline(tmp_path / "p", SLEEPY).write()
    process = programs.start("prsctl", "run", pipeline, "--data", tmp_path / "data")
    wait_until(lambda: list((tmp_path / "data").rglob("process000.stdout.txt")), what="a worker")
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    wait_until(lambda: processes_of(tmp_path) == [], what="the end of every process")


def test_prsctl_killed_leaves_no_process(programs: Programs, tmp_path: Path) -> None:
    pipeline = ParallelPipeline(tmp_path / "p", SLEEPY).write()
    process = programs.start("prsctl", "run", pipeline, "--data", tmp_path / "data")
    wait_until(lambda: list((tmp_path / "data").rglob("process000.stdout.txt")), what="a worker")
    process.kill()
    wait_until(lambda: processes_of(tmp_path) == [], what="the end of every process")
