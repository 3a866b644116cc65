"""How long a job of one mini-batch takes: cold with `prsctl run`, warm from submission to Completed.

    .venv/bin/python benchmarks/one_mini_batch.py [--rounds 10]

Cold is the wall time of the whole command. Warm is by the daemon's own clock, divide and worker start included; it is also
given without the worker's start, which the agent's log tells.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

import grpc

from prsd.v1 import jobs_pb2, jobs_pb2_grpc

BIN = Path(sys.executable).parent
PIPELINE = """
type: pipeline
settings: {default_compute: local}
jobs:
  score:
    type: parallel
    inputs: {data: {type: uri_folder, path: ./input}}
    outputs: {rows: {type: uri_file}}
    input_data: ${{inputs.data}}
    max_concurrency_per_instance: 1
    task: {type: run_function, code: ./code, entry_script: entry.py, append_row_to: "${{outputs.rows}}"}
"""


def write_pipeline(folder: Path) -> Path:
    (folder / "code").mkdir()
    (folder / "code" / "entry.py").write_text("def run(mini_batch):\n    return mini_batch\n")
    (folder / "input").mkdir()
    (folder / "input" / "one.txt").write_text("1\n")
    (folder / "pipeline.yml").write_text(PIPELINE)
    return folder / "pipeline.yml"


def cold_s(folder: Path, pipeline: Path) -> float:
    before = time.monotonic()
    command = [BIN / "prsctl", "run", pipeline, "--data", folder / "cold"]
    subprocess.run(command, check=True, capture_output=True)
    return time.monotonic() - before


def warm_s(stub: jobs_pb2_grpc.JobServiceStub, pipeline: Path, address: str) -> float:
    command = [BIN / "prsctl", "submit", pipeline, "--server", address, "-o", "name", "--wait"]
    name = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[0]
    job = stub.GetJob(jobs_pb2.GetJobRequest(name=name)).job
    return (job.end_time.ToNanoseconds() - job.create_time.ToNanoseconds()) / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="prs-bench-") as name:
        folder = Path(name)
        pipeline = write_pipeline(folder)
        cold = [cold_s(folder, pipeline) for _ in range(rounds)]
        address = f"unix:{folder}/d.sock"
        daemon = subprocess.Popen([BIN / "prsd", "--data", folder / "d", "--listen", address], stderr=subprocess.DEVNULL)
        agent = subprocess.Popen(
            [BIN / "prs-agent", "--server", address, "--compute", "local", "--data", folder / "a"], stderr=subprocess.DEVNULL
        )
        try:
            with grpc.insecure_channel(address) as channel:
                grpc.channel_ready_future(channel).result(timeout=20)
                warm = [warm_s(jobs_pb2_grpc.JobServiceStub(channel), pipeline, address) for _ in range(rounds)]
        finally:
            for process in (agent, daemon):
                process.terminate()
                process.wait()
    for label, seconds in (("cold, prsctl run", cold), ("warm, submit to Completed", warm)):
        print(f"{label}: median {statistics.median(seconds):.3f} s, min {min(seconds):.3f}, max {max(seconds):.3f}")


if __name__ == "__main__":
    main()
