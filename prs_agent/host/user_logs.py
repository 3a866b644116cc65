"""Where a worker's words go: print and logging to stdout, failures of user code to the user's error file (section 6)."""

from __future__ import annotations

import io
import logging
import os
import sys
import time

_LINE = "%(asctime)s|%(levelname)s|%(process)d|%(thread)d|%(message)s"


def prepare_streams(logging_level: str) -> None:
    """stdin becomes /dev/null; stdout and stderr take every text, and lines leave at once; the root logger writes to stdout.

    Lines leave at once so that a worker that is killed has said what it said.
    """
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True, errors="backslashreplace")
    destination = logging.StreamHandler(sys.stdout)
    destination.setFormatter(logging.Formatter(_LINE))
    root = logging.getLogger()
    root.addHandler(destination)
    root.setLevel(logging_level)


def flush_streams() -> None:
    """What was printed without a line end; a stream that user code has replaced or closed is left alone."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            pass


class UserErrors:
    """The file of user stack traces; made at the first one. An empty folder: nothing is written."""

    def __init__(self, folder: str, worker: str) -> None:
        self._path = os.path.join(folder, worker + ".txt") if folder else ""

    def write(self, title: str, text: str) -> None:
        """One entry. That it cannot be written is not the mini-batch's fault: it then goes to stderr."""
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
        entry = "%sZ|ERROR|%d|%s\n%s\n" % (when, os.getpid(), title, text.rstrip("\n") + "\n")
        try:
            if not self._path:
                return
            os.makedirs(os.path.dirname(self._path), exist_ok=True)
            with open(self._path, "a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(entry)
        except OSError as error:
            sys.stderr.write("cannot write %s: %s\n%s" % (self._path, error, entry))
