"""A worker's life from the agent's side: start, mini-batches, take-back, close, and the ways in which user code fails."""

from __future__ import annotations

import json
import os
import pstats
import signal
import sys
import time
from pathlib import Path

import pytest

from prs_agent.host import slot
from prs_agent.host.frames import Append, Closed, Failed, GivenBack, Notice, Ready, Results, Run, StartFailed, TakeBack
from prsd.base.columns import Column
from tests.integration.host.conftest import HostProcess, StartHost, payloads

TEXT = Append(enabled=True)


def _succeeded(host: HostProcess, count: int) -> list[int]:
    """The number of returned elements of each mini-batch, in the order of arrival."""
    return [each for found in host.results_of(count) for each in Column.from_bytes(found.items_succeeded, found.count)]


def _failed(host: HostProcess) -> Failed:
    return host.wait_for(Failed)[0]


def _start_failed(host: HostProcess) -> StartFailed:
    failed = host.wait_for(StartFailed)[0]
    assert host.end() == 1
    return failed


# Success.


def test_59_a_worker_is_started_runs_and_is_closed(start_host: StartHost) -> None:
    host = start_host(
        """
        def init(): print("init")
        def run(mini_batch): return ["row", len(mini_batch)]
        def shutdown(): print("shutdown")
        """,
        input_kind="rank",
        append=TEXT,
    )
    ready = host.start_up()
    assert (ready.pid, ready.takes_context) == (host.process.pid, False)
    host.run(3, 4, token=99, attempt=2)
    results = host.results_of(4)[0]
    assert (results.token, results.first, results.count, results.attempt, results.empty) == (99, 3, 4, 2, False)
    assert abs(results.started_at - time.time()) < 60
    assert payloads(results) == [b"\0row\n0\n"] * 4
    assert host.close() == 0
    assert host.frames[-1] == Closed(None)
    assert host.stdout.split() == ["init", "shutdown"]


def test_49_init_and_shutdown_may_be_missing(start_host: StartHost) -> None:
    host = start_host("def run(mini_batch): return []", input_kind="rank")
    host.start_up()
    host.run(0, 3)
    assert _succeeded(host, 3) == [0, 0, 0]
    assert host.close() == 0


def test_a_mini_batch_that_returned_nothing_has_no_payload(start_host: StartHost) -> None:
    host = start_host("def run(mini_batch): return []", input_kind="rank", append=TEXT)
    host.run(0, 2)
    assert payloads(host.results_of(2)[0]) == [b"", b""]


def test_51_52_the_context_is_passed_to_a_second_parameter(start_host: StartHost) -> None:
    host = start_host(
        """
        import os
        def run(mini_batch, context):
            names = "minibatch_index retry_count partition_key_value global_row_index_lower_bound fencing_token"
            values = [getattr(context, name) for name in names.split()]
            return values + [context.dataset.paths, os.environ["PRS_FENCING_TOKEN"]]
        """,
        input_kind="rank",
        append=TEXT,
    )
    assert host.start_up().takes_context
    host.run(5, token=2**40, attempt=3)
    assert payloads(host.results_of(1)[0]) == [b"\x005\n2\nNone\nNone\n1099511627776\n[]\n1099511627776\n"]


def test_results_of_earlier_mini_batches_do_not_wait_for_a_long_one(start_host: StartHost) -> None:
    host = start_host(
        """
        import time
        def run(mini_batch, context):
            while context.minibatch_index == 2: time.sleep(0.01)
            return []
        """,
        input_kind="rank",
    )
    host.start_up()
    host.run(0, 4)
    assert sum(each.count for each in host.results_of(2)) == 2
    host.wait_until(lambda: host.slot.read().index == 2)
    assert host.slot.read().phase == slot.RUNNING


def test_the_slot_says_what_runs_since_when(start_host: StartHost) -> None:
    before = time.monotonic()
    host = start_host("import time\ndef run(mini_batch): time.sleep(60)", input_kind="rank")
    host.run(41, token=17)
    host.wait_until(lambda: host.slot.read().phase == slot.RUNNING)
    view = host.slot.read()
    assert (view.index, view.token) == (41, 17)
    assert before < view.started <= time.monotonic()


