"""The shipped examples, run as the README says."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from tests.e2e.conftest import EXAMPLES, Programs, processes_of


def test_digits_predicts_every_image_exactly_once(programs: Programs) -> None:
    outcome = programs.run(EXAMPLES / "digits" / "pipeline.yml")
    assert outcome.exit_code == 0, outcome.stderr
    assert outcome.job["state"] == "Completed"
    classify = outcome.step("classify")
    assert classify["mini_batches"] == {"total": 72, "succeeded": 72, "failed": 0, "retried": 0}
    assert classify["items"] == {"total": 1797, "succeeded": 1797, "failed": 0}
    predictions = Path(classify["outputs"]["predictions"]).read_text().splitlines()
    names = [line.split()[0] for line in predictions]
    assert names == sorted(names)
    assert len(set(names)) == 1797
    report = next(Path(outcome.step("report")["logs"]).rglob("std_log_0.txt")).read_text()
    assert "1797 images, every one exactly once; accuracy 0.9" in report
    assert processes_of(programs.folder) == []


def test_iris_scores_every_flower(programs: Programs) -> None:
    outcome = programs.run(EXAMPLES / "iris" / "pipeline.yml")
    assert outcome.exit_code == 0, outcome.stderr
    step = outcome.step("batch_prediction")
    assert step["items"]["total"] == 150
    assert step["mini_batches"]["failed"] == 0
    with Path(step["outputs"]["job_output_file"]).open(newline="") as stream:
        rows = list(csv.reader(stream, delimiter=" "))
    assert len(rows) == 150
    assert {len(row) for row in rows} == {5}
    assert {row[-1] for row in rows} == {"setosa", "versicolor", "virginica"}
    assert "resource_monitor_interva" in outcome.stderr  # the misspelt argument is read, and said
    logs = Path(step["logs"])
    for name in ("readme.txt", "job_result.txt", "sys/job_report/processed_mini-batches.csv"):
        assert (logs / name).is_file(), name


def test_many_models_trains_one_for_each_store_and_brand(programs: Programs) -> None:
    outcome = programs.run(EXAMPLES / "many-models" / "pipeline.yml")
    assert outcome.exit_code == 0, outcome.stderr
    train = outcome.step("train")
    assert train["mini_batches"] == {"total": 99, "succeeded": 99, "failed": 0, "retried": 0}
    assert train["items"]["total"] == 99 * 121
    models = sorted(Path(train["outputs"]["models"]).glob("*/*.json"))
    assert len(models) == 99
    for path in models:
        model = json.loads(path.read_text())
        assert (model["store"], model["brand"], model["weeks"]) == (path.parent.name, path.stem, 121)
    report = next(Path(outcome.step("compare")["logs"]).rglob("std_log_0.txt")).read_text()
    assert "99 models; error 0.0" in report
