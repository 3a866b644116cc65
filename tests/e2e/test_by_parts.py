"""Daemon, agents and client as separate programs."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.e2e.conftest import ParallelPipeline, Programs, processes_of, wait_until

NAMES = "import pathlib\ndef run(mini_batch):\n    return [pathlib.Path(path).name for path in mini_batch]\n"


@pytest.fixture
def cluster(programs: Programs) -> Programs:
    """A daemon on a socket and two agents of compute `cpu`."""
    programs.start_daemon()
    for name in ("one", "two"):
        programs.start_agent(name, "--slots", "2")
    wait_until(lambda: len(_agents(programs)) == 2, what="two agents")
    return programs


def _agents(programs: Programs) -> list[object]:
    listed = programs.prsctl("agent", "list", "-o", "json")
    found: list[object] = json.loads(listed.stdout) if listed.exit_code == 0 else []
    return found


def test_submit_wait_list_show_logs_and_download(cluster: Programs, tmp_path: Path) -> None:
    pipeline = ParallelPipeline(
        tmp_path / "p", NAMES, files=30, size=3, instances=2, step={"compute": "azureml:cpu"}
    ).write()
    submitted = cluster.prsctl("submit", pipeline, "--wait", "-o", "json", "--name", "first")
    assert submitted.exit_code == 0, submitted.stderr
    assert submitted.job["name"] == "first"
    assert submitted.step("score")["mini_batches"]["succeeded"] == 10
    assert cluster.prsctl("job", "list", "-o", "name").stdout.split() == ["first"]
    shown = json.loads(cluster.prsctl("job", "show", "first", "-o", "json").stdout)
    assert shown["state"] == "Completed"
    downloaded = cluster.prsctl("job", "download", "first", "--path", tmp_path / "got")
    assert downloaded.exit_code == 0, downloaded.stderr
    rows = next((tmp_path / "got").rglob("*rows*"))
    assert (rows if rows.is_file() else next(rows.iterdir())).read_text().splitlines() == [f"{n:05}.txt" for n in range(30)]
    assert cluster.prsctl("job", "show", "second").exit_code == 5


def test_unknown_compute_is_refused_and_set_overrides(cluster: Programs, tmp_path: Path) -> None:
    pipeline = ParallelPipeline(tmp_path / "p", NAMES, step={"compute": "gpu"}).write()
    refused = cluster.prsctl("submit", pipeline)
    assert refused.exit_code == 9
    assert "gpu" in refused.stderr
    assert "cpu" in refused.stderr
    accepted = cluster.prsctl(
        "submit",
        pipeline,
        "--set",
        "jobs.score.compute=cpu",
        "--set",
        "jobs.score.mini_batch_size=5",
        "--wait",
        "-o",
        "json",
    )
    assert accepted.exit_code == 0, accepted.stderr
    assert accepted.step("score")["mini_batches"]["total"] == 2


def test_s79_an_agent_that_is_killed_costs_nothing_but_time(programs: Programs, tmp_path: Path) -> None:
    script = "import time\ndef run(mini_batch):\n    time.sleep(0.05)\n    return mini_batch\n"
    programs.start_daemon("--session-timeout", "2", "--heartbeat", "0.5")
    agents = [programs.start_agent(name) for name in ("one", "two")]
    pipeline = ParallelPipeline(tmp_path / "p", script, files=100, instances=2, step={"compute": "cpu"}).write()
    submit = ("prsctl", "submit", pipeline, "--wait", "-o", "json")
    waiting = programs.start(*submit, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_until(lambda: len(list(programs.folder.rglob("*.seg"))) >= 2, what="rows of both agents")
    agents[0].kill()
    stdout, stderr = waiting.communicate(timeout=60)
    assert waiting.returncode == 0, stderr
    step = json.loads(stdout)["steps"][0]
    assert step["mini_batches"]["succeeded"] == 100
    rows = Path(step["outputs"]["rows"]).read_text().splitlines()
    assert rows == sorted(set(rows))
    assert len(rows) == 100
    wait_until(lambda: not processes_of(programs.folder / "one"), what="the end of the killed agent's workers")


def test_s80_a_daemon_that_is_killed_and_restarted_goes_on(programs: Programs, tmp_path: Path) -> None:
    script = "import time\ndef run(mini_batch):\n    time.sleep(0.05)\n    return mini_batch\n"
    timing = ("--session-timeout", "5", "--heartbeat", "0.5")
    daemon = programs.start_daemon(*timing)
    programs.start_agent("one")
    pipeline = ParallelPipeline(tmp_path / "p", script, files=120, step={"compute": "cpu"}).write()
    wait_until(lambda: programs.prsctl("submit", pipeline, "--name", "j").exit_code == 0, what="the submission")

    def succeeded() -> int:
        shown = programs.prsctl("job", "show", "j", "-o", "json")
        return int(json.loads(shown.stdout)["steps"][0]["mini_batches"]["succeeded"]) if shown.exit_code == 0 else -1

    wait_until(lambda: succeeded() > 10, what="some results")
    before = succeeded()
    daemon.kill()
    daemon.wait()
    programs.start_daemon(*timing)
    wait_until(lambda: succeeded() >= before, what="the daemon to remember")
    waited = programs.prsctl("job", "wait", "j", "--timeout", "60")
    assert waited.exit_code == 0, waited.stderr
    shown = json.loads(programs.prsctl("job", "show", "j", "-o", "json").stdout)
    rows = Path(shown["steps"][0]["outputs"]["rows"]).read_text().splitlines()
    assert rows == sorted(set(rows))
    assert len(rows) == 120