# Failures.


def test_an_exception_fails_its_mini_batch_alone(start_host: StartHost, tmp_path: Path) -> None:
    host = start_host(
        """
        def deeper(index): raise ValueError("bad pixel")
        def run(mini_batch, context):
            if context.minibatch_index == 1: deeper(1)
            return [1]
        """,
        input_kind="rank",
    )
    host.run(0, 3, attempt=2)
    assert _succeeded(host, 2) == [1, 1]
    failed = _failed(host)
    assert (failed.index, failed.attempt, failed.kind, failed.message) == (1, 2, "exception", "ValueError: bad pixel")
    assert (failed.permanent, failed.directive) == (False, None)
    assert [line for line in failed.traceback.splitlines() if line.startswith("  File")] == [
        f'  File "{tmp_path}/code/score.py", line 4, in run',
        f'  File "{tmp_path}/code/score.py", line 2, in deeper',
    ]
    log = (tmp_path / "user_error" / "process000.txt").read_text()
    assert "mini-batch 1, attempt 2: ValueError: bad pixel" in log
    assert "in deeper" in log


def test_results_and_failures_arrive_in_the_order_of_execution(start_host: StartHost) -> None:
    host = start_host(
        """
        def run(mini_batch, context):
            assert context.minibatch_index % 3
            return []
        """,
        input_kind="rank",
    )
    host.start_up()
    host.run(0, 9)
    host.wait_for(Failed, lambda found: len(found) == 3)
    host.results_of(6)
    order = [
        (frame.first, frame.count) if isinstance(frame, Results) else frame.index
        for frame in host.frames
        if isinstance(frame, (Results, Failed))
    ]
    assert order == [0, (1, 2), 3, (4, 2), 6, (7, 2)]


@pytest.mark.parametrize(("returned", "name"), [("None", "NoneType"), ("'text'", "str"), ("{}", "dict")])
def test_66_a_bad_return_names_the_type(start_host: StartHost, returned: str, name: str) -> None:
    host = start_host(f"def run(mini_batch): return {returned}", input_kind="rank")
    host.run(0)
    failed = _failed(host)
    assert failed.kind == "bad return"
    assert failed.message.endswith(f"it returned {name}")


@pytest.mark.parametrize("raised", ["KeyboardInterrupt()", "GeneratorExit()", "MemoryError('big')"])
def test_other_exceptions_are_exceptions(start_host: StartHost, raised: str) -> None:
    host = start_host(f"def run(mini_batch): raise {raised}", input_kind="rank")
    host.run(0, 2)
    host.wait_for(Failed, lambda found: len(found) == 2)
    assert _failed(host).kind == "exception"


def test_str_of_an_element_that_raises_is_an_exception(start_host: StartHost) -> None:
    source = """
        class Row:
            def __str__(self): raise ValueError("no text")
        def run(mini_batch): return [Row()]
        """
    host = start_host(source, input_kind="rank", append=TEXT)
    host.run(0)
    assert _failed(host).message == "ValueError: no text"


@pytest.mark.parametrize(
    ("call", "code"), [("sys.exit(3)", 3), ("sys.exit()", 0), ("sys.exit('why')", 1), ("os._exit(4)", 4)]
)
def test_an_exit_in_run_is_the_end_of_the_worker(start_host: StartHost, call: str, code: int) -> None:
    host = start_host(
        f"""
        import os, sys, time
        def run(mini_batch, context):
            if context.minibatch_index == 2:
                time.sleep(0.1)
                {call}
            return []
        """,
        input_kind="rank",
    )
    host.start_up()
    host.run(0, 4)
    assert host.end() == code
    assert _succeeded(host, 2) == [0, 0]
    assert not any(isinstance(frame, (Failed, Closed)) for frame in host.frames)
    view = host.slot.read()
    assert (view.index, view.phase) == (2, slot.RUNNING)


