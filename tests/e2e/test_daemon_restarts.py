"""Those who wait for a job while its daemon is killed and started again: they wait on, and end as the job did."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import ParallelPipeline, Programs, wait_until

GATED = """
import pathlib, time

def run(mini_batch):
    while not pathlib.Path({gate!r}).exists():
        time.sleep(0.02)
    return [pathlib.Path(path).stem for path in mini_batch]
"""
LOST = "the daemon does not answer"
BACK = "the daemon answers again"


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    return tmp_path / "gate"


@pytest.fixture
def pipeline(tmp_path: Path, gate: Path) -> Path:
    """A pipeline whose mini-batches end when the gate is there."""
    step = {"compute": "cpu"}
    return ParallelPipeline(tmp_path / "p", GATED.format(gate=str(gate)), files=4, step=step).write()


class Waiter:
    """A `prsctl` that waits for a job; its stderr goes to a file, so that it can be read meanwhile."""

    def __init__(self, programs: Programs, folder: Path, *words: str | Path) -> None:
        self.log = folder / f"{words[0]}-{len(programs.started)}.stderr"
        with self.log.open("wb") as stderr:
            self.process = programs.start("prsctl", *words, stdout=subprocess.DEVNULL, stderr=stderr)

    def said(self) -> str:
        return self.log.read_text()

    @property
    def is_connected(self) -> bool:
        descriptors = Path("/proc", str(self.process.pid), "fd")
        return any("socket:" in str(each.readlink()) for each in descriptors.iterdir() if each.is_symlink())


@pytest.mark.parametrize("end", [subprocess.Popen.kill, subprocess.Popen.terminate], ids=["SIGKILL", "SIGTERM"])
def test_whoever_waits_for_a_job_waits_on_while_the_daemon_is_ended_and_started_again(
    programs: Programs, tmp_path: Path, pipeline: Path, gate: Path, end: Callable[[subprocess.Popen[str]], None]
) -> None:
    daemon = programs.start_daemon()
    programs.start_agent("one", "--slots", "2")
    waiters = [Waiter(programs, tmp_path, "submit", pipeline, "--name", "j", "--wait")]
    wait_until(lambda: "job j" in waiters[0].said(), what="the submission")
    for words in (("job", "wait", "@latest"), ("job", "logs", "j", "--follow")):
        waiters.append(Waiter(programs, tmp_path, *words))
    wait_until(lambda: all(each.is_connected for each in waiters), what="all to be connected")
    # It starts, connects and is answered after the silent ones are connected: their first calls are answered then, too.
    waiters.append(Waiter(programs, tmp_path, "job", "watch", "j"))
    wait_until(lambda: "Running" in waiters[-1].said(), what="the job to run", timeout_s=60)
    end(daemon)
    daemon.wait()
    wait_until(lambda: all(LOST in each.said() for each in waiters), what="all to notice")
    programs.start_daemon()
    wait_until(lambda: all(BACK in each.said() for each in waiters), what="all to be back")
    gate.touch()
    for each in waiters:
        assert each.process.wait(60) == 0, each.said()
        assert each.said().count(LOST) == 1, each.said()


def test_who_has_waited_long_enough_for_the_daemon_ends_as_the_timeout_says(
    programs: Programs, tmp_path: Path, pipeline: Path
) -> None:
    daemon = programs.start_daemon()
    assert programs.prsctl("submit", pipeline, "--name", "j").exit_code == 0
    waiter = Waiter(programs, tmp_path, "job", "watch", "j", "--timeout", "5s")
    wait_until(lambda: "Queued" in waiter.said(), what="the first view")
    daemon.kill()
    assert waiter.process.wait(60) == 8, waiter.said()
