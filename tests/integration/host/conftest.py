"""The real host as a process of its own, driven by frames over two pipes as an agent drives it."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

import prs_agent.host
from prs_agent.host import slot
from prs_agent.host.frames import FROM_WORKER, Close, Frame, FrameDecoder, Ready, Results, Run, Start, StartFailed, encode
from prsd.base.columns import Column

MAIN = Path(prs_agent.host.__file__).with_name("__main__.py")
DEADLINE_S = 20.0
F = TypeVar("F", bound=Frame)


class HostProcess:
    """A worker process; `frames` is everything it has said."""

    def __init__(self, folder: Path, start: Start, python: str, environment: dict[str, str] | None = None) -> None:
        self.folder = folder
        self.frames: list[Frame] = []
        slot.create(start.slot_path)
        self.slot = slot.SlotReader(start.slot_path)
        host_reads, self._to_host = os.pipe()
        self.from_host, host_writes = os.pipe()
        self._decoder = FrameDecoder(FROM_WORKER)
        self._is_over = False
        variables = {**os.environ, "PRS_HOST_FDS": f"{host_reads},{host_writes}", **(environment or {})}
        variables.pop("PYTHONPATH", None)
        with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as err:
            self.process = subprocess.Popen(
                [python, str(MAIN)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=variables,
                cwd="/",
                pass_fds=(host_reads, host_writes),
            )
        os.close(host_reads)
        os.close(host_writes)
        self.send(start)

    @property
    def stdout(self) -> str:
        return (self.folder / "stdout").read_text()

    @property
    def stderr(self) -> str:
        return (self.folder / "stderr").read_text()

    def send(self, *frames: Frame) -> None:
        data = b"".join(encode(frame) for frame in frames)
        while data:
            data = data[os.write(self._to_host, data) :]

    def run(self, first: int, count: int = 1, *, token: int = 7, attempt: int = 1, part: str = "") -> None:
        self.send(Run(token, first, count, attempt, part))

    def wait_for(self, kind: type[F], condition: Callable[[list[F]], bool] = bool) -> list[F]:
        """All frames of that kind, once there are any that satisfy the condition; fails at the deadline or the end."""
        deadline = time.monotonic() + DEADLINE_S
        while True:
            found: list[F] = [frame for frame in self.frames if isinstance(frame, kind)]
            if condition(found):
                return found
            assert not self._is_over, f"the host has ended without {kind.__name__}: {self.frames}\n{self.stderr}"
            assert time.monotonic() < deadline, f"no {kind.__name__} in time: {self.frames}\n{self.stderr}"
            self._receive(deadline)

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Polls, because what it waits for is no frame."""
        deadline = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < deadline, f"not in time: {self.frames}\n{self.stderr}"
            self._receive(time.monotonic() + 0.01)

    def results_of(self, count: int) -> list[Results]:
        """Results frames, once they cover `count` mini-batches."""
        return self.wait_for(Results, lambda found: sum(each.count for each in found) >= count)

    def start_up(self) -> Ready:
        self.wait_until(lambda: self._is_over or any(isinstance(each, (Ready, StartFailed)) for each in self.frames))
        return self.wait_for(Ready)[0]

    def end(self) -> int:
        """Receives to the end of the stream; the exit code."""
        deadline = time.monotonic() + DEADLINE_S
        while not self._is_over:
            assert time.monotonic() < deadline, f"the host does not end: {self.frames}\n{self.stderr}"
            self._receive(deadline)
        return self.process.wait(DEADLINE_S)

    def close(self) -> int:
        self.send(Close())
        return self.end()

    def _receive(self, until: float) -> None:
        if select.select([self.from_host], [], [], max(0.0, until - time.monotonic()))[0]:
            data = os.read(self.from_host, 1 << 20)
            self._is_over = not data
            self.frames += self._decoder.feed(data)

    def dispose(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._to_host)
        os.close(self.from_host)
        self.slot.close()


def payloads(results: Results) -> list[bytes]:
    """The payload of each mini-batch."""
    found, position = [], 0
    for length in Column.from_bytes(results.lengths, results.count):
        found.append(results.payload[position : position + length])
        position += length
    return found


StartHost = Callable[..., HostProcess]


@pytest.fixture
def start_host(tmp_path: Path) -> Iterator[StartHost]:
    """Starts a host on the source of an entry script; keywords are fields of Start."""
    started: list[HostProcess] = []

    def start(
        source: str | None, *, python: str = sys.executable, environment: dict[str, str] | None = None, **fields: object
    ) -> HostProcess:
        code = tmp_path / "code"
        code.mkdir(exist_ok=True)
        name = str(fields.setdefault("entry_script", "score.py"))
        if source is not None:
            path = code / (name if name.endswith(".py") else name.replace(".", "/") + ".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(source))
        settings = Start(
            **{
                "code_root": str(code),
                "slot_path": str(tmp_path / f"slot{len(started)}"),
                "entry_script_log_dir": str(tmp_path / "entry_script_log"),
                "user_error_dir": str(tmp_path / "user_error"),
                "output_dir": str(tmp_path / "out"),
                "manifest_dir": str(tmp_path),
                **fields,
            }  # type: ignore[arg-type]
        )
        host = HostProcess(tmp_path, settings, python, environment)
        started.append(host)
        return host

    yield start
    for host in started:
        host.dispose()