def test_65_a_killed_worker_leaves_its_slot(start_host: StartHost) -> None:
    host = start_host("import os, signal\ndef run(mini_batch): os.kill(os.getpid(), signal.SIGKILL)", input_kind="rank")
    host.run(6, token=2)
    assert host.end() == -signal.SIGKILL
    assert host.slot.read()[:2] == (6, slot.RUNNING)


STEERING = """
    from azureml.exceptions import ParallelRunException, Retry
    def run(mini_batch, context):
        if context.minibatch_index == 1:
            raise ParallelRunException("stop it", Retry.{code}, delay_seconds=0.2)
        return []
    """


def test_78_no_retry_is_permanent(start_host: StartHost) -> None:
    host = start_host(STEERING.format(code="NoRetry"), input_kind="rank")
    host.run(0, 3)
    host.results_of(2)
    assert (_failed(host).permanent, _failed(host).directive) == (True, None)


def test_78_sleep_pauses_before_the_next_mini_batch(start_host: StartHost) -> None:
    host = start_host(STEERING.format(code="Sleep"), input_kind="rank")
    host.run(0, 3)
    host.results_of(2)
    assert _failed(host).directive == {"sleep_s": 0.2}
    first, last = host.wait_for(Results)
    assert last.started_at - first.started_at >= 0.2


@pytest.mark.parametrize(("code", "directive"), [("RestartProcess", "restart_process"), ("StopProcess", "stop_process")])
def test_78_a_worker_that_is_to_be_replaced_gives_back_what_it_has(start_host: StartHost, code: str, directive: str) -> None:
    host = start_host(STEERING.format(code=code), input_kind="rank")
    host.send(Run(7, 0, 5), Run(8, 10, 3))
    given = host.wait_for(GivenBack, lambda found: found[-1:] == [GivenBack(0, ())])
    assert _failed(host).directive == directive
    assert sum(count for frame in given for _, count in frame.ranges) >= 3
    host.run(20, 2, token=9)
    host.wait_for(GivenBack, lambda found: found[-1] == GivenBack(9, ((20, 2),)))
    assert host.close() == 0


def test_the_twin_of_a_fork_in_run_says_nothing(start_host: StartHost) -> None:
    host = start_host(
        """
        import os
        def run(mini_batch, context):
            child = os.fork()
            if child == 0:
                if context.minibatch_index == 0: return ["twin"]
                if context.minibatch_index == 1: raise ValueError("twin")
                raise SystemExit(5)
            return [os.waitpid(child, 0)[1] >> 8]
        """,
        input_kind="rank",
        append=TEXT,
    )
    host.run(0, 3)
    assert [row for found in host.results_of(3) for row in payloads(found)] == [b"\x000\n", b"\x001\n", b"\x005\n"]
    assert host.close() == 0
    assert not any(isinstance(frame, Failed) for frame in host.frames)


def test_multiprocessing_works_in_run_and_does_not_keep_the_channel_open(start_host: StartHost) -> None:
    host = start_host(
        """
        import multiprocessing, time, os
        def square(number): return number * number
        def linger(): time.sleep(60)
        def run(mini_batch):
            with multiprocessing.get_context("fork").Pool(2) as pool:
                rows = pool.map(square, range(4))
            multiprocessing.get_context("fork").Process(target=linger, daemon=False).start()
            return rows + multiprocessing.get_context("spawn").Pool(1).map(square, [9])
        def shutdown(): os._exit(0)
        """,
        input_kind="rank",
        append=TEXT,
    )
    host.run(0)
    assert payloads(host.results_of(1)[0]) == [b"\x000\n1\n4\n9\n81\n"]
    children = Path(f"/proc/{host.process.pid}/task/{host.process.pid}/children").read_text().split()
    assert host.close() == 0  # the end of the stream, though a child lives on
    for child in children:
        os.kill(int(child), signal.SIGKILL)


def test_children_do_not_inherit_the_channel(start_host: StartHost) -> None:
    host = start_host(
        """
        import os, subprocess
        def run(mini_batch):
            assert "PRS_HOST_FDS" not in os.environ
            listing = subprocess.run(["ls", "-l", "/proc/self/fd"], stdout=subprocess.PIPE, close_fds=False).stdout.decode()
            return [listing.count("pipe:")]
        """,
        input_kind="rank",
        append=TEXT,
    )
    host.run(0)
    assert payloads(host.results_of(1)[0]) == [b"\x001\n"]  # ls has its own stdout


