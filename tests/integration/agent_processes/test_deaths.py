"""Workers live no longer than their spawner, and the spawner no longer than its agent."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Coroutine
from pathlib import Path

import pytest
import uvloop

from prs_agent.children import process_table
from prs_agent.processes import Spawner, SpawnError, SpawnRequest
from tests.integration.agent_processes.observing import (
    DEADLINE_S,
    STUBBORN_TREE,
    Run,
    eventually,
    pids_in,
    processes_below,
    runs,
)

AGENT = """
import asyncio, os, sys
from pathlib import Path
from prs_agent.processes import Spawner, SpawnRequest

async def main():
    spawner = Spawner()
    await spawner.start()
    for script in sys.argv[2:]:
        await spawner.spawn(SpawnRequest(
            ["/bin/bash", "-c", script], dict(os.environ), Path(sys.argv[1]), Path(os.devnull), Path(os.devnull)
        ))
    Path(sys.argv[1], "spawner").write_text(str(spawner.pid))
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_nothing_outlives_a_killed_agent(tmp_path: Path, number: signal.Signals) -> None:
    agent = subprocess.Popen([sys.executable, "-c", AGENT, tmp_path, STUBBORN_TREE, "sleep 1000"])  # noqa: ASYNC220
    await eventually(lambda: len(pids_in(tmp_path / "pids")) == 3 and bool(pids_in(tmp_path / "spawner")))
    spawner_pid = pids_in(tmp_path / "spawner")[0]
    pids = {process.pid for process in processes_below(spawner_pid)} | {spawner_pid}
    assert len(pids) >= 5
    agent.send_signal(number)
    agent.wait(DEADLINE_S)
    await eventually(lambda: not any(runs(pid) for pid in pids))


async def test_a_killed_spawner_takes_its_workers_along(run: Run, spawner: Spawner, tmp_path: Path) -> None:
    children = [await run(STUBBORN_TREE), await run("sleep 1000")]
    await eventually(lambda: len(pids_in(tmp_path / "pids")) == 3)
    pids = {process.pid for process in processes_below(spawner.pid)}
    assert spawner.pid is not None
    os.kill(spawner.pid, signal.SIGKILL)
    async with asyncio.timeout(DEADLINE_S):
        ends = [await child.exited() for child in children]
        await spawner.died
    assert [end.returncode for end in ends] == [-signal.SIGKILL] * 2
    assert not any(runs(pid) for pid in pids)
    with pytest.raises(SpawnError, match="the spawner has ended"):
        await run("exit 0")
    children[0].kill()


async def test_a_spawn_that_waits_is_told_of_the_spawners_death(run: Run, spawner: Spawner) -> None:
    await (await run("exit 0")).exited()
    assert spawner.pid is not None
    os.kill(spawner.pid, signal.SIGSTOP)
    starting = asyncio.ensure_future(run("exit 0"))
    await asyncio.sleep(0)
    os.kill(spawner.pid, signal.SIGKILL)
    with pytest.raises(SpawnError, match="the spawner has ended"):
        await asyncio.wait_for(starting, DEADLINE_S)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_the_spawner_ignores_what_a_terminal_sends(run: Run, spawner: Spawner, number: signal.Signals) -> None:
    await (await run("exit 0")).exited()
    assert spawner.pid is not None
    os.kill(spawner.pid, number)
    child = await run(f"kill -{number.value} $$; exit 0")
    assert (await child.exited()).returncode == -number, "the worker does not ignore it"


async def test_stopping_ends_everything_and_answers_everyone(tmp_path: Path) -> None:
    spawner = Spawner()
    await spawner.stop()
    await spawner.start()
    request = SpawnRequest(
        ["/bin/bash", "-c", STUBBORN_TREE], {"PATH": os.environ["PATH"]}, tmp_path, tmp_path / "log", tmp_path / "log"
    )
    child = await spawner.spawn(request)
    await eventually(lambda: len(pids_in(tmp_path / "pids")) == 3)
    await spawner.stop()
    await spawner.stop()
    assert (await asyncio.wait_for(child.exited(), DEADLINE_S)).returncode == -signal.SIGKILL
    assert not {*pids_in(tmp_path / "pids"), spawner.pid} & process_table().keys()
    assert not spawner.died.done()


def test_it_works_on_uvloop_beside_grpc(tmp_path: Path) -> None:
    async def scenario() -> None:
        import grpc

        spawner = Spawner()
        await spawner.start()
        server = grpc.aio.server()
        server.add_insecure_port(f"unix:{tmp_path}/socket")
        await server.start()
        environment = {f"NAME{number}": "x" * 50_000 for number in range(20)}
        request = SpawnRequest(["/bin/true"], environment, tmp_path, tmp_path / "log", tmp_path / "log")
        for _ in range(5):
            children = await asyncio.gather(*(spawner.spawn(request) for _ in range(10)))
            assert [(await child.exited()).returncode for child in children] == [0] * 10
        await server.stop(None)
        await spawner.stop()

    _run_on_uvloop(scenario())


def _run_on_uvloop(scenario: Coroutine[object, object, None]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(scenario)
