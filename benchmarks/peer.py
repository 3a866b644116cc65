"""One round of a peer: a process of its own, warmed up, timed, ended."""

from __future__ import annotations

import json
import os
import select
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import processes

_HERE = Path(__file__).parent
_WARM_TIMEOUT_S = 120.0


class RoundFailedError(Exception):
    """Why a tool did not come through a round."""


@dataclass(frozen=True, slots=True)
class Done:
    wall_s: float
    cpu_s: float
    rows: int
    latencies_s: tuple[float, ...] = ()


def command_of(python: Path, adapter: str, spec: dict[str, Any]) -> list[str]:
    return [str(python), "-m", "contenders.driver", adapter, json.dumps(spec)]


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(_HERE), "RAY_DEDUP_LOGS": "0", "RAY_USAGE_STATS_ENABLED": "0"}


def round_of(command: Sequence[str], log: Path, timeout_s: float, meanwhile: Callable[[], None] | None = None) -> Done:
    """Runs the workload once. RoundFailedError when the tool raises, ends or has not come to the end in time.

    `meanwhile` is called once after the start of the timed part, while the tool works.
    """
    with log.open("ab") as stderr:
        process = subprocess.Popen(
            command,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
        )
        try:
            _answer(process, _WARM_TIMEOUT_S)
            cpu_before = processes.tree_cpu_s()
            _go_on(process)
            if meanwhile is not None:
                meanwhile()
            answer = _answer(process, timeout_s)
            cpu_s = processes.tree_cpu_s() - cpu_before
            _go_on(process)
            process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            pass  # its end is not measured
        finally:
            process.kill()
            process.wait()
            processes.end_all_below()
    if "raised" in answer:
        raise RoundFailedError(f"raised {answer['raised']}")
    return Done(answer.get("wall_s", 0.0), cpu_s, answer.get("rows", 0), tuple(answer.get("latencies_s", ())))


def cold_s(python: Path, adapter: str, log: Path) -> float:
    """Nothing running to one finished call and everything ended."""
    began = time.monotonic()
    with log.open("ab") as stderr:
        command = command_of(python, adapter, {"workload": "one", "cold": True})
        process = subprocess.Popen(command, env=environment(), stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr)
        code = process.wait(_WARM_TIMEOUT_S)
    took_s = time.monotonic() - began
    processes.end_all_below()
    if code:
        raise RoundFailedError(f"exit code {code}, see {log}")
    return took_s


def _go_on(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.write(b"\n")
    process.stdin.flush()


def _answer(process: subprocess.Popen[bytes], timeout_s: float) -> dict[str, Any]:
    assert process.stdout is not None
    if not select.select([process.stdout], [], [], timeout_s)[0]:
        raise RoundFailedError(f"hangs: no answer within {timeout_s:.0f} s")
    line = process.stdout.readline()
    if not line:
        raise RoundFailedError(f"ended with exit code {process.wait()}")
    answer: dict[str, Any] = json.loads(line)
    return answer