# Taking back.


GATED = """
    import os, time
    def run(mini_batch, context):
        while not os.path.exists("../go"): time.sleep(0.005)
        return []
    """


def test_what_has_not_started_is_given_back_while_run_goes_on(start_host: StartHost, tmp_path: Path) -> None:
    host = start_host(GATED, input_kind="rank")
    host.send(Run(7, 0, 10_000), Run(8, 20_000, 5))
    host.wait_until(lambda: host.slot.read().phase == slot.RUNNING)
    host.send(TakeBack(7))
    assert host.wait_for(GivenBack) == [GivenBack(7, ((1, 9_999),))]
    host.send(TakeBack(7))
    assert host.wait_for(GivenBack, lambda found: len(found) == 2)[1] == GivenBack(7, ())
    (tmp_path / "go").touch()
    results = host.results_of(6)
    assert sorted((each.token, each.first, each.count) for each in results)[0] == (7, 0, 1)
    assert sum(each.count for each in results if each.token == 8) == 5
    assert host.close() == 0


def test_taking_back_everything_answers_for_each_lease(start_host: StartHost, tmp_path: Path) -> None:
    host = start_host(GATED, input_kind="rank")
    host.send(Run(7, 0, 3), Run(8, 20, 5), Run(8, 40, 1))
    host.wait_until(lambda: host.slot.read().phase == slot.RUNNING)
    host.send(TakeBack(0))
    found = host.wait_for(GivenBack, lambda found: len(found) == 3)
    assert found == [GivenBack(7, ((1, 2),)), GivenBack(8, ((20, 5), (40, 1))), GivenBack(0, ())]
    (tmp_path / "go").touch()
    assert sum(each.count for each in host.results_of(1)) == 1
    assert host.close() == 0


def test_every_index_is_either_run_or_given_back(start_host: StartHost) -> None:
    host = start_host("def run(mini_batch): return []", input_kind="rank")
    host.start_up()
    host.run(0, 200_000, token=7)
    host.results_of(1)
    host.send(TakeBack(7))
    given = host.wait_for(GivenBack)[0].ranges
    assert host.close() == 0
    done = [(each.first, each.count) for each in host.wait_for(Results)]
    covered = sorted([*done, *given])
    assert [start for start, _ in covered] == [0, *(start + count for start, count in covered[:-1])]
    assert sum(count for _, count in covered) == 200_000


def test_close_lets_what_is_queued_finish(start_host: StartHost) -> None:
    host = start_host("def run(mini_batch): return []", input_kind="rank")
    for first in range(0, 40, 10):
        host.run(first, 10)
    assert host.close() == 0
    assert len(_succeeded(host, 40)) == 40


def test_the_worker_ends_when_the_agent_is_gone(start_host: StartHost) -> None:
    host = start_host("import time\ndef run(mini_batch): time.sleep(60)", input_kind="rank")
    host.run(0)
    host.wait_until(lambda: host.slot.read().phase == slot.RUNNING)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, host._to_host)
    os.close(null)
    assert host.end() == 1


# Starting.


@pytest.mark.parametrize(
    ("source", "kind", "message", "permanent"),
    [
        ("def init(): pass", "start", "has no function run(mini_batch)", True),
        ("def Run(mini_batch): pass", "start", "it has Run: names of functions are lower case", True),
        ("def run(mini_batch:", "start", "SyntaxError", True),
        ("import nowhere_to_be_found", "start", "ModuleNotFoundError: No module named 'nowhere_to_be_found'", False),
        ("raise ValueError('at import')", "start", "ValueError: at import", False),
        ("import sys; sys.exit(4)", "start", "SystemExit: 4", False),
        ("def init(): raise OSError('no model')\ndef run(b): pass", "init", "init() raised OSError: no model", False),
        ("def run(): pass", "start", "cannot be called as run(mini_batch)", True),
    ],
)
def test_50_a_worker_that_cannot_start_says_why(
    start_host: StartHost, source: str, kind: str, message: str, permanent: bool
) -> None:
    failed = _start_failed(start_host(source, input_kind="rank"))
    assert message in failed.message
    assert (failed.kind, failed.permanent) == (kind, permanent)
    assert "_prs_host" not in failed.traceback
    assert "prs_agent/host" not in failed.traceback


