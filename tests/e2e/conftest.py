"""The real programs, as a user starts them. Every process that a test starts is ended by it, by its own id."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

BIN = Path(sys.executable).parent
EXAMPLES = Path(__file__).parents[2] / "examples"


@dataclass
class Outcome:
    """What a finished `prsctl` left."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def job(self) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads(self.stdout)
        return parsed

    def step(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = next(step for step in self.job["steps"] if step["name"] == name)
        return found


@dataclass
class Programs:
    """Starts programs in one folder of a test."""

    folder: Path
    started: list[subprocess.Popen[str]] = field(default_factory=list)
    server: str = ""

    @property
    def env(self) -> dict[str, str]:
        own = {
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "XDG_DATA_HOME": str(self.folder / "xdg"),
            "NO_COLOR": "1",
            "PYTHONDONTWRITEBYTECODE": "",
        }
        if self.server:
            own["PRS_SERVER"] = self.server
        return {name: value for name, value in os.environ.items() if not name.startswith("PRS_")} | own

    def start(self, *command: str | Path, **options: Any) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [str(BIN / str(command[0])), *map(str, command[1:])],
            env=self.env,
            cwd=self.folder,
            text=True,
            **options,
        )
        self.started.append(process)
        return process

    def prsctl(self, *arguments: str | Path, timeout_s: float = 90) -> Outcome:
        process = self.start("prsctl", *arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        stdout, stderr = process.communicate(timeout=timeout_s)
        return Outcome(process.returncode, stdout, stderr)

    def run(self, pipeline: Path, *arguments: str | Path, timeout_s: float = 90) -> Outcome:
        """`prsctl run -o json` with a data folder of the test's own."""
        data = self.folder / "data"
        return self.prsctl("run", pipeline, "--data", data, "-o", "json", *arguments, timeout_s=timeout_s)

    def start_daemon(self, *options: str) -> subprocess.Popen[str]:
        """`prsd` on a socket that later calls of `prsctl` and `prs-agent` use."""
        self.server = f"unix:{self.folder}/d.sock"
        daemon = self.start("prsd", "--data", self.folder / "daemon", "--listen", self.server, *options)
        wait_until((self.folder / "d.sock").exists, what="the daemon's socket")
        return daemon

    def start_agent(self, name: str, *options: str) -> subprocess.Popen[str]:
        arguments = ("--server", self.server, "--compute", "cpu", "--data", self.folder / name, "--name", name)
        return self.start("prs-agent", *arguments, *options)

    def stop_all(self) -> None:
        # The newest first: an agent that is drained waits for a daemon that has gone before it.
        for process in reversed(self.started):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[Programs]:
    made = Programs(tmp_path)
    yield made
    made.stop_all()


def wait_until(condition: Callable[[], object], timeout_s: float = 30, what: str = "the condition") -> None:
    """Look again and again, at most so long."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come true within {timeout_s} s"
        time.sleep(0.02)


def processes_of(folder: Path) -> list[str]:
    """Command lines of live processes that mention the folder: what a test may not leave behind."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            command_line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in command_line:
            found.append(f"{entry.name} {command_line}")
    return found


@dataclass
class ParallelPipeline:
    """A pipeline file with one parallel step over numbered files, for tests that vary one thing."""

    folder: Path
    script: str
    files: int = 10
    size: int = 1
    instances: int = 1
    workers: int = 2
    step: dict[str, Any] = field(default_factory=dict)
    arguments: str = ""
    append: bool = True

    def write(self) -> Path:
        code = self.folder / "code"
        data = self.folder / "input"
        code.mkdir(parents=True, exist_ok=True)
        data.mkdir(exist_ok=True)
        (code / "entry.py").write_text(self.script)
        for number in range(self.files):
            (data / f"{number:05}.txt").write_text(f"{number}\n")
        task: dict[str, Any] = {
            "type": "run_function",
            "code": "./code",
            "entry_script": "entry.py",
            "environment": "azureml:any:1",
            "program_arguments": self.arguments,
        }
        if self.append:
            task["append_row_to"] = "${{outputs.rows}}"
        step = {
            "type": "parallel",
            "inputs": {"data": {"type": "uri_folder", "path": "./input"}},
            "outputs": {"rows": {"type": "uri_file"}},
            "input_data": "${{inputs.data}}",
            "mini_batch_size": str(self.size),
            "resources": {"instance_count": self.instances},
            "max_concurrency_per_instance": self.workers,
            "task": task,
        } | self.step
        document = {"type": "pipeline", "settings": {"default_compute": "local"}, "jobs": {"score": step}}
        path = self.folder / "pipeline.yml"
        path.write_text(json.dumps(document, indent=1))
        return path
