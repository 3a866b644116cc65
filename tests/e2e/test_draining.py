"""An agent that is told to leave (SIGTERM) finishes what runs; the others do the rest, and no attempt is wasted."""

from __future__ import annotations

import csv
import signal
from pathlib import Path

from tests.e2e.conftest import ParallelPipeline, Programs, wait_until

# Every mini-batch tells that it has begun; those of the first two go on until the test has seen the agent asked to leave.
SCRIPT = """
import os, time
def run(mini_batch):
    marks = os.environ["MARKS"]
    open(os.path.join(marks, os.path.basename(mini_batch[0])), "w").close()
    while len(os.listdir(marks)) < 5:
        time.sleep(0.01)
    time.sleep(0.05)
    return mini_batch
"""


def test_a_drained_agent_finishes_what_runs_and_gives_the_rest_back(programs: Programs, tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    pipeline = ParallelPipeline(tmp_path / "p", SCRIPT, files=40, instances=2, workers=2)
    pipeline.step = {"environment_variables": {"MARKS": str(marks)}, "retry_settings": {"max_retries": 0}}
    programs.start_daemon("--any-compute")
    leaving = programs.start_agent("leaving", "--slots", "2")
    staying = programs.start_agent("staying", "--slots", "2")
    assert programs.prsctl("submit", pipeline.write(), "--name", "j").exit_code == 0
    wait_until(lambda: len(list(marks.iterdir())) == 4, what="all four workers to run", timeout_s=60)
    leaving.send_signal(signal.SIGTERM)
    (marks / "go").touch()
    assert leaving.wait(30) == 0
    assert programs.prsctl("job", "wait", "j").exit_code == 0
    step = programs.prsctl("job", "show", "j", "-o", "json").step("score")
    assert step["mini_batches"] == {"total": 40, "succeeded": 40, "failed": 0, "retried": 0}
    report = next(tmp_path.glob("daemon/jobs/j/score/logs/sys/job_report/processed_mini-batches.csv"))
    with report.open(newline="") as file:
        attempts = [row["Mini-batch Id"] for row in csv.DictReader(file) if row["Mini-batch Id"]]
    assert len(attempts) == len(set(attempts)) == 40
    assert programs.prsctl("job", "verify", "j").exit_code == 0
    assert staying.poll() is None
