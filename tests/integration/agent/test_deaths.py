"""A real agent and everything that may die: workers, the stream, the agent, its daemon."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import psutil

from prsd.base import uris
from prsd.v1 import agents_pb2 as pb
from tests.integration.agent.conftest import STEP, Daemon, StartAgent, eventually

SEGFAULT_AT_2 = """
import os, signal
def run(mini_batch, context):
    if context.minibatch_index == 2:
        os.kill(os.getpid(), signal.SIGSEGV)
    return [1]
"""

SLEEP_AT_1 = """
import time
def run(mini_batch, context):
    if context.minibatch_index == 1:
        time.sleep(600)
    return [1]
"""

SLEEP_ONCE_TOLD = """
import os, time
def run(mini_batch, context):
    open(os.environ["MARK"] + str(context.minibatch_index), "w").close()
    while not os.path.exists(os.environ["GO"]):
        time.sleep(0.01)
    return [1]
"""


async def test_065_a_segfault_costs_one_mini_batch_and_work_goes_on(daemon: Daemon, start_agent: StartAgent) -> None:
    await start_agent()
    daemon.open(daemon.definition(SEGFAULT_AT_2))
    daemon.grant(token=5, count=6)
    await daemon.until(lambda: len(daemon.results()) == 5 and daemon.failures())
    (failure,) = daemon.failures()
    assert (failure.index, failure.kind) == (2, "worker died")
    assert "SIGSEGV" in failure.message
    assert sorted(daemon.results()) == [0, 1, 3, 4, 5]
    assert {each.worker for report in daemon.reports for each in report.results} == {"process000", "process001"}
    assert "exits with returncode -11" in daemon.log("sys/node/0/_main.txt")


async def test_064_a_run_over_its_timeout_is_killed(daemon: Daemon, start_agent: StartAgent) -> None:
    await start_agent()
    daemon.open(daemon.definition(SLEEP_AT_1, run_timeout_s=1.0))
    daemon.grant(token=5, count=4)
    await daemon.until(lambda: len(daemon.results()) == 3 and daemon.failures())
    (failure,) = daemon.failures()
    assert (failure.index, failure.kind) == (1, "timeout")
    assert 1_000_000 <= failure.run_us <= 1_400_000
    assert failure.message == "run() did not finish within 1 seconds: the worker was killed"
    assert '"RUN_TIMEOUT"' in daemon.log("sys/error/0/process000.txt")


async def test_075_init_that_always_raises_ends_after_three_workers(daemon: Daemon, start_agent: StartAgent) -> None:
    await start_agent()
    daemon.open(daemon.definition("def init():\n    raise RuntimeError('no model')\ndef run(mini_batch):\n    return []\n"))
    await daemon.until(lambda: "GAVE_UP" in daemon.states())
    assert daemon.states() == ["OPENED", "START_FAILED", "START_FAILED", "START_FAILED", "GAVE_UP"]
    assert "no model" in daemon.instances[-1].message


async def test_050_a_script_without_run_is_a_permanent_error(daemon: Daemon, start_agent: StartAgent) -> None:
    await start_agent()
    daemon.open(daemon.definition("def init():\n    pass\n"))
    await daemon.until(lambda: "GAVE_UP" in daemon.states())
    assert daemon.states() == ["OPENED", "START_FAILED", "GAVE_UP"]
    assert daemon.instances[1].permanent
    assert "run" in daemon.instances[1].message


async def test_a_revoked_mini_batch_is_stopped_and_the_next_lease_runs(daemon: Daemon, start_agent: StartAgent) -> None:
    await start_agent()
    variables = {"MARK": str(daemon.folder / "mark"), "GO": str(daemon.folder / "go")}
    daemon.open(daemon.definition(SLEEP_ONCE_TOLD, environment_variables=variables))
    daemon.grant(token=5, count=3)
    await eventually((daemon.folder / "mark0").exists)
    daemon.say(revoke=pb.Revoke(token=5, ranges=[pb.Range(first=0, count=3)]))
    (daemon.folder / "go").touch()
    daemon.grant(token=6, first=10, count=1)
    await daemon.until(lambda: daemon.results() == [10])
    assert not daemon.failures()


async def test_a_take_back_returns_what_is_not_started(daemon: Daemon, start_agent: StartAgent) -> None:
    await start_agent()
    variables = {"MARK": str(daemon.folder / "mark"), "GO": str(daemon.folder / "go")}
    daemon.open(daemon.definition(SLEEP_ONCE_TOLD, environment_variables=variables))
    daemon.grant(token=5, count=5)
    await eventually((daemon.folder / "mark0").exists)
    daemon.say(take_back=pb.TakeBack(token=5))
    await daemon.until(lambda: any(report.given_back for report in daemon.reports))
    (given,) = [each for report in daemon.reports for each in report.given_back]
    assert sorted(i for each in given.ranges for i in range(each.first, each.first + each.count)) == [1, 2, 3, 4]
    (daemon.folder / "go").touch()
    await daemon.until(lambda: daemon.results() == [0])


async def test_sigterm_finishes_what_runs_gives_the_rest_back_and_says_goodbye(
    daemon: Daemon, start_agent: StartAgent
) -> None:
    agent = await start_agent()
    variables = {"MARK": str(daemon.folder / "mark"), "GO": str(daemon.folder / "go")}
    daemon.open(daemon.definition(SLEEP_ONCE_TOLD, environment_variables=variables))
    daemon.grant(token=5, count=5)
    await eventually((daemon.folder / "mark0").exists)
    agent.signal(signal.SIGTERM)
    await daemon.until(lambda: daemon.syncs and daemon.syncs[-1].draining)
    (daemon.folder / "go").touch()
    assert await agent.ended() == 0
    await daemon.until(lambda: daemon.goodbyes)
    given = [i for r in daemon.reports for g in r.given_back for e in g.ranges for i in range(e.first, e.first + e.count)]
    assert (daemon.results(), sorted(given)) == ([0], [1, 2, 3, 4])


async def test_sigint_stops_at_once_and_leaves_no_process(daemon: Daemon, start_agent: StartAgent) -> None:
    agent = await start_agent()
    daemon.open(daemon.definition(SLEEP_AT_1))
    daemon.grant(token=5, first=1, count=1)
    await daemon.until(lambda: "READY" in daemon.states())
    processes = agent.descendants()
    agent.signal(signal.SIGINT)
    assert await agent.ended(10) == 0
    assert daemon.goodbyes
    await eventually(lambda: not any(_is_alive(process) for process in processes))


async def test_kill_9_of_the_agent_leaves_no_process(daemon: Daemon, start_agent: StartAgent) -> None:
    agent = await start_agent()
    daemon.open(daemon.definition("import subprocess\n" + SLEEP_AT_1 + "subprocess.Popen(['sleep', '600'])\n"), workers=2)
    await daemon.until(lambda: daemon.syncs and any(want.ready_workers == 2 for want in daemon.syncs[-1].wants))
    processes = agent.descendants()
    assert len(processes) >= 5  # the spawner, two workers, and what they started
    agent.signal(signal.SIGKILL)
    await agent.ended()
    await eventually(lambda: not any(_is_alive(process) for process in processes), timeout_s=10)


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def test_a_cut_stream_comes_back_with_what_was_not_acknowledged(daemon: Daemon, start_agent: StartAgent) -> None:
    await start_agent()
    daemon.acknowledges = False
    daemon.open(daemon.definition("def run(mini_batch):\n    return [1]\n"))
    daemon.grant(token=5, count=2)
    await daemon.until(lambda: len(set(daemon.results())) == 2)
    pids = {i.worker for i in daemon.instances}
    daemon.cut()
    daemon.acknowledges, daemon.kept = True, [5]
    before = len(daemon.reports)
    await daemon.until(lambda: len(daemon.hellos) == 2)
    (held,) = daemon.hellos[1].held
    assert (held.token, sum(each.count for each in held.ranges)) == (5, 2)
    assert [each.step.step for each in daemon.hellos[1].open_steps] == ["score"]
    assert daemon.hellos[1].boot == daemon.hellos[0].boot
    await daemon.until(lambda: len(daemon.reports) >= 2 * before)
    assert sorted(i for r in daemon.reports[before:] for e in r.results for i in range(e.first, e.first + e.count)) == [0, 1]
    await daemon.until(lambda: daemon.syncs and not daemon.syncs[-1].held)
    daemon.grant(token=6, first=2, count=1)  # the workers are the same, and go on
    await daemon.until(lambda: 2 in daemon.results())
    assert {i.worker for i in daemon.instances} == pids


async def test_an_agent_that_is_not_heard_stops_its_workers_in_time(daemon: Daemon, start_agent: StartAgent) -> None:
    daemon.session_timeout_s = 2.0
    agent = await start_agent()
    daemon.open(daemon.definition(SLEEP_AT_1))
    daemon.grant(token=5, first=0, count=2)
    await daemon.until(lambda: 0 in daemon.results())
    spawner = agent.descendants()[0]
    assert spawner.children()
    await daemon.stop()
    stopped_at = time.monotonic()
    await eventually(lambda: not spawner.children(), timeout_s=5)
    assert time.monotonic() - stopped_at < 2.0  # before the daemon gives its leases away
    assert psutil.pid_exists(agent.pid)


async def test_rows_that_cannot_be_stored_fail_their_mini_batch(daemon: Daemon, start_agent: StartAgent) -> None:
    await start_agent()
    output = pb.Output(name="rows", type="uri_file", uri=uris.uri_of(daemon.folder / "rows.txt"))
    entry = "def run(mini_batch):\n    return ['x']\n"
    daemon.open(daemon.definition(entry, outputs=[output], append_row=pb.AppendRow(output="rows")))
    await daemon.until(lambda: "READY" in daemon.states())
    _forbid_writing(daemon.folder / "step" / "segments")
    daemon.grant(token=5, count=1)
    await daemon.until(daemon.failures)
    assert daemon.failures()[0].kind == "output"


def _forbid_writing(folder: Path) -> None:
    """Nothing can be created in it, by root neither."""
    folder.rmdir()
    os.close(os.open(folder, os.O_CREAT | os.O_WRONLY))


async def test_a_frame_that_is_none_costs_the_worker(daemon: Daemon, start_agent: StartAgent) -> None:
    await start_agent()
    forge = (
        "import os, stat, time\n"
        "def run(mini_batch, context):\n"
        "    if context.minibatch_index == 1:\n"
        "        for fd in range(3, 64):\n"
        "            try:\n"
        "                if stat.S_ISFIFO(os.fstat(fd).st_mode):\n"
        "                    os.write(fd, b'\\xff' * 64)\n"
        "            except OSError:\n"
        "                pass\n"
        "        time.sleep(600)\n"
        "    return [1]\n"
    )
    daemon.open(daemon.definition(forge))
    daemon.grant(token=5, count=3)
    await daemon.until(lambda: sorted(daemon.results()) == [0, 2] and daemon.failures())
    assert daemon.failures()[0].index == 1
    assert daemon.failures()[0].kind == "worker died"
    daemon.say(close=pb.Close(step=STEP, kill=True))
    await daemon.until(lambda: "CLOSED" in daemon.states())


async def test_a_second_sigterm_does_not_wait_for_what_runs(daemon: Daemon, start_agent: StartAgent) -> None:
    agent = await start_agent()
    daemon.open(daemon.definition(SLEEP_AT_1))
    daemon.grant(token=5, first=1, count=1)
    await daemon.until(lambda: "READY" in daemon.states())
    agent.signal(signal.SIGTERM)
    await daemon.until(lambda: daemon.syncs and daemon.syncs[-1].draining)
    agent.signal(signal.SIGTERM)
    assert await agent.ended(10) == 0
    await daemon.until(lambda: daemon.goodbyes)
