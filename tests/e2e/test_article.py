"""The pipeline of the article that this project was made from, over its own input where that is at hand."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_iris

from tests.e2e.conftest import EXAMPLES, Programs

ROWS_SCRIPT = """
import argparse
import json
from pathlib import Path

def init():
    global model
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--model", type=Path)
    arguments, _ = parser.parse_known_args()
    model = json.loads((arguments.model / "weights.json").read_text())

def run(input_data):
    return [f"{len(input_data)} rows, row {number}" for number in range(len(input_data))]
"""


@pytest.fixture
def article(tmp_path: Path) -> Path:
    """The article's folder: its pipeline.yml word for word, its table, a script and a model of ours."""
    pipeline = (Path(__file__).parent / "article" / "pipeline.yml").read_text()
    folder = tmp_path / "article"
    folder.mkdir()
    (folder / "pipeline.yml").write_text(pipeline)
    shutil.copytree(EXAMPLES / "iris" / "iris-model", folder / "iris-model")
    shutil.copytree(EXAMPLES / "iris" / "environment", folder / "environment")
    (folder / "script").mkdir()
    (folder / "script" / "iris_prediction.py").write_text(ROWS_SCRIPT)
    table = folder / "neural-iris-mltable"
    table.mkdir()
    shutil.copy(EXAMPLES / "iris" / "neural-iris-mltable" / "MLTable", table)
    # The article's table, made anew: 75 lines of 44 columns, of which the first is taken for the header.
    noise = np.random.RandomState(0).randn(150, 40)
    np.savetxt(table / "iris.csv", np.hstack([load_iris().data, noise])[:75], delimiter=",")
    assert (table / "iris.csv").stat().st_size == 84_032
    return folder


def test_s01_s29_the_articles_pipeline_runs_unchanged_on_two_nodes_of_two_processes(
    article: Path, programs: Programs
) -> None:
    outcome = programs.run(article / "pipeline.yml")
    assert outcome.exit_code == 0, outcome.stderr
    step = outcome.step("batch_prediction")
    assert step["items"] == {"total": 74, "succeeded": 74, "failed": 0}
    stdout = Path(step["logs"]) / "user" / "stdout"
    assert sorted(str(path.relative_to(stdout)) for path in stdout.rglob("*.txt")) == [
        "0/process000.stdout.txt",
        "0/process001.stdout.txt",
        "1/process000.stdout.txt",
        "1/process001.stdout.txt",
    ]
    with (Path(step["logs"]) / "sys" / "job_report" / "processed_mini-batches.csv").open(newline="") as stream:
        attempts = [row for row in csv.DictReader(stream) if row["Mini-batch Id"]]
    assert [int(row["Total"]) for row in attempts] == [9, 9, 9, 9, 9, 9, 9, 10, 1]  # statement 29
    assert json.dumps(outcome.job["notices"]).count("resource_monitor_interval") == 1