def test_a_traceback_of_the_start_is_in_the_log_of_user_errors(start_host: StartHost, tmp_path: Path) -> None:
    _start_failed(start_host("def init(): raise OSError('no model')\ndef run(b): pass", input_kind="rank"))
    assert "in init" in (tmp_path / "user_error" / "process000.txt").read_text()


def test_a_missing_entry_script_is_named_with_what_there_is(start_host: StartHost, tmp_path: Path) -> None:
    host = start_host("def run(b): pass", input_kind="rank")
    host.close()
    failed = _start_failed(start_host(None, input_kind="rank", entry_script="scoer.py"))
    assert failed.message == "the entry script scoer.py does not exist in the code folder, which has score.py"
    assert failed.permanent


ARGUMENTS = """
    import argparse
    parser = argparse.ArgumentParser()
    parser.add_argument("--model")
    def init():
        global arguments
        arguments = parser.{method}()
    def run(mini_batch): return [arguments[0].model]
    """


def test_54_parse_known_args_sees_its_own_arguments(start_host: StartHost) -> None:
    argv = ("--logging_level", "INFO", "--model", "m.pkl")
    host = start_host(ARGUMENTS.format(method="parse_known_args"), input_kind="rank", append=TEXT, argv=argv)
    host.run(0)
    assert payloads(host.results_of(1)[0]) == [b"\0m.pkl\n"]


def test_54_parse_args_fails_and_the_log_says_what_to_do(start_host: StartHost, tmp_path: Path) -> None:
    host = start_host(ARGUMENTS.format(method="parse_args"), input_kind="rank", argv=("--logging_level", "INFO"))
    failed = _start_failed(host)
    assert failed.permanent
    for text in (failed.message, (tmp_path / "user_error" / "process000.txt").read_text()):
        assert "parse_known_args" in text
        assert "unrecognized arguments: --logging_level INFO" in text


def test_tabular_input_without_pandas_is_refused_before_init(start_host: StartHost, tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "hide").mkdir()
    (tmp_path / "hide" / "pandas.py").write_text("raise ImportError('hidden for this test')")
    (tmp_path / "hide" / "sitecustomize.py").write_text(f"import sys; sys.path.insert(1, {str(tmp_path / 'hide')!r})")
    source = "def init(): print('init')\ndef run(b): pass"
    host = start_host(source, input_kind="tabular", python=_python_without_pandas(tmp_path))
    failed = _start_failed(host)
    assert (failed.kind, failed.permanent) == ("start", True)
    assert "needs pandas" in failed.message
    assert host.stdout == ""


def _python_without_pandas(folder: Path) -> str:
    """This interpreter, with a pandas that cannot be imported."""
    script = folder / "python"
    script.write_text(f'#!/bin/sh\nPYTHONPATH={folder}/hide exec {sys.executable} "$@"\n')
    script.chmod(0o755)
    return str(script)


def test_wrong_settings_of_rows_stop_the_start(start_host: StartHost, tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "parallel_run_step.settings.json").write_text("{")
    failed = _start_failed(start_host("def run(b): pass", input_kind="rank", append=TEXT))
    assert "parallel_run_step.settings.json" in failed.message


# Surroundings.


def test_48_init_is_called_once(start_host: StartHost) -> None:
    host = start_host("calls = []\ndef init(): calls.append(1)\ndef run(b): return calls", input_kind="rank")
    host.run(0, 3)
    assert _succeeded(host, 3) == [1, 1, 1]


