"""The part of a step's log tree that the agent writes (spec section 6): who died of what, error records, and where user
code's output goes. Everything is appended; nothing here may stop a step."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

log = logging.getLogger("prs_agent.logs")


class StepLogs:
    """Paths below STEP/logs for one node, and the agent's own lines in them."""

    def __init__(self, root: Path, node: int) -> None:
        """`root` is STEP/logs; the folders that user code writes to are made now."""
        name = str(node)
        self.root = root
        self.stdout_dir = root / "user" / "stdout" / name
        self.stderr_dir = root / "user" / "stderr" / name
        self.entry_script_log_dir = root / "user" / "entry_script_log" / name
        self.user_error_dir = root / "user" / "error" / name
        self.node_dir = root / "sys" / "node" / name
        self.error_dir = root / "sys" / "error" / name
        self.perf_dir = root / "sys" / "perf" / name
        for folder in (self.stdout_dir, self.stderr_dir, self.node_dir):
            folder.mkdir(parents=True, exist_ok=True)

    def stdout(self, worker: str) -> Path:
        return self.stdout_dir / f"{worker}.stdout.txt"

    def stderr(self, worker: str) -> Path:
        return self.stderr_dir / f"{worker}.stderr.txt"

    def node(self, message: str, level: str = "INFO") -> None:
        """A line in the node's `_main.txt`."""
        _append(self.node_dir / "_main.txt", _line(message, level))

    def worker(self, worker: str, message: str, level: str = "INFO") -> None:
        """A line in the worker's own file; also in `_main.txt`, where the order of all workers can be seen."""
        line = _line(f"{worker} {message}", level)
        _append(self.node_dir / "_main.txt", line)
        _append(self.node_dir / f"{worker}.txt", line)

    def error(self, worker: str, record: dict[str, object]) -> None:
        """An error record as one JSON line. (The host writes the user's stack trace to `user_error_dir` itself.)"""
        stamped = {"time": datetime.now(UTC).isoformat(), "agent": worker, **record}
        _append(self.error_dir / f"{worker}.txt", json.dumps(stamped) + "\n")


def _line(message: str, level: str) -> str:
    """The system log's format: time with milliseconds, level, pid, thread id, message; one line whatever the message is."""
    now = time.time()
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(now))
    text = message.replace("\r", "\\r").replace("\n", "\\n")
    return f"{stamp},{int(now * 1000) % 1000:03d}|{level}|{os.getpid()}|{threading.get_ident()}|{text}\n"


def _append(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
    except OSError as error:
        log.warning("cannot write the log file %s: %s", path, error)
