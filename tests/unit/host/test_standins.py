"""The module that user code imports, outside a worker: a stand-in for a user's own tests (spec section 3.5)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import prs_agent.host

STANDINS = Path(prs_agent.host.__file__).parent / "standins"


def test_58_entry_script_works_without_a_worker(tmp_path: Path) -> None:
    source = (
        "from azureml_user.parallel_run import EntryScript\n"
        "from azureml.exceptions import ParallelRunException, Retry\n"
        "s = EntryScript()\n"
        "assert s is EntryScript()\n"
        "s.logger.info('hello')\n"
        "print(s.agent_name, s.log_dir, s.output_dir)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", source],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(STANDINS)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["process000", f"{tmp_path}/logs/user/entry_script_log/0", f"{tmp_path}/outputs"]
    assert done.stderr.endswith("|hello\n")
    assert list(tmp_path.iterdir()) == []
