"""Ours: the real programs in a folder of their own, and a job through them."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

import grpc

from benchmarks import processes
from benchmarks.peer import RoundFailedError
from prsd.v1 import jobs_pb2, jobs_pb2_grpc

BIN = Path(sys.executable).parent
_HERE = Path(__file__).parent
_START_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class JobTimes:
    """Seconds from the submission to Completed, and from the moment when the first worker was ready; CPU seconds of the
    same spans, without those of the client."""

    submitted_s: float
    ready_s: float
    submitted_cpu_s: float
    ready_cpu_s: float
    output: Path


@dataclass(frozen=True, slots=True)
class Step:
    """A parallel step over an input, or over `count` mini-batches without one."""

    script: str
    count: int = 0
    input_type: str = ""
    input_path: str = ""
    mini_batch_size: str = ""
    arguments: str = ""

    def pipeline(self, code: Path, ready: Path) -> dict[str, Any]:
        arguments = f"--ready_folder {ready} {self.arguments}"
        if self.count:
            arguments += f" --rank_mini_batch_count {self.count}"
        step: dict[str, Any] = {
            "type": "parallel",
            "outputs": {"rows": {"type": "uri_file"}},
            "max_concurrency_per_instance": 2,
            "resources": {"instance_count": 1},
            "task": {
                "type": "run_function",
                "code": str(code),
                "entry_script": f"{self.script}.py",
                "append_row_to": "${{outputs.rows}}",
                "program_arguments": arguments,
            },
        }
        if self.input_path:
            mode = "direct" if self.input_type == "mltable" else "ro_mount"
            step["inputs"] = {"data": {"type": self.input_type, "path": self.input_path, "mode": mode}}
            step["input_data"] = "${{inputs.data}}"
            step["mini_batch_size"] = self.mini_batch_size
        return {"type": "pipeline", "settings": {"default_compute": "local", "force_rerun": True}, "jobs": {"score": step}}


def write_step(step: Step, folder: Path) -> tuple[Path, Path]:
    """The pipeline's file, and the folder where its workers leave when they were ready."""
    code, ready = folder / "code", folder / "ready"
    for made in (code, ready):
        shutil.rmtree(made, ignore_errors=True)
    shutil.copytree(_HERE / "entry_scripts", code, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(_HERE / "contenders" / "work.py", code)
    ready.mkdir()
    path = folder / "pipeline.yml"
    path.write_text(json.dumps(step.pipeline(code, ready), indent=1))
    return path, ready


@dataclass
class Fleet:
    """prsd and one prs-agent of two slots. A context manager: everything is ended at the exit."""

    folder: Path
    daemon: subprocess.Popen[bytes] = field(init=False)
    agent: subprocess.Popen[bytes] = field(init=False)
    channel: grpc.Channel = field(init=False)

    @property
    def address(self) -> str:
        return f"unix:{self.folder}/d.sock"

    @property
    def jobs(self) -> jobs_pb2_grpc.JobServiceStub:
        return jobs_pb2_grpc.JobServiceStub(self.channel)

    def __enter__(self) -> Fleet:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.start_daemon()
        agent = ("prs-agent", "--server", self.address, "--compute", "local", "--data", self.folder / "a", "--slots", "2")
        self.agent = self._start(*agent)
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not self.jobs.ListAgents(jobs_pb2.ListAgentsRequest()).agents:
            if time.monotonic() > deadline:
                raise RoundFailedError(f"the agent has not joined, see {self.folder}/programs.log")
            time.sleep(0.01)
        return self

    def start_daemon(self) -> None:
        self.daemon = self._start("prsd", "--data", self.folder / "d", "--listen", self.address)
        self.channel = grpc.insecure_channel(self.address, options=[("grpc.max_reconnect_backoff_ms", 100)])
        grpc.channel_ready_future(self.channel).result(timeout=_START_TIMEOUT_S)

    def kill_daemon(self) -> None:
        self.daemon.kill()
        self.daemon.wait()
        self.channel.close()

    def __exit__(self, *_: object) -> None:
        self.channel.close()
        for process in (self.agent, self.daemon):
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            process.wait()
        processes.end_all_below()
        shutil.rmtree(self.folder / "d" / "jobs", ignore_errors=True)

    def _start(self, program: str, *arguments: object) -> subprocess.Popen[bytes]:
        with (self.folder / "programs.log").open("ab") as log:
            return subprocess.Popen([BIN / program, *map(str, arguments)], stdout=log, stderr=log)

    def submit(self, step: Step, timeout_s: float, meanwhile: Callable[[Path, str], None] | None = None) -> JobTimes:
        """One job by `prsctl submit`, to its end; RoundFailedError unless it completes.

        `meanwhile` is called once after the submission, with the folder of the workers' notes and the job's name.
        """
        pipeline, ready = write_step(step, self.folder)
        cpu_before, clients_before = processes.tree_cpu_s(), _children_cpu_s()
        command = [str(BIN / "prsctl"), "submit", str(pipeline), "--server", self.address, "-o", "name"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RoundFailedError(f"not accepted: {done.stderr.strip()[-300:]}")
        clients_s = _children_cpu_s() - clients_before
        name = done.stdout.split()[0]
        ready_cpu = _cpu_when_ready(ready)
        if meanwhile is not None:
            meanwhile(ready, name)
        job = self.wait(name, timeout_s)
        cpu = processes.tree_cpu_s()
        created, ended = job.create_time.ToNanoseconds() / 1e9, job.end_time.ToNanoseconds() / 1e9
        first_ready = min(float(each.read_text()) for each in ready.glob("ready.*"))
        output = Path(job.steps[0].outputs["rows"].removeprefix("file://"))
        return JobTimes(ended - created, ended - first_ready, cpu - cpu_before - clients_s, cpu - ready_cpu, output)

    def wait(self, name: str, timeout_s: float) -> jobs_pb2.Job:
        """The job at its end, as the daemon pushes it: asking again and again would cost it time."""
        job = jobs_pb2.Job()
        try:
            for reply in self.jobs.WatchJob(jobs_pb2.WatchJobRequest(name=name), timeout=timeout_s):
                job = reply.job
        except grpc.RpcError as error:
            raise RoundFailedError(f"no end of the job within {timeout_s:.0f} s: {error.code().name}") from error
        state = jobs_pb2.State.Name(job.state)
        if not state.endswith("COMPLETED"):
            raise RoundFailedError(f"the job ended {state}: {job.error}")
        return job


def _cpu_when_ready(ready: Path) -> float:
    """What the tree has used when the first worker has left its note."""
    deadline = time.monotonic() + _START_TIMEOUT_S
    while not any(ready.iterdir()):
        if time.monotonic() > deadline:
            raise RoundFailedError(f"no worker was ready within {_START_TIMEOUT_S:.0f} s")
        time.sleep(0.005)
    return processes.tree_cpu_s()


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
