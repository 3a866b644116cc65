"""One daemon and two agents serve all conformance tests of a test process; each test submits a pipeline of its own."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Outcome, Programs, wait_until

# What an entry script needs to leave a trace: a line per call, appended atomically to one file.
TRACE = """
import os, sys
def trace(*words):
    with open(os.environ["TRACE"], "a") as stream:
        stream.write(" ".join(str(word) for word in words) + "\\n")
"""


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Programs]:
    programs = Programs(tmp_path_factory.mktemp("cluster"))
    programs.start_daemon()
    for name in ("one", "two"):
        programs.start_agent(name, "--slots", "4")
    wait_until(lambda: len(programs.prsctl("agent", "list", "-o", "name").stdout.split()) == 2, what="two agents")
    yield programs
    programs.stop_all()


@dataclass
class Step:
    """The outcome of the one parallel step of a submitted pipeline."""

    outcome: Outcome
    trace_path: Path

    @property
    def document(self) -> dict[str, Any]:
        return self.outcome.step("score")

    @property
    def state(self) -> str:
        return str(self.document["state"])

    @property
    def error(self) -> str:
        return str(self.document["error"])

    @property
    def batches(self) -> dict[str, int]:
        found: dict[str, int] = self.document["mini_batches"]
        return found

    @property
    def items(self) -> dict[str, int]:
        found: dict[str, int] = self.document["items"]
        return found

    @property
    def logs(self) -> Path:
        return Path(self.document["logs"])

    @property
    def rows(self) -> list[str]:
        return Path(self.document["outputs"]["rows"]).read_text().splitlines()

    @property
    def trace(self) -> list[list[str]]:
        """The lines that the script left, as words."""
        return [line.split(" ") for line in self.trace_path.read_text().splitlines()] if self.trace_path.exists() else []

    def attempts(self) -> list[dict[str, str]]:
        """The rows of processed_mini-batches.csv that are attempts of mini-batches."""
        with (self.logs / "sys" / "job_report" / "processed_mini-batches.csv").open(newline="") as stream:
            return [row for row in csv.DictReader(stream) if row["Mini-batch Id"]]


@dataclass
class Bench:
    """Builds a pipeline with one parallel step over numbered files, submits it and waits."""

    cluster: Programs
    folder: Path
    files: int = 10
    size: int | str = 1
    instances: int = 1
    workers: int = 2
    arguments: str = ""
    step: dict[str, Any] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    entry_script: str = "entry.py"
    entry_named: str = ""  # as the pipeline names it, when not by its file
    append: bool = True
    output_type: str = "uri_file"
    data: dict[str, Any] | None = None

    def run(self, script: str, timeout_s: float = 60) -> Step:
        outcome = self.cluster.prsctl("submit", self.write(script), "--wait", "-o", "json", timeout_s=timeout_s)
        return Step(outcome, self.folder / "trace.txt")

    def write(self, script: str) -> Path:
        """The pipeline's file, its code beside it."""
        code = self.folder / "code"
        for name, text in {self.entry_script: TRACE + script, **self.sources}.items():
            path = code / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        pipeline = self.folder / "pipeline.yml"
        pipeline.write_text(json.dumps(self.document(), indent=1))
        return pipeline

    def document(self) -> dict[str, Any]:
        task = {
            "type": "run_function",
            "code": "./code",
            "entry_script": self.entry_named or self.entry_script,
            "environment": "azureml:any:1",
            "program_arguments": self.arguments,
        }
        if self.append:
            task["append_row_to"] = "${{outputs.rows}}"
        step = {
            "type": "parallel",
            "inputs": {"data": self.data or self._files()},
            "outputs": {"rows": {"type": self.output_type}},
            "input_data": "${{inputs.data}}",
            "mini_batch_size": str(self.size),
            "resources": {"instance_count": self.instances},
            "max_concurrency_per_instance": self.workers,
            "environment_variables": {"TRACE": str(self.folder / "trace.txt"), **self.variables},
            "task": task,
        } | self.step
        return {"type": "pipeline", "settings": {"default_compute": "cpu"}, "jobs": {"score": step}}

    def _files(self) -> dict[str, Any]:
        data = self.folder / "input"
        data.mkdir(exist_ok=True)
        for number in range(self.files):
            (data / f"{number:05}.txt").write_text(f"{number}\n")
        return {"type": "uri_folder", "path": "./input"}

    def table(self, text: bytes, size: str, read: str = "header: all_files_same_headers") -> None:
        """Let the input be a table of one delimited file."""
        folder = self.folder / "table"
        folder.mkdir()
        (folder / "data.csv").write_bytes(text)
        (folder / "MLTable").write_text(
            f"paths:\n  - file: ./data.csv\ntransformations:\n  - read_delimited:\n      delimiter: ','\n      {read}\n"
        )
        self.data = {"type": "mltable", "path": "./table", "mode": "direct"}
        self.size = size


@pytest.fixture
def bench(cluster: Programs, tmp_path: Path) -> Bench:
    return Bench(cluster, tmp_path)
