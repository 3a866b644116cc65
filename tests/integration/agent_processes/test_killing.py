"""A worker ends with everything that it started."""

import signal
import sys
import time
from pathlib import Path

import pytest

from prs_agent.children import process_table
from prs_agent.processes import Spawner
from tests.integration.agent_processes.observing import STUBBORN_TREE, Run, eventually, pids_in, processes_below


def _stdout(folder: Path) -> str:
    return (folder / "logs" / "user" / "stdout.txt").read_text()


@pytest.mark.parametrize("grace_s", [0.0, 0.2])
async def test_a_stubborn_tree_is_all_gone(run: Run, tmp_path: Path, grace_s: float) -> None:
    child = await run(STUBBORN_TREE)
    await eventually(lambda: len(pids_in(tmp_path / "pids")) == 3)
    child.kill(grace_s)
    how = await child.exited()
    assert how.returncode == -signal.SIGKILL
    assert not set(pids_in(tmp_path / "pids")) & process_table().keys()


async def test_a_grace_is_used(run: Run, tmp_path: Path) -> None:
    child = await run("trap 'echo bye; exit 7' TERM; echo $$ > pids; while :; do sleep 0.01; done")
    await eventually(lambda: pids_in(tmp_path / "pids") == [child.pid])
    started_at = time.monotonic()
    child.kill(grace_s=60.0)
    assert (await child.exited()).returncode == 7
    assert time.monotonic() - started_at < 30
    assert _stdout(tmp_path) == "bye\n"


async def test_what_a_worker_started_has_the_grace_too(run: Run, tmp_path: Path) -> None:
    inner = "trap 'sleep 0.3; echo saved; exit' TERM; echo $$ > pids; while :; do sleep 0.01; done"
    child = await run("bash", "-c", 'bash -c "$0" & wait', inner.replace("$$", "$BASHPID"))
    await eventually(lambda: len(pids_in(tmp_path / "pids")) == 1)
    child.kill(grace_s=60.0)
    assert (await child.exited()).returncode == -signal.SIGTERM
    assert _stdout(tmp_path) == "saved\n"


async def test_a_second_kill_shortens_the_grace(run: Run, tmp_path: Path) -> None:
    child = await run("trap '' TERM; echo $$ > pids; while :; do sleep 0.01; done")
    await eventually(lambda: len(pids_in(tmp_path / "pids")) == 1)
    child.kill(grace_s=1000.0)
    child.kill()
    assert (await child.exited()).returncode == -signal.SIGKILL
    child.kill()  # and one who is gone does not mind


async def test_what_a_worker_leaves_is_killed_and_counted(run: Run, tmp_path: Path) -> None:
    child = await run(
        "sleep 1000 & echo $! >> pids; setsid sleep 1000 & echo $! >> pids; (sleep 1000 & echo $! >> pids); exit 3"
    )
    how = await child.exited()
    assert (how.returncode, how.orphans) == (3, 3)
    assert not set(pids_in(tmp_path / "pids")) & process_table().keys()


async def test_what_ends_by_itself_right_after_its_worker_is_no_orphan(run: Run) -> None:
    how = await (await run("sleep 0.05 & exit 0")).exited()
    assert (how.returncode, how.orphans) == (0, 0)


async def test_an_orphan_that_hides_goes_with_the_last_worker(run: Run, spawner: Spawner) -> None:
    other = await run("sleep 1000")
    program = """
import os
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0: os.execve('/bin/sleep', ['sleep', '1000'], {})
"""
    child = await run(sys.executable, "-c", program)
    assert (await child.exited()).returncode == 0
    other.kill()
    await other.exited()
    assert not processes_below(spawner.pid)


async def test_a_worker_that_forks_fifty_children(run: Run, tmp_path: Path) -> None:
    program = """
import os, time
for _ in range(50):
    if os.fork() == 0:
        if os.getpid() % 2: os.setsid()
        with open("pids", "a") as f: f.write(f"{os.getpid()}\\n")
        time.sleep(1000)
time.sleep(1000)
"""
    child = await run(sys.executable, "-c", program)
    await eventually(lambda: len(pids_in(tmp_path / "pids")) == 50)
    child.kill()
    assert (await child.exited()).returncode == -signal.SIGKILL
    assert not set(pids_in(tmp_path / "pids")) & process_table().keys()


async def test_a_worker_that_goes_on_forking_is_ended(run: Run, spawner: Spawner) -> None:
    program = """
import os, resource, time
resource.setrlimit(resource.RLIMIT_CPU, (5, 5))
end = time.monotonic() + 20
while time.monotonic() < end:
    if os.fork() == 0:
        os.setsid() if os.getpid() % 3 == 0 else None
        time.sleep(0.02)
        if os.fork(): os._exit(0)
        time.sleep(0.02); os._exit(0)
    time.sleep(0.001)
"""
    child = await run(sys.executable, "-c", program)
    await eventually(lambda: len(processes_below(spawner.pid)) > 10)
    child.kill()
    assert (await child.exited()).survivors == 0
    assert processes_below(spawner.pid) == []
