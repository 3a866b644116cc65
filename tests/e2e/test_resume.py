"""`prsctl job resume`: a new job takes over what a failed or canceled one has completed, and runs only the rest."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Outcome, ParallelPipeline, Programs, wait_until


@pytest.fixture
def cluster(programs: Programs) -> Programs:
    """A daemon and one agent, which stays the same process for all jobs of a test."""
    programs.start_daemon()
    programs.start_agent("one", "--slots", "2")
    return programs


def counting_script(folder: Path, fails: str = "", waits: str = "") -> str:
    """Notes every call of run() by the name of its file, also of calls that fail."""
    return f"""
import os, pathlib, time
FOLDER = pathlib.Path({str(folder)!r})

def run(mini_batch):
    names = [pathlib.Path(path).stem for path in mini_batch]
    with open(FOLDER / "calls", "a") as calls:
        calls.write(names[0] + "\\n")
    {fails or "pass"}
    {waits or "pass"}
    return names
"""


def taken_calls(folder: Path) -> Counter[int]:
    """The calls since this was asked last, by mini-batch."""
    calls = Counter(int(line) for line in (folder / "calls").read_text().split())
    (folder / "calls").write_text("")
    return calls


def step_of(outcome: Outcome) -> dict[str, Any]:
    found: dict[str, Any] = outcome.job["steps"][0]
    return found


def test_s95_only_failed_and_unprocessed_mini_batches_run_again(cluster: Programs, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    fails = f"if int(names[0]) in (4, 11, 12) and not os.path.exists({str(flag)!r}): raise ValueError('no flag')"
    step = {"compute": "cpu", "mini_batch_error_threshold": 1, "retry_settings": {"max_retries": 1}}
    pipeline = ParallelPipeline(tmp_path / "p", counting_script(tmp_path, fails), files=20, workers=1, step=step).write()
    failed = cluster.prsctl("submit", pipeline, "--name", "first", "--wait", "-o", "json")
    assert failed.exit_code == 3, failed.stderr
    done = step_of(failed)["mini_batches"]["succeeded"]
    first_calls = taken_calls(tmp_path)
    assert first_calls[4] == 2
    verified = cluster.prsctl("job", "verify", "first")
    assert verified.exit_code == 0, verified.stdout
    assert f"{done} of 20 mini-batches have results, whose rows are whole; 2 reported as failed" in verified.stdout

    flag.touch()
    resumed = cluster.prsctl("job", "resume", "first", "--new-name", "second", "--wait", "-o", "json")
    assert resumed.exit_code == 0, resumed.stderr
    assert (resumed.job["name"], resumed.job["resumed_from"]) == ("second", "first")
    assert f"the results of {done} are taken over" in resumed.stderr
    assert step_of(resumed)["mini_batches"] == {"total": 20, "succeeded": 20, "failed": 0, "retried": 0}
    rows = Path(step_of(resumed)["outputs"]["rows"]).read_text().splitlines()
    assert rows == [f"{number:05}" for number in range(20)]
    again = taken_calls(tmp_path)
    succeeded_before = {number for number in first_calls if number not in (4, 11, 12)}
    assert again == {number: 1 for number in range(20) if number not in succeeded_before}
    assert len(again) == 20 - done
    verified = cluster.prsctl("job", "verify", "second")
    assert verified.exit_code == 0, verified.stdout
    assert verified.stdout.strip() == "score: 20 rows of 20 mini-batches, every one exactly once"

    nothing = cluster.prsctl("job", "resume", "second")
    assert nothing.exit_code == 6
    assert "nothing to resume" in nothing.stderr
    assert cluster.prsctl("job", "resume", "third").exit_code == 5


def test_a_canceled_job_is_resumed_twice_and_stays_so_when_the_first_one_is_removed(
    cluster: Programs, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    waits = f"while int(names[0]) >= 8 and not os.path.exists({str(gate)!r}): time.sleep(0.01)"
    script = counting_script(tmp_path, waits=waits)
    pipeline = ParallelPipeline(tmp_path / "p", script, files=20, step={"compute": "cpu"}).write()
    assert cluster.prsctl("submit", pipeline, "--name", "first").exit_code == 0

    def succeeded(name: str) -> int:
        return int(
            json.loads(cluster.prsctl("job", "show", name, "-o", "json").stdout)["steps"][0]["mini_batches"]["succeeded"]
        )

    wait_until(lambda: succeeded("first") == 8, what="eight results", timeout_s=60)
    running = cluster.prsctl("job", "resume", "first")
    assert running.exit_code == 6
    assert "is Running" in running.stderr
    assert cluster.prsctl("job", "cancel", "first").exit_code == 0
    assert cluster.prsctl("job", "wait", "first").exit_code == 11
    taken_calls(tmp_path)

    # The resumed job is canceled too, at once: what it took over is taken over again.
    assert cluster.prsctl("submit", "--resume-from", "first", "--name", "second").exit_code == 0
    assert cluster.prsctl("job", "cancel", "second").exit_code == 0
    assert cluster.prsctl("job", "wait", "second").exit_code == 11
    taken_calls(tmp_path)
    for folder in sorted((cluster.folder / "daemon/jobs/first").rglob("*"), reverse=True):
        folder.rmdir() if folder.is_dir() else folder.unlink()
    gate.touch()
    gone = cluster.prsctl("job", "resume", "first")
    assert gone.exit_code == 6
    assert "is gone" in gone.stderr
    third = cluster.prsctl("job", "resume", "second", "--new-name", "third", "--wait", "-o", "json")
    assert third.exit_code == 0, third.stderr
    assert set(taken_calls(tmp_path)) == set(range(8, 20))
    assert Path(step_of(third)["outputs"]["rows"]).read_text().splitlines() == [f"{number:05}" for number in range(20)]
    verified = cluster.prsctl("job", "verify", "third")
    assert verified.exit_code == 0, verified.stdout


def test_completed_steps_are_taken_over_with_their_outputs(cluster: Programs, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    document = json.loads(ParallelPipeline(tmp_path / "p", counting_script(tmp_path), files=6).write().read_text())
    document["settings"]["default_compute"] = "cpu"
    document["jobs"]["count"] = {
        "type": "command",
        "command": f"test -e {flag} && wc -l < ${{{{inputs.rows}}}} > ${{{{outputs.lines}}}}/n",
        "environment": "azureml:any:1",
        "inputs": {"rows": {"type": "uri_file", "path": "${{parent.jobs.score.outputs.rows}}"}},
        "outputs": {"lines": {"type": "uri_folder"}},
    }
    pipeline = tmp_path / "p/pipeline.yml"
    pipeline.write_text(json.dumps(document))
    failed = cluster.prsctl("submit", pipeline, "--name", "first", "--wait", "-o", "json")
    assert failed.exit_code == 3, failed.stderr
    taken_calls(tmp_path)
    flag.touch()
    resumed = cluster.prsctl("job", "resume", "first", "--wait", "-o", "json")
    assert resumed.exit_code == 0, resumed.stderr
    assert taken_calls(tmp_path) == {}
    assert resumed.step("score")["outputs"] == failed.step("score")["outputs"]
    assert resumed.step("score")["logs"] == failed.step("score")["logs"]
    assert (Path(resumed.step("count")["outputs"]["lines"]) / "n").read_text().strip() == "6"
    verified = cluster.prsctl("job", "verify", resumed.job["name"])
    assert verified.exit_code == 0, verified.stdout
    assert verified.stdout.splitlines() == ["score: 6 rows of 6 mini-batches, every one exactly once", "count: completed"]


def test_a_resumed_job_has_the_pipeline_of_the_former(cluster: Programs, tmp_path: Path) -> None:
    pipeline = ParallelPipeline(tmp_path / "p", counting_script(tmp_path)).write()
    for words in (("submit", pipeline, "--resume-from", "first"), ("submit",)):
        refused = cluster.prsctl(*words)
        assert refused.exit_code == 2, refused.stderr


def test_a_run_goes_on_from_a_job_of_a_past_run(programs: Programs, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    fails = f"if int(names[0]) == 3 and not os.path.exists({str(flag)!r}): raise ValueError('no flag')"
    step = {"mini_batch_error_threshold": 0, "retry_settings": {"max_retries": 0}}
    script = counting_script(tmp_path, fails)
    pipeline = ParallelPipeline(tmp_path / "p", script, files=8, workers=1, instances=2, step=step).write()
    failed = programs.run(pipeline, "--name", "first")
    assert failed.exit_code == 3, failed.stderr
    done = step_of(failed)["mini_batches"]["succeeded"]
    taken_calls(tmp_path)
    flag.touch()
    data = ("--data", programs.folder / "data")
    resumed = programs.prsctl("run", "--resume-from", "first", "--name", "second", *data, "-o", "json")
    assert resumed.exit_code == 0, resumed.stderr
    assert (resumed.job["name"], resumed.job["resumed_from"]) == ("second", "first")
    assert sum(taken_calls(tmp_path).values()) == 8 - done
    assert Path(step_of(resumed)["outputs"]["rows"]).read_text().splitlines() == [f"{number:05}" for number in range(8)]
    result = (Path(step_of(resumed)["logs"]) / "job_result.txt").read_text()
    assert f"resumed from job first: of its 8 mini-batches the results of {done} are taken over" in result
    assert f"the attempts before are in the reports of that job ({step_of(failed)['logs']})" in result
    assert programs.prsctl("job", "verify", "second", *data).exit_code == 0
    # Exactly one of FILE and --resume-from is due.
    assert programs.prsctl("run", pipeline, "--resume-from", "first", *data).exit_code == 2
    assert programs.prsctl("run", *data).exit_code == 2
    assert programs.prsctl("run", "--resume-from", "nobody", *data).exit_code == 5
