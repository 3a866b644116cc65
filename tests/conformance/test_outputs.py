"""Statements 81 to 93: the appended file, the log tree, progress, cancelling."""

from __future__ import annotations

import csv
import json
import pstats
from pathlib import Path
from typing import Any

from tests.conformance.conftest import Bench
from tests.e2e.conftest import wait_until


def test_s81_mixed_elements_are_one_line_each(bench: Bench) -> None:
    bench.files = 1
    step = bench.run("def run(mini_batch):\n    return [1, 'a b', {'k': 1}, ('f', 3), ['f', 3], None, 1.5]\n")
    assert step.rows == ["1", "a b", "{'k': 1}", "('f', 3)", "['f', 3]", "None", "1.5"]


def test_s84_a_folder_target_holds_the_file(bench: Bench) -> None:
    bench.files, bench.output_type = 2, "uri_folder"
    step = bench.run("def run(mini_batch):\n    return ['row']\n")
    folder = step.document["outputs"]["rows"]
    assert (Path(folder) / "parallel_run_step.txt").read_text() == "row\nrow\n"


def test_s85_no_line_is_torn(bench: Bench) -> None:
    bench.instances, bench.workers, bench.files = 2, 2, 40
    step = bench.run("def run(mini_batch, context):\n    return [chr(97 + context.minibatch_index % 26) * 200_000] * 2\n")
    assert len(step.rows) == 80
    assert all(len(row) == 200_000 and len(set(row)) == 1 for row in step.rows)


def test_s86_a_failed_attempt_leaves_no_rows(bench: Bench) -> None:
    bench.files = 3
    step = bench.run("""
def run(mini_batch, context):
    print("printed by attempt", context.retry_count)
    if context.retry_count == 0:
        raise ValueError("first")
    return [context.minibatch_index]
""")
    assert step.rows == ["0", "1", "2"]


def test_s87_the_log_tree_and_the_report(bench: Bench) -> None:
    bench.files = 2
    step = bench.run("""
def run(mini_batch, context):
    if context.minibatch_index == 1 and context.retry_count == 0:
        raise ValueError("bad pixel")
    return mini_batch
""")
    assert {"readme.txt", "job_result.txt", "job_error.txt"} <= {path.name for path in step.logs.iterdir()}
    assert "ValueError: bad pixel" in (step.logs / "job_error.txt").read_text()
    [overview] = step.logs.glob("job_progress_overview.*.txt")
    last_line = overview.read_text().splitlines()[-1]
    assert "Processed 2 of 2 mini-batches" in last_line
    assert last_line.endswith("The step ended as Completed.")
    with (step.logs / "sys/job_report/processed_mini-batches.csv").open(newline="") as stream:
        assert next(csv.reader(stream)) == [
            "Mini-batch Id", "Picked Count", "Ip Address", "Process", "Start Time", "Total", "Succeeded", "Failed",
            "Elapsed Seconds", "Process Seconds", "Run Method Seconds", "Status", "Error Category", "Error Message",
            "Mini-batch Detail",
        ]  # fmt: skip
    detail = json.loads(step.attempts()[0]["Mini-batch Detail"])
    assert (detail["id"], detail["minibatch"]) == (0, ["00000.txt"])


def test_s90_the_job_has_copies_of_the_logs_of_a_step_that_asks_for_it(bench: Bench) -> None:
    bench.files, bench.workers, bench.arguments = 1, 1, "--copy_logs_to_parent True"
    step = bench.run("""
def run(mini_batch):
    print("by print")
    return mini_batch
""")
    copies = Path(step.outcome.job["logs"]) / "score"
    assert {path.relative_to(copies) for path in copies.rglob("*")} == {
        path.relative_to(step.logs) for path in step.logs.rglob("*")
    }
    assert len(list(copies.glob("job_progress_overview.*.txt"))) == 1
    [printed] = copies.glob("user/stdout/*/process000.stdout.txt")
    assert "by print" in printed.read_text()