@pytest.mark.parametrize("entry_script", ["pkg/mod.py", "pkg.mod", "json/mod.py", "queue.py", "my-score.py"])
def test_57_entry_scripts_are_found_by_path_and_by_module(start_host: StartHost, tmp_path: Path, entry_script: str) -> None:
    code = tmp_path / "code"
    (code / "pkg").mkdir(parents=True)
    for path in (code / "at_root.py", code / "pkg" / "beside.py"):
        path.write_text("name = __name__")
    source = """
        import os, sys
        import at_root
        def run(mini_batch):
            import pkg.beside
            return [os.path.relpath(__file__, os.getcwd()), os.getcwd(), sys.path[0], os.path.relpath(sys.argv[0])]
        """
    host = start_host(source, input_kind="rank", append=TEXT, entry_script=entry_script)
    host.run(0)
    file = entry_script if entry_script.endswith(".py") else "pkg/mod.py"
    assert payloads(host.results_of(1)[0])[0][1:].decode().split() == [file, str(code), str(code), file]


@pytest.mark.parametrize("statement", ["from . import beside", "import beside", "from pkg import beside"])
def test_57_siblings_are_importable_in_every_way(start_host: StartHost, tmp_path: Path, statement: str) -> None:
    (tmp_path / "code" / "pkg").mkdir(parents=True)
    (tmp_path / "code" / "pkg" / "beside.py").write_text("rows = [1, 2]")
    source = f"{statement}\ndef run(mini_batch): return beside.rows"
    host = start_host(source, input_kind="rank", entry_script="pkg/mod.py")
    host.run(0)
    assert _succeeded(host, 1) == [2]


