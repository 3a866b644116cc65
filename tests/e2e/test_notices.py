"""What a worker noticed reaches the person who looks at the job."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.conftest import ParallelPipeline, Programs

TWO_LINES = """
def run(mini_batch):
    return ["one\\nanother"] * len(mini_batch)
"""
NOTICE = "an element that run() returned holds a line feed: it takes more than one line of the output"


def test_a_notice_of_workers_shows_in_the_job_and_in_its_result(programs: Programs, tmp_path: Path) -> None:
    pipeline = ParallelPipeline(tmp_path / "p", TWO_LINES, files=6).write()
    ended = programs.run(pipeline, "--name", "j")
    assert ended.exit_code == 0, ended.stderr
    (found,) = [notice for notice in ended.job["notices"] if NOTICE in notice]
    assert found in (f"jobs.score: {NOTICE}", f"jobs.score: {NOTICE} (2 workers)")
    assert f"notice: {found}" in ended.stderr
    shown = programs.prsctl("job", "show", "j", "--data", programs.folder / "data", "-o", "json")
    assert found in shown.job["notices"]
    result = (Path(ended.step("score")["logs"]) / "job_result.txt").read_text()
    assert f"Notices:\n- {found.removeprefix('jobs.score: ')}\n" in result
