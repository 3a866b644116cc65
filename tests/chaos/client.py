"""`prsctl`, as a user calls it while the daemon comes and goes."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.chaos.fleet import BIN, environment

JOB = "chaos"
_CONFLICT, _TIMED_OUT, _VIOLATED = 6, 8, 12
_ENDED = (0, 3, 11)


class StuckError(Exception):
    """The job did not end, or could not be asked for, within the time that it has after the last fault."""


class Client:
    """Calls that are repeated until they are answered. `tick` is called all the time while one is waited for."""

    def __init__(self, folder: Path, tick: Callable[[], None]) -> None:
        self._folder = folder
        self._tick = tick
        self._output = folder / "client.log"

    def submit(self, pipeline: Path, timeout_s: float) -> None:
        """Submit under the name JOB, once: a repetition finds it there."""
        self._repeat(("submit", pipeline, "--name", JOB), (0, _CONFLICT), time.monotonic() + timeout_s)

    def wait(self, timeout_s: float, deadline_moves: Callable[[], bool]) -> None:
        """Until the job has ended; the time starts anew as long as `deadline_moves`."""
        deadline = time.monotonic() + timeout_s
        while True:
            code = self._call("job", "wait", JOB, "--timeout", str(round(timeout_s)))
            if code in _ENDED:
                return
            if deadline_moves():
                deadline = time.monotonic() + timeout_s
            elif time.monotonic() > deadline or code == _TIMED_OUT:
                raise StuckError(f"the job has not ended {timeout_s:.0f} s after the last fault (exit code {code})")

    def show(self, timeout_s: float) -> dict[str, Any]:
        """What the client shows of the job."""
        self._repeat(("job", "show", JOB, "-o", "json"), _ENDED, time.monotonic() + timeout_s)
        shown: dict[str, Any] = json.loads((self._folder / "client.out").read_text())
        return shown

    def verify(self, timeout_s: float) -> bool:
        """Whether `prsctl job verify` finds nothing wrong with the job."""
        return self._repeat(("job", "verify", JOB), (0, _VIOLATED), time.monotonic() + timeout_s) == 0

    def _repeat(self, arguments: tuple[str | Path, ...], wanted: tuple[int, ...], deadline: float) -> int:
        while (code := self._call(*arguments)) not in wanted:
            if time.monotonic() > deadline:
                raise StuckError(f"prsctl {' '.join(map(str, arguments))}: exit code {code}")
        return code

    def _call(self, *arguments: str | Path) -> int:
        with (self._folder / "client.out").open("wb") as stdout, self._output.open("ab") as stderr:
            stderr.write(f"$ prsctl {' '.join(map(str, arguments))}\n".encode())
            stderr.flush()
            command = [str(BIN / "prsctl"), *map(str, arguments)]
            process = subprocess.Popen(
                command, env=environment(self._folder), cwd=self._folder, stdout=stdout, stderr=stderr
            )
            try:
                while process.poll() is None:
                    self._tick()
            finally:
                process.kill()
                process.wait()
            stderr.write(f"exit code {process.returncode}\n".encode())
        return process.returncode