def test_a_dotted_module_that_is_missing_is_permanent(start_host: StartHost, tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    failed = _start_failed(start_host(None, input_kind="rank", entry_script="pkg.nothing"))
    assert failed.permanent
    assert "No module named 'pkg'" in failed.message


def test_our_modules_cannot_be_seen_and_user_s_win(start_host: StartHost, tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "columns.py").write_text("mine = True")
    source = """
        import columns, importlib.util, sys
        assert columns.mine
        def run(mini_batch):
            names = ("frames", "slot", "rows", "loop", "standins", "worker")
            return [name for name in names if importlib.util.find_spec(name)]
        """
    host = start_host(source, input_kind="rank")
    host.run(0)
    assert _succeeded(host, 1) == [0]


def test_58_entry_script_of_the_runtime_s_module(start_host: StartHost, tmp_path: Path) -> None:
    host = start_host(
        """
        from azureml_user.parallel_run import EntryScript
        def run(mini_batch):
            script = EntryScript()
            script.logger.info("from the script")
            return [script is EntryScript(), script.agent_name, script.log_dir, script.output_dir]
        """,
        input_kind="rank",
        append=TEXT,
        worker="process003",
    )
    host.run(0)
    folder = tmp_path / "entry_script_log"
    expected = ["True", "process003", str(folder), str(tmp_path / "out")]
    assert payloads(host.results_of(1)[0])[0][1:].decode().split() == expected
    assert (folder / "process003.log.txt").read_text().endswith("|from the script\n")
    assert "from the script" not in host.stdout


def test_the_user_s_own_azureml_exceptions_win(start_host: StartHost, tmp_path: Path) -> None:
    (tmp_path / "code" / "azureml").mkdir(parents=True)
    (tmp_path / "code" / "azureml" / "exceptions.py").write_text("rows = [1, 2, 3]")
    host = start_host("from azureml.exceptions import rows\ndef run(mini_batch): return rows", input_kind="rank")
    host.run(0)
    assert _succeeded(host, 1) == [3]


def test_60_environment_variables_are_there_at_import(start_host: StartHost) -> None:
    source = """
        import os
        found = [os.environ["MINE"], os.environ["AZUREML_RUN_ID"]]
        def run(mini_batch): return found
        """
    host = start_host(source, input_kind="rank", append=TEXT, environment={"MINE": "yes"}, run_id="job-1")
    host.run(0)
    assert payloads(host.results_of(1)[0]) == [b"\0yes\njob-1\n"]


def test_88_prints_and_log_lines_go_to_stdout_at_once(start_host: StartHost) -> None:
    host = start_host(
        """
        import logging, sys
        def run(mini_batch):
            print("printed")
            print("no line end", end="")
            logging.getLogger("mine").info("an info line")
            logging.debug("a debug line")
            print("caf\\udce9", file=sys.stderr)
            return []
        """,
        input_kind="rank",
    )
    host.run(0)
    host.results_of(1)
    host.wait_until(lambda: "no line end" in host.stdout)
    assert "printed\n" in host.stdout
    assert "|an info line\n" in host.stdout
    assert "a debug line" not in host.stdout
    assert "caf\\udce9" in host.stderr


def test_the_logging_level_is_the_step_s(start_host: StartHost) -> None:
    source = "import logging\ndef run(mini_batch):\n    logging.debug('a debug line')\n    return []"
    host = start_host(source, input_kind="rank", logging_level="DEBUG")
    host.run(0)
    host.results_of(1)
    assert "|a debug line\n" in host.stdout


def test_a_flood_of_prints_does_not_touch_the_channel(start_host: StartHost) -> None:
    source = "def run(mini_batch):\n    print('x' * 1000)\n    return [1]"
    host = start_host(source, input_kind="rank")
    host.run(0, 5000)
    assert sum(_succeeded(host, 5000)) == 5000
    assert host.close() == 0
    assert len(host.stdout) == 5000 * 1001


def test_stdin_is_empty(start_host: StartHost) -> None:
    host = start_host("import sys\ndef run(mini_batch): return [repr(sys.stdin.read())]", input_kind="rank", append=TEXT)
    host.run(0)
    assert payloads(host.results_of(1)[0]) == [b"\0''\n"]


def test_an_error_in_shutdown_is_reported(start_host: StartHost) -> None:
    host = start_host("def run(b): return []\ndef shutdown(): raise OSError('late')", input_kind="rank")
    host.start_up()
    assert host.close() == 0
    closed = host.wait_for(Closed)[0]
    assert closed.shutdown_error is not None
    assert closed.shutdown_error.endswith("OSError: late\n")


def test_rows_of_one_mini_batch_may_be_many_megabytes(start_host: StartHost) -> None:
    host = start_host("def run(mini_batch): return ['x' * (24 << 20)]", input_kind="rank", append=TEXT)
    host.run(0, 2)
    assert sum(len(each.payload) for each in host.results_of(2)) == 2 * ((24 << 20) + 2)


def test_a_notice_is_said_once(start_host: StartHost) -> None:
    host = start_host("def run(mini_batch): return ['a\\nb']", input_kind="rank", append=TEXT)
    host.run(0, 5)
    host.results_of(5)
    assert host.close() == 0
    assert len(host.wait_for(Notice)) == 1


def test_ready_comes_before_results(start_host: StartHost) -> None:
    host = start_host("def run(mini_batch): return []", input_kind="rank")
    host.run(0)
    host.results_of(1)
    assert isinstance(host.frames[0], Ready)
    assert json.dumps(host.frames[0].python)


@pytest.mark.parametrize("module", ["cProfile", "profile"])
def test_a_profile_is_written_when_the_worker_closes(start_host: StartHost, tmp_path: Path, module: str) -> None:
    path = tmp_path / "process000.profile"
    script = "def slow(): return sum(range(1000))\ndef run(b): return [slow()]"
    host = start_host(script, input_kind="rank", profiling_module=module, profile_path=str(path))
    host.start_up()
    host.run(0, 3)
    host.results_of(3)
    assert not path.exists()
    assert host.close() == 0
    calls = {name: counts[0] for (_, _, name), counts in pstats.Stats(str(path)).stats.items()}  # type: ignore[attr-defined]
    assert (calls["run"], calls["slow"]) == (3, 3)


def test_a_worker_that_run_ends_leaves_a_profile_too(start_host: StartHost, tmp_path: Path) -> None:
    path = tmp_path / "process000.profile"
    host = start_host(
        "import sys\ndef run(b): sys.exit(3)", input_kind="rank", profiling_module="cProfile", profile_path=str(path)
    )
    host.start_up()
    host.run(0)
    assert host.end() == 3
    assert "run" in {name for _, _, name in pstats.Stats(str(path)).stats}  # type: ignore[attr-defined]
