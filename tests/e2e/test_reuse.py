"""Statement 94 through the real programs: `prsctl run` of a pipeline that has run, whose data or script changes."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.conftest import Outcome, ParallelPipeline, Programs

SCRIPT = """
import os, pathlib
def init():
    with open({trace!r}, "a") as stream:
        stream.write("started\\n")
def run(mini_batch):
    return [pathlib.Path(path).name for path in mini_batch]
"""


def test_s94_a_second_run_takes_the_outputs_over_until_something_changes(programs: Programs, tmp_path: Path) -> None:
    trace = tmp_path / "trace.txt"
    pipeline = ParallelPipeline(tmp_path / "p", SCRIPT.format(trace=str(trace)), files=4, workers=1)
    file = pipeline.write()

    def run(name: str, *arguments: str) -> tuple[Outcome, int]:
        before = len(trace.read_text().splitlines()) if trace.exists() else 0
        outcome = programs.run(file, "--name", name, *arguments)
        assert outcome.exit_code == 0, outcome.stderr
        assert len(Path(outcome.step("score")["outputs"]["rows"]).read_text().splitlines()) == pipeline.files
        return outcome, len(trace.read_text().splitlines()) - before

    first, started = run("first")
    assert started == 1
    second, started = run("second")
    assert started == 0
    assert "jobs.score: reused from first/score" in second.stderr
    assert second.step("score")["outputs"] == first.step("score")["outputs"]
    assert second.step("score")["mini_batches"]["succeeded"] == 4
    verified = programs.prsctl("job", "verify", "second", "--data", tmp_path / "data")
    assert verified.exit_code == 0, verified.stderr
    _, started = run("forced", "--force-rerun")
    assert started == 1
    pipeline.files = 5
    pipeline.write()
    changed, started = run("changed")
    assert started == 1
    assert changed.step("score")["reuse"]["differences"] == ["inputs.data"]
