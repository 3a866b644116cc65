"""Statements 48 to 60: what the entry script is given, and when."""

from __future__ import annotations

import pytest

from tests.conformance.conftest import Bench

NAMES = "def run(mini_batch):\n    return mini_batch\n"


def test_s48_init_once_in_each_of_four_processes_and_s59_shutdown_once(bench: Bench) -> None:
    bench.instances, bench.workers, bench.files = 2, 2, 40
    step = bench.run("""
import time
def init():
    trace("init", os.environ["PRS_NODE"], os.getpid())
def run(mini_batch):
    time.sleep(0.02)
    return mini_batch
def shutdown():
    trace("shutdown", os.environ["PRS_NODE"], os.getpid())
""")
    assert step.state == "Completed"
    inits = [tuple(words[1:]) for words in step.trace if words[0] == "init"]
    shutdowns = [tuple(words[1:]) for words in step.trace if words[0] == "shutdown"]
    assert len(inits) == len(set(inits)) == 4
    assert sorted(node for node, _ in inits) == ["0", "0", "1", "1"]
    assert sorted(shutdowns) == sorted(inits)


def test_s49_init_and_shutdown_are_optional(bench: Bench) -> None:
    assert bench.run(NAMES).state == "Completed"


def test_s50_a_script_without_run_fails_naming_it(bench: Bench) -> None:
    bench.sources = {"other.py": "x = 1\n"}
    step = bench.run("from other import *\n")  # what a check of the text alone cannot know
    assert step.outcome.exit_code == 3
    assert "run" in step.error


@pytest.mark.parametrize(
    ("signature", "expected"),
    [("mini_batch", "1"), ("batch, ctx", "2"), ("a, b=None", "2")],
    ids=["one", "two", "two with a default"],
)
def test_s51_run_gets_a_context_if_it_takes_one(bench: Bench, signature: str, expected: str) -> None:
    second = signature.partition(",")[2]
    name = second.split("=")[0].strip()
    bench.files = 1
    step = bench.run(f"def run({signature}):\n    return [{f'2 if {name} is not None else 1' if name else '1'}]\n")
    assert step.rows == [expected]


def test_s52_the_context(bench: Bench) -> None:
    bench.files = 3
    step = bench.run("""
def run(mini_batch, context):
    names = ("minibatch_index", "retry_count", "partition_key_value", "dataset", "global_row_index_lower_bound")
    assert all(hasattr(context, name) for name in names)
    if context.minibatch_index == 1 and context.retry_count == 0:
        raise ValueError("again")
    return [(context.minibatch_index, context.retry_count, context.partition_key_value)]
""")
    assert step.rows == ["(0, 0, None)", "(1, 1, None)", "(2, 0, None)"]


def test_s53_task_id_of_a_list_of_files(bench: Bench) -> None:
    bench.files, bench.size = 4, 2
    step = bench.run("""
def run(mini_batch):
    assert isinstance(mini_batch, list)
    return [str(mini_batch.task_id)] * 2
""")
    assert step.rows == ["0", "0", "1", "1"]


PARSE = """
import argparse
def init():
    global options
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--model")
    options = parser.{how}
def run(mini_batch):
    return [options.model, " ".join(sys.argv[1:])]
"""


def test_s54_s55_s56_own_and_runtime_arguments(bench: Bench) -> None:
    bench.files = 1
    bench.arguments = "--model x --resource_monitor_interva 20"
    step = bench.run(PARSE.format(how="parse_known_args()[0]"))
    assert step.rows[0] == "x"
    assert "--model x --resource_monitor_interva 20" in step.rows[1]
    assert "--logging_level INFO" in step.rows[1]
    settings = {each["name"]: each["value"] for each in step.document["settings"]}
    assert settings["resource_monitor_interval_s"] == "20"
    assert any("interpreting --resource_monitor_interva" in notice for notice in step.outcome.job["notices"])


def test_s54_parse_args_fails_and_the_log_says_why(bench: Bench) -> None:
    bench.arguments = "--model x"
    step = bench.run(PARSE.format(how="parse_args()"))
    assert step.outcome.exit_code == 3
    assert "parse_known_args" in step.error + step.outcome.stderr


@pytest.mark.parametrize("entry", ["pkg/mod.py", "pkg.mod"])
def test_s57_module_layouts(bench: Bench, entry: str) -> None:
    bench.files, bench.entry_script = 1, "pkg/mod.py"
    bench.sources = {"pkg/__init__.py": "", "pkg/near.py": "VALUE = 'near'\n", "top.py": "VALUE = 'top'\n"}
    bench.entry_named = entry
    step = bench.run("""
import top
from pkg import near
def run(mini_batch):
    return [top.VALUE, near.VALUE, os.path.basename(__file__)]
""")
    assert step.rows == ["top", "near", "mod.py"]


def test_s58_entry_script(bench: Bench) -> None:
    bench.files, bench.workers = 1, 1
    step = bench.run("""
from azureml_user.parallel_run import EntryScript
def run(mini_batch):
    one, two = EntryScript(), EntryScript()
    assert one is two
    one.logger.info("logged by the script")
    return [one.agent_name, str(one.log_dir), str(one.output_dir)]
""")
    assert step.rows[0] == "process000"
    assert "logged by the script" in (step.logs / "user/entry_script_log/0/process000.log.txt").read_text()


def test_s60_environment_variables_before_the_import(bench: Bench) -> None:
    bench.files, bench.variables = 1, {"COLOUR": "green"}
    assert bench.run("SEEN = os.environ['COLOUR']\ndef run(mini_batch):\n    return [SEEN]\n").rows == ["green"]
