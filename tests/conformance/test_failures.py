"""Statements 61 to 78: retries, time limits, deaths, thresholds."""

from __future__ import annotations

import pytest

from tests.conformance.conftest import Bench

FAILS = """
def run(mini_batch):
    index = int(mini_batch[0][-9:-4])
    trace(index)
    if index < {count}:
        raise ValueError("always")
    return mini_batch
"""

SLOW_AFTER_FAILURES = """
import time
""" + FAILS.replace("    return", "    time.sleep(0.1)\n    return")


def test_s61_a_failure_that_is_repaired_by_a_retry(bench: Bench) -> None:
    bench.step = {"mini_batch_error_threshold": 0}
    step = bench.run("""
def run(mini_batch, context):
    if context.minibatch_index == 3 and context.retry_count == 0:
        raise ValueError("once")
    return mini_batch
""")
    assert step.state == "Completed"
    assert step.batches == {"total": 10, "succeeded": 10, "failed": 0, "retried": 1}
    assert [row["Picked Count"] for row in step.attempts() if row["Mini-batch Id"] == "3"] == ["1", "2"]


@pytest.mark.parametrize(("retries", "attempts"), [(2, 3), (0, 1)], ids=["s62", "s63"])
def test_s62_s63_attempts(bench: Bench, retries: int, attempts: int) -> None:
    bench.files, bench.step = 3, {"retry_settings": {"max_retries": retries}}
    step = bench.run(FAILS.format(count=1))
    assert [words[0] for words in step.trace].count("0") == attempts


def test_s64_a_run_beyond_its_timeout_is_killed_and_retried(bench: Bench) -> None:
    bench.files, bench.workers, bench.step = 3, 1, {"retry_settings": {"timeout": 1}}
    step = bench.run("""
import time
def run(mini_batch, context):
    if context.minibatch_index == 1 and context.retry_count == 0:
        time.sleep(60)
    return mini_batch
""")
    assert step.state == "Completed"
    by_index = [(row["Mini-batch Id"], row["Status"], row["Process"]) for row in step.attempts()]
    assert ("1", "RUN_TIMEOUT", "process000") in by_index
    assert ("1", "RUN_DONE", "process001") in by_index


def test_s65_a_killed_process_fails_the_attempt_with_its_return_code(bench: Bench) -> None:
    step = bench.run("""
import signal
def run(mini_batch, context):
    if context.minibatch_index == 1 and context.retry_count == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return mini_batch
""")
    assert step.state == "Completed"
    assert "returncode -9" in (step.logs / "job_error.txt").read_text()


@pytest.mark.parametrize(("value", "name"), [("None", "None"), ("'text'", "str"), ("{'a': 1}", "dict")])
def test_s66_a_wrong_return_names_the_type(bench: Bench, value: str, name: str) -> None:
    bench.files, bench.step = 1, {"retry_settings": {"max_retries": 0}, "mini_batch_error_threshold": 0}
    step = bench.run(f"def run(mini_batch):\n    return {value}\n")
    assert step.outcome.exit_code == 3
    assert name in (step.logs / "job_error.txt").read_text()


@pytest.mark.parametrize(("failing", "state"), [(5, "Completed"), (6, "Failed")])
def test_s67_mini_batch_error_threshold(bench: Bench, failing: int, state: str) -> None:
    bench.files, bench.step = 60, {"mini_batch_error_threshold": 5, "retry_settings": {"max_retries": 0}}
    bench.workers = 1
    step = bench.run(SLOW_AFTER_FAILURES.format(count=failing))  # what follows the last failure outlasts its report
    assert step.state == state
    if state == "Failed":
        assert "mini_batch_error_threshold" in step.error
        assert len(step.trace) < 60


def test_s68_everything_may_fail_when_nothing_is_appended(bench: Bench) -> None:
    bench.append, bench.files = False, 3
    step = bench.run(FAILS.format(count=99))
    assert step.state == "Completed"
    assert step.batches["failed"] == 3


def test_s69_no_item_at_all_fails_when_rows_are_appended(bench: Bench) -> None:
    step = bench.run("def run(mini_batch):\n    return []\n")
    assert step.state == "Failed"
    assert "no succeeded mini batch item" in step.error


@pytest.mark.parametrize(("missing", "state"), [(5, "Completed"), (6, "Failed")])
def test_s70_error_threshold_counts_items(bench: Bench, missing: int, state: str) -> None:
    bench.size, bench.arguments = 10, "--error_threshold 5"
    bench.files = 20
    step = bench.run(
        f"def run(mini_batch, context):\n    return mini_batch[{missing} if context.minibatch_index == 1 else 0:]\n"
    )
    assert step.state == state
    if state == "Failed":
        assert "error_threshold" in step.error


def test_s71_short_returns_are_no_failures_without_an_error_threshold(bench: Bench) -> None:
    bench.append, bench.files = False, 30
    bench.step = {"mini_batch_error_threshold": 5, "error_threshold": -1}
    step = bench.run("def run(mini_batch):\n    return []\n")
    assert step.state == "Completed"
    assert step.batches["failed"] == 0


def test_s72_more_elements_than_items_are_accepted(bench: Bench) -> None:
    bench.files, bench.arguments = 2, "--error_threshold 0"
    step = bench.run("def run(mini_batch):\n    return mini_batch * 3\n")
    assert step.state == "Completed"
    assert step.items["failed"] == 0
    assert len(step.rows) == 6


@pytest.mark.parametrize(("failing", "state"), [(3, "Completed"), (4, "Failed")])
def test_s73_allowed_failed_percent(bench: Bench, failing: int, state: str) -> None:
    bench.arguments, bench.step = "--allowed_failed_percent 30", {"retry_settings": {"max_retries": 0}}
    step = bench.run(FAILS.format(count=failing))
    assert step.state == state
    assert state == "Completed" or "allowed_failed_percent" in step.error


def test_s74_the_threshold_that_was_exceeded_is_named(bench: Bench) -> None:
    bench.step = {"mini_batch_error_threshold": 8, "retry_settings": {"max_retries": 0}}
    bench.arguments = "--allowed_failed_percent 100 --error_threshold 2"
    step = bench.run(FAILS.format(count=5))
    assert step.state == "Failed"
    result = (step.logs / "job_result.txt").read_text()
    assert "error_threshold" in result
    assert "allowed_failed_percent" not in result


def test_s75_init_that_always_raises_stops_after_the_documented_counts(bench: Bench) -> None:
    bench.workers = 2
    step = bench.run("def init():\n    trace('init')\n    raise OSError('no model')\ndef run(mini_batch):\n    return []\n")
    assert step.state == "Failed"
    assert "no model" in step.error
    # Three times the processes on each of the two nodes (the second one is tried when the first has given up), and on
    # each perhaps one that was being started when the last failure came.
    assert 12 <= len(step.trace) <= 14


def test_s76_no_progress_fails_the_step(bench: Bench) -> None:
    bench.files, bench.arguments = 2, "--progress_update_timeout 2"
    step = bench.run("import time\ndef run(mini_batch):\n    time.sleep(40)\n    return mini_batch\n")
    assert step.state == "Failed"
    assert "progress_update_timeout" in step.error


def test_s78_retry_directives(bench: Bench) -> None:
    bench.files = 4
    step = bench.run("""
from azureml.exceptions import ParallelRunException, Retry
def run(mini_batch, context):
    trace(context.minibatch_index)
    if context.minibatch_index == 2:
        raise ParallelRunException("never mind", Retry.NoRetry)
    return mini_batch
""")
    assert step.state == "Completed"
    assert [words[0] for words in step.trace].count("2") == 1
