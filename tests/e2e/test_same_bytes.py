"""The appended file is the same bytes whatever the number of workers and the order in which mini-batches finish."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.conftest import ParallelPipeline, Programs

SLEEPY = """
import pathlib, random, time

def run(mini_batch):
    time.sleep(random.random() * 0.05)
    return [f"{pathlib.Path(path).name}: {'x' * (int(pathlib.Path(path).stem) % 97)}" for path in mini_batch]
"""


def test_s85_five_runs_with_one_two_and_four_workers_write_the_same_bytes(programs: Programs, tmp_path: Path) -> None:
    written = set()
    for number, (instances, workers) in enumerate([(1, 1), (1, 2), (2, 2), (1, 4), (2, 2)]):
        pipeline = ParallelPipeline(tmp_path / f"p{number}", SLEEPY, files=120, size=3, instances=instances, workers=workers)
        outcome = programs.run(pipeline.write(), "--max-workers", "4")
        assert outcome.exit_code == 0, outcome.stderr
        written.add(Path(outcome.step("score")["outputs"]["rows"]).read_bytes())
        if instances * workers > 1:
            _assert_several_workers_out_of_order(Path(outcome.step("score")["logs"]))
    assert len(written) == 1
    assert written.pop().count(b"\n") == 120


def _assert_several_workers_out_of_order(logs: Path) -> None:
    import csv

    with (logs / "sys/job_report/processed_mini-batches.csv").open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["Mini-batch Id"]]
    assert len({(row["Ip Address"], row["Process"]) for row in rows}) > 1
    ends = [(row["Start Time"], int(row["Mini-batch Id"])) for row in rows]
    assert [index for _, index in sorted(ends)] != [index for _, index in ends]
