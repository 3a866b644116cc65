"""The job of a run: its folder with pipeline, script and input, and what it has to publish."""

from __future__ import annotations

import json
import shutil
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.chaos import entry_script
from tests.chaos.judge import Expectation


@dataclass(frozen=True, slots=True)
class Workload:
    """`spare`: failed mini-batches that are tolerated beyond those that always fail; None tolerates all."""

    seed: int
    mini_batches: int
    instances: int
    is_of_files: bool
    spare: int | None = None
    longest_sleep_ms: float = 10

    def indexes_of(self, fate: str) -> set[int]:
        return {index for index in range(self.mini_batches) if entry_script.fate_of(self.seed, index) == fate}

    @property
    def threshold(self) -> int:
        """At least 0: with nothing that always fails and less than nothing to spare, none may fail."""
        if self.spare is None:
            return -1
        return max(0, len(self.indexes_of(entry_script.FAILS_ALWAYS)) + self.spare)

    def expectation(self, excused: AbstractSet[int] = frozenset()) -> Expectation:
        failing = self.indexes_of(entry_script.FAILS_ALWAYS)
        rows = {
            index: [f"{row}\n".encode() for row in entry_script.rows_of(self.seed, index)]
            for index in range(self.mini_batches)
            if index not in failing
        }
        return Expectation(rows, failing, self.threshold, excused - failing)

    def write(self, folder: Path) -> Path:
        """The pipeline's file; everything else lies beside it."""
        code = folder / "code"
        code.mkdir(parents=True)
        shutil.copy(entry_script.__file__, code / "entry.py")
        arguments = f"--chaos_seed {self.seed} --longest_sleep_ms {self.longest_sleep_ms}"
        step = self._step(arguments if self.is_of_files else f"{arguments} --rank_mini_batch_count {self.mini_batches}")
        if self.is_of_files:
            self._write_input(folder / "input")
            step |= {
                "inputs": {"data": {"type": "uri_folder", "path": "./input"}},
                "input_data": "${{inputs.data}}",
                "mini_batch_size": "1",
            }
        path = folder / "pipeline.yml"
        path.write_text(json.dumps({"type": "pipeline", "jobs": {"score": step}}, indent=1))
        return path

    def _write_input(self, folder: Path) -> None:
        folder.mkdir()
        for index in range(self.mini_batches):
            (folder / f"{index:07}.txt").write_text(str(index))

    def _step(self, arguments: str) -> dict[str, Any]:
        return {
            "type": "parallel",
            "compute": "cpu",
            "outputs": {"rows": {"type": "uri_file"}},
            "resources": {"instance_count": self.instances},
            "max_concurrency_per_instance": 2,
            # Workers are killed and frozen at random: the few attempts of a mini-batch must not run out by that.
            "retry_settings": {"max_retries": 10, "timeout": 2},
            "mini_batch_error_threshold": self.threshold,
            "task": {
                "type": "run_function",
                "code": "./code",
                "entry_script": "entry.py",
                "environment": "azureml:any:1",
                "program_arguments": arguments,
                "append_row_to": "${{outputs.rows}}",
            },
        }