def test_a_profile_of_each_worker_lies_beside_its_logs(bench: Bench) -> None:
    bench.files, bench.workers, bench.arguments = 1, 1, "--profiling_module cProfile"
    step = bench.run("def run(mini_batch):\n    return mini_batch\n")
    [profile] = step.logs.glob("sys/node/*/*.profile")
    assert profile.name == "process000.profile"
    assert "run" in {name for _, _, name in pstats.Stats(str(profile)).stats}  # type: ignore[attr-defined]


def test_a_job_without_such_a_step_has_no_logs_of_its_own(bench: Bench) -> None:
    bench.files = 1
    step = bench.run("def run(mini_batch):\n    return mini_batch\n")
    assert step.outcome.job["logs"] is None


def test_s88_where_printed_and_logged_text_lands(bench: Bench) -> None:
    bench.files, bench.workers = 1, 1
    step = bench.run("""
import logging
def run(mini_batch):
    print("by print")
    print("to stderr", file=sys.stderr)
    logging.info("by the root logger")
    logging.debug("too fine")
    return mini_batch
""")
    stdout = (step.logs / "user/stdout/0/process000.stdout.txt").read_text()
    assert "by print" in stdout
    assert "by the root logger" in stdout
    assert "too fine" not in stdout
    assert "to stderr" in (step.logs / "user/stderr/0/process000.stderr.txt").read_text()


def test_s89_resource_usage_at_the_interval_or_not_at_all(bench: Bench) -> None:
    bench.files, bench.arguments = 4, "--resource_monitor_interval 1"
    step = bench.run("import time\ndef run(mini_batch):\n    time.sleep(1.1)\n    return mini_batch\n")
    with (step.logs / "sys/perf/0/node_resource_usage.csv").open(newline="") as stream:
        assert len(list(csv.DictReader(stream))) >= 2


def test_s89_an_interval_of_zero_writes_nothing(bench: Bench) -> None:
    bench.files, bench.arguments = 1, "--resource_monitor_interval 0"
    step = bench.run("def run(mini_batch):\n    return mini_batch\n")
    assert not (step.logs / "sys" / "perf").exists()


def test_s91_gpus_go_to_the_first_workers_and_to_replacements(bench: Bench) -> None:
    bench.files, bench.workers, bench.variables = 24, 4, {"AZ_BATCHAI_GPU_COUNT_FOUND": "2"}
    step = bench.run("""
import time
from azureml_user.parallel_run import EntryScript
def init():
    trace(EntryScript().agent_name, os.environ.get("CUDA_VISIBLE_DEVICES", "none"))
def run(mini_batch, context):
    time.sleep(0.1)
    if context.retry_count == 0 and EntryScript().agent_name == "process000":
        os._exit(1)
    return mini_batch
""")
    assert step.state == "Completed"
    devices = dict(step.trace)
    assert [devices[f"process00{number}"] for number in range(5)] == ["0", "1", "none", "none", "0"]


GATED = """
import os, time
def run(mini_batch):
    while int(mini_batch[0][-9:-4]) > 1 and not os.path.exists(os.environ["GATE"]):
        time.sleep(0.05)
    return mini_batch
"""


def test_s92_counts_while_it_runs_and_s93_cancel_publishes_nothing(bench: Bench) -> None:
    bench.variables, bench.files = {"GATE": str(bench.folder / "gate")}, 6
    name = bench.cluster.prsctl("submit", bench.write(GATED), "-o", "name").stdout.strip()

    def shown() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(bench.cluster.prsctl("job", "show", name, "-o", "json").stdout)
        return found

    counts = {"total": 6, "succeeded": 2, "failed": 0, "retried": 0}
    wait_until(lambda: shown()["steps"][0]["mini_batches"] == counts, what="two results")
    assert shown()["state"] == "Running"
    assert bench.cluster.prsctl("job", "cancel", name).exit_code == 0
    assert bench.cluster.prsctl("job", "wait", name, "--timeout", "20s").exit_code == 11
    ended = shown()
    assert ended["state"] == "Canceled"
    assert ended["steps"][0]["mini_batches"]["succeeded"] == 2
    assert not Path(ended["steps"][0]["outputs"]["rows"]).exists()
