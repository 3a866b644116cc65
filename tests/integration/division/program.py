"""Starts a helper program of ours as the agent does: a channel on two inherited descriptors, JSON frames."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from threading import Thread
from typing import Any, NamedTuple

_LENGTH = struct.Struct("<I")
Frame = tuple[bytes, Any]


class Outcome(NamedTuple):
    """What the program answered, its exit code, and what it printed."""

    frames: list[Frame]
    exit_code: int
    printed: str

    def last(self) -> Frame:
        """The last word."""
        return self.frames[-1]


def run_program(module: str, frames: Iterable[Frame], before: tuple[str, ...] = ()) -> Outcome:
    """Run the program to its end; `before` is a command that runs it, such as strace with its options."""
    to_read, to_write = os.pipe()
    from_read, from_write = os.pipe()
    process = subprocess.Popen(
        [*before, sys.executable, "-m", module],
        pass_fds=(to_read, from_write),
        env={**os.environ, "PRS_HOST_FDS": f"{to_read},{from_write}"},
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(to_read)
    os.close(from_write)
    feeding = Thread(target=_feed, args=(to_write, frames))
    feeding.start()
    with os.fdopen(from_read, "rb") as answers:
        found = list(_frames(answers.read()))
    feeding.join()
    _, printed = process.communicate(timeout=60)
    return Outcome(found, process.returncode, printed)


def _feed(descriptor: int, frames: Iterable[Frame]) -> None:
    with suppress(BrokenPipeError), os.fdopen(descriptor, "wb") as file:
        for kind, body in frames:
            data = b"" if body is None else json.dumps(body).encode("ascii")
            file.write(_LENGTH.pack(len(data) + 1) + kind + data)


def _frames(data: bytes) -> Iterable[Frame]:
    while len(data) >= _LENGTH.size:
        (length,) = _LENGTH.unpack_from(data)
        yield data[4:5], json.loads(data[5 : 4 + length])
        data = data[4 + length :]
