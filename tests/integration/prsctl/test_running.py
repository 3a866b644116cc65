"""`prsctl run` with the real daemon and agents, and what is left of it afterwards: its jobs, and no process."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

DEADLINE_S = 60.0


class Shell:
    """Runs prsctl as a person would, with a data home of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environ = {**os.environ, "XDG_DATA_HOME": str(home), "PRS_SERVER": ""}

    def start(self, *words: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "prsctl.cli", *words],
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def call(self, *words: str) -> tuple[int, str, str]:
        with self.start(*words) as program:
            out, err = program.communicate(timeout=DEADLINE_S)
        return program.returncode, out, err

    def document(self, *words: str) -> Any:
        code, out, err = self.call(*words, "-o", "json")
        assert code == 0, err
        return json.loads(out)

    def processes(self) -> list[psutil.Process]:
        """Everything that runs with our data home in its environment."""
        return [process for process in psutil.process_iter() if str(self.home) in environment_of(process)]


def environment_of(process: psutil.Process) -> str:
    try:
        return process.environ().get("XDG_DATA_HOME", "") if process.status() != psutil.STATUS_ZOMBIE else ""
    except psutil.Error:
        return ""


def eventually(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass in time"
        time.sleep(0.05)


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    shell = Shell(tmp_path / "home")
    yield shell
    for process in shell.processes():
        process.kill()


@pytest.fixture
def script(pipeline: Path) -> Path:
    """The entry script of the pipeline, which has three mini-batches."""
    for name in ("b", "c"):
        (pipeline.parent / "data" / f"{name}.txt").write_text("1\n")
    (pipeline.parent / "src" / "weights.bin").unlink()
    return pipeline.parent / "src" / "score.py"


@pytest.fixture
def stuck(pipeline: Path, script: Path, tmp_path: Path) -> Path:
    """A pipeline whose mini-batches never end; the file that is there once one has started."""
    started = tmp_path / "started"
    script.write_text(
        "import pathlib, time\n"
        f"def run(mini_batch):\n    pathlib.Path({str(started)!r}).touch()\n    time.sleep(3600)\n    return []\n"
    )
    return started


def test_a_run_and_its_past(shell: Shell, pipeline: Path, script: Path, tmp_path: Path) -> None:
    script.write_text(
        "import os\ndef run(mini_batch):\n    print('scoring')\n    return [os.path.basename(each) for each in mini_batch]\n"
    )
    code, out, err = shell.call("run", str(pipeline), "--name", "first", "-o", "json")
    assert code == 0, err
    outcome = json.loads(out)
    assert (outcome["name"], outcome["state"], outcome["exit_code"]) == ("first", "Completed", 0)
    (step,) = outcome["steps"]
    assert (step["mini_batches"]["total"], step["mini_batches"]["succeeded"], step["items"]["succeeded"]) == (3, 3, 3)
    assert shell.processes() == []

    assert [job["name"] for job in shell.document("job", "list")] == ["first"]
    assert shell.document("job", "show", "fir")["state"] == "Completed"
    assert shell.document("job", "show", "@latest")["name"] == "first"
    assert "scoring" in shell.call("job", "logs", "first")[1]
    assert shell.call("job", "wait", "first")[0] == 0
    code, out, err = shell.call("job", "download", "first", "--path", str(tmp_path / "here"))
    assert code == 0, err
    rows = [path.read_text() for path in (tmp_path / "here").rglob("*") if path.is_file()]
    assert rows == ["a.txt\nb.txt\nc.txt\n"]
    assert shell.call("job", "show", "second")[0] == 5
    assert shell.call("agent", "list")[0] == 7
    assert shell.processes() == []


def test_a_failed_run_ends_with_the_real_error(shell: Shell, pipeline: Path, script: Path) -> None:
    script.write_text("def run(mini_batch):\n    raise ValueError('bad pixel')\n")
    overrides = ["jobs.score.retry_settings.max_retries=0", "jobs.score.mini_batch_error_threshold=0"]
    code, out, err = shell.call("run", str(pipeline), "--set", *overrides, "--name", "bad")
    assert code == 3
    assert "logs" in out
    last = err.split("job bad Failed")[1]
    assert "Traceback" in last
    assert "raise ValueError('bad pixel')" in last
    assert "ValueError: bad pixel" in last
    assert last.splitlines()[-1] == "look further: prsctl job logs bad"
    assert "bad pixel" in shell.call("job", "logs", "bad", "--failed")[1]
    assert shell.document("job", "errors", "bad")[0]["name"] == "score"


def test_the_first_interrupt_cancels(shell: Shell, pipeline: Path, stuck: Path) -> None:
    with shell.start("run", str(pipeline), "-o", "json") as program:
        eventually(stuck.exists)
        program.send_signal(signal.SIGINT)
        out, err = program.communicate(timeout=DEADLINE_S)
    assert program.returncode == 130, err
    assert (json.loads(out)["state"], json.loads(out)["exit_code"]) == ("Canceled", 130)
    assert shell.processes() == []


def test_the_second_interrupt_kills(shell: Shell, pipeline: Path, stuck: Path) -> None:
    with shell.start("run", str(pipeline)) as program:
        eventually(stuck.exists)
        for agent in [process for process in shell.processes() if "prs_agent.app" in process.cmdline()]:
            agent.suspend()
        program.send_signal(signal.SIGINT)
        program.send_signal(signal.SIGTERM)
        _, err = program.communicate(timeout=DEADLINE_S)
    assert program.returncode == 130, err
    eventually(lambda: shell.processes() == [])


def test_nothing_outlives_a_killed_prsctl(shell: Shell, pipeline: Path, script: Path, stuck: Path) -> None:
    with shell.start("run", str(pipeline), "--name", "orphan") as program:
        eventually(stuck.exists)
        program.kill()
    eventually(lambda: shell.processes() == [])
    assert shell.document("job", "show", "orphan")["state"] == "Running"
    assert shell.call("job", "wait", "orphan")[0] == 6

    script.write_text("def run(mini_batch):\n    return list(mini_batch)\n")
    code, _, err = shell.call("run", str(pipeline))
    assert code == 0, err
    assert "job orphan of an earlier run had not ended; it is canceled" in err
    # The killed run's agents count as alive for a session timeout: the next run may have ended before that.
    assert shell.document("job", "show", "orphan")["state"] in ("CancelRequested", "Canceled")


def test_a_daemon_that_dies_ends_the_run(shell: Shell, pipeline: Path, stuck: Path) -> None:
    with shell.start("run", str(pipeline), "-o", "json") as program:
        eventually(stuck.exists)
        (daemon,) = [process for process in shell.processes() if "prsd.app" in process.cmdline()]
        daemon.kill()
        out, err = program.communicate(timeout=DEADLINE_S)
    assert program.returncode == 1, err
    assert "the daemon was killed by SIGKILL; its log" in err
    assert "serving on" in err
    assert json.loads(out)["exit_code"] == 1
    eventually(lambda: shell.processes() == [])


def test_a_run_under_way_can_be_watched_and_joined_by_another(shell: Shell, pipeline: Path, stuck: Path) -> None:
    with shell.start("run", str(pipeline), "--name", "long") as first:
        eventually(stuck.exists)
        assert shell.document("job", "show", "long")["state"] == "Running"
        assert [agent["name"] for agent in shell.document("agent", "list")] == ["local-0"]
        assert shell.call("job", "wait", "long", "--timeout", "0.2s")[0] == 8
        stuck.unlink()
        with shell.start("run", str(pipeline), "--name", "beside") as second:
            eventually(stuck.exists)
            assert sorted(job["name"] for job in shell.document("job", "list")) == ["beside", "long"]
            assert shell.call("job", "cancel", "beside")[0] == 0
            _, err = second.communicate(timeout=DEADLINE_S)
        assert second.returncode == 11
        assert "default-2" in err
        assert shell.call("job", "cancel", "long")[0] == 0
        first.communicate(timeout=DEADLINE_S)
    assert first.returncode == 11
    assert shell.processes() == []


def test_a_named_data_folder(shell: Shell, pipeline: Path, script: Path, tmp_path: Path) -> None:
    data = str(tmp_path / "mine")
    assert shell.call("run", str(pipeline), "--data", data, "--name", "there")[0] == 0
    assert shell.call("job", "list")[0] == 7
    assert shell.document("job", "list", "--data", data)[0]["name"] == "there"
    assert shell.call("job", "list", "--data", str(tmp_path / "nowhere"))[0] == 7
    assert shell.call("run", str(pipeline), "--data", data, "--name", "there")[0] == 6


def test_a_submission_to_a_standing_daemon(shell: Shell, pipeline: Path, script: Path) -> None:
    folder = shell.home / "prs"
    daemon = subprocess.Popen([sys.executable, "-m", "prsd.app", "--data", str(folder)], env=shell.environ)
    try:
        eventually(lambda: shell.call("agent", "list")[0] == 0)
        code, out, err = shell.call("submit", str(pipeline), "--name", "waiting")
        assert (code, out) == (0, "waiting\n")
        assert err.endswith("submitted; to see it run: prsctl job watch waiting\n")
        assert shell.document("job", "show", "waiting")["state"] == "Queued"
        code, _, err = shell.call("submit", str(pipeline), "--name", "waiting")
        assert (code, "there is a job 'waiting' already" in err) == (6, True)
        assert shell.call("job", "cancel", "waiting")[0] == 0
        assert shell.call("job", "wait", "waiting")[0] == 11
    finally:
        daemon.terminate()
        daemon.wait(timeout=DEADLINE_S)
