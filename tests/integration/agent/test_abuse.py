"""Scripts that misbehave in run(): one mini-batch pays for it, everything that it started is gone, and the pool goes on."""

from __future__ import annotations

import pytest

from tests.integration.agent.conftest import Daemon, StartAgent, eventually

BAD = 2
ALL = range(6)

AT_BAD = """
import os, resource, signal, subprocess, sys, time
def run(mini_batch, context):
    if context.minibatch_index == {bad}:
        {abuse}
    return [1]
"""

SLEEPER = "subprocess.Popen(['sleep', '600'], start_new_session=True, stdin=subprocess.DEVNULL)"

ENDS = {
    "os._exit with success": ("os._exit(0)", "returncode 0"),
    "os._exit with an error": ("os._exit(7)", "returncode 7"),
    "sys.exit": ("sys.exit(3)", "returncode 3"),
    "a kill as an OOM killer's": ("os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL"),
    "an abort": ("os.abort()", "SIGABRT"),
    "closed descriptors": ("os.closerange(3, 1024); time.sleep(600)", "closed its channel"),
    "children that outlive it": (f"[{SLEEPER} for _ in range(20)]; os._exit(1)", "returncode 1"),
}


@pytest.mark.parametrize("name", ENDS)
async def test_a_worker_that_ends_costs_its_mini_batch_alone(daemon: Daemon, start_agent: StartAgent, name: str) -> None:
    abuse, detail = ENDS[name]
    agent = await start_agent()
    daemon.open(daemon.definition(AT_BAD.format(bad=BAD, abuse=abuse)))
    daemon.grant(token=5, count=len(ALL))
    await daemon.until(lambda: len(daemon.results()) == len(ALL) - 1 and daemon.failures())
    (failure,) = daemon.failures()
    assert (failure.index, failure.kind) == (BAD, "worker died")
    assert detail in failure.message
    assert sorted(daemon.results()) == [index for index in ALL if index != BAD]
    await eventually(lambda: not any("sleep" in each.name() for each in agent.descendants()))


async def test_a_worker_that_ignores_every_signal_is_killed_at_its_deadline(daemon: Daemon, start_agent: StartAgent) -> None:
    abuse = f"[signal.signal(n, signal.SIG_IGN) for n in (15, 2, 1)]; {SLEEPER}; time.sleep(600)"
    agent = await start_agent()
    daemon.open(daemon.definition(AT_BAD.format(bad=BAD, abuse=abuse), run_timeout_s=1.0))
    daemon.grant(token=5, count=len(ALL))
    await daemon.until(lambda: len(daemon.results()) == len(ALL) - 1 and daemon.failures())
    assert [(failure.index, failure.kind) for failure in daemon.failures()] == [(BAD, "timeout")]
    await eventually(lambda: not any("sleep" in each.name() for each in agent.descendants()))


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
async def test_a_line_without_end_is_no_burden(daemon: Daemon, start_agent: StartAgent, stream: str) -> None:
    megabytes = 200
    abuse = f"[sys.{stream}.write('x' * (1 << 20)) for _ in range({megabytes})]"
    agent = await start_agent()
    daemon.open(daemon.definition(AT_BAD.format(bad=BAD, abuse=abuse)))
    daemon.grant(token=5, count=len(ALL))
    await daemon.until(lambda: sorted(daemon.results()) == list(ALL))
    written = sum(file.stat().st_size for file in (daemon.folder / "step/logs/user" / stream).rglob("process*"))
    assert written >= megabytes << 20
    assert agent.peak_memory() < megabytes << 20  # the agent does not hold what a script prints
