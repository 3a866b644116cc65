"""The host in every interpreter that is found here, from Python 3.7 up: pyenv's, and always the one that runs the tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from prs_agent.host.frames import Append, Failed, GivenBack, Run, TakeBack
from tests.integration.host.conftest import StartHost, payloads
from tests.unit.host.conftest import write_part

_VERSION = "import sys; print('%d.%d' % sys.version_info[:2]) if sys.version_info >= (3, 7) else sys.exit(1)"


def _interpreters() -> dict[str, str]:
    """Version → path."""
    found = {}
    for python in sorted(Path("~/.pyenv/versions").expanduser().glob("*/bin/python")):
        asked = subprocess.run([str(python), "-c", _VERSION], capture_output=True, text=True, check=False)
        if asked.returncode == 0:
            found[asked.stdout.strip()] = str(python)
    found[f"{sys.version_info.major}.{sys.version_info.minor}"] = sys.executable
    return found


INTERPRETERS = _interpreters()


@pytest.mark.parametrize("python", INTERPRETERS.values(), ids=INTERPRETERS)
def test_a_worker_s_life(start_host: StartHost, tmp_path: Path, python: str) -> None:
    write_part(tmp_path / "p", {"kind": "files"}, [[f"{number}.txt"] for number in range(6)])
    host = start_host(
        """
        import logging, os, sys
        from azureml_user.parallel_run import EntryScript
        from azureml.exceptions import ParallelRunException, Retry
        def init():
            logging.info("init of %s", EntryScript().agent_name)
            EntryScript().logger.info("logged")
        def run(mini_batch, context):
            if context.minibatch_index == 1: raise ParallelRunException("never", Retry.NoRetry)
            if context.minibatch_index == 2: return None
            if context.minibatch_index == 4 and os.fork() == 0: sys.exit(3)
            return [os.path.basename(mini_batch[0]), context.dataset.paths == mini_batch]
        def shutdown(): print("shutdown")
        """,
        python=python,
        input_kind="files",
        input_root="/in",
        append=Append(enabled=True),
    )
    host.start_up()
    host.run(0, 6, part="p")
    rows = [payload for found in host.results_of(4) for payload in payloads(found)]
    assert rows == [b"\0%d.txt\nTrue\n" % number for number in (0, 3, 4, 5)]
    failed = host.wait_for(Failed, lambda found: len(found) == 2)
    assert [(each.kind, each.permanent) for each in failed] == [("exception", True), ("bad return", False)]
    host.send(TakeBack(7))
    assert host.wait_for(GivenBack) == [GivenBack(7, ())]
    assert host.close() == 0
    assert "|init of process000\n" in host.stdout
    assert host.stdout.endswith("shutdown\n")
    assert (tmp_path / "entry_script_log" / "process000.log.txt").read_text().endswith("|logged\n")


@pytest.mark.parametrize("python", INTERPRETERS.values(), ids=INTERPRETERS)
def test_argparse_s_message_is_found(start_host: StartHost, python: str) -> None:
    source = "import argparse\nargparse.ArgumentParser().parse_args()\ndef run(mini_batch): return []"
    host = start_host(source, python=python, argv=("--output", "x"))
    assert host.end() == 1
    assert "unrecognized arguments: --output x" in host.frames[0].message  # type: ignore[union-attr]


@pytest.mark.parametrize("python", INTERPRETERS.values(), ids=INTERPRETERS)
def test_an_exit_in_run_ends_the_worker(start_host: StartHost, python: str) -> None:
    host = start_host("import sys\ndef run(mini_batch): sys.exit(3)", python=python, input_kind="rank")
    host.send(Run(7, 0, 2))
    assert host.end() == 3
