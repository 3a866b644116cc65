"""Runs a fixed job through the real programs and counts, from outside, what it cost."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tests.integration.counts.relay import Relay

BIN = Path(sys.executable).parent
_DEADLINE_S = 60.0
_SYNCS = ("fsync", "fdatasync", "sync_file_range")


@dataclass(frozen=True, slots=True)
class Counts:
    """What a job cost, by name; syncs are missing where strace is not at hand.

    `wall_s` is how long it took: what happens once in a while depends on it.
    """

    wall_s: float
    cost: dict[str, int]

    def per_thousand(self, mini_batches: int) -> str:
        """For people."""
        lines = [f"{name:20} {value * 1000 / mini_batches:,.2f}" for name, value in self.cost.items()]
        return "\n".join([f"{'seconds':20} {self.wall_s:.1f}", *lines])


def count(folder: Path, mini_batches: int, script: str) -> Counts:
    """Starts daemon and agent, runs one job of so many mini-batches without input, and ends everything."""
    daemon_socket, agent_socket = folder / "d.sock", folder / "r.sock"
    started: list[subprocess.Popen[bytes]] = []
    try:
        started.append(_start(folder, "prsd", "--data", folder / "d", "--listen", f"unix:{daemon_socket}"))
        _wait_until(daemon_socket.exists, started[0], "the daemon's socket")
        relay = Relay(agent_socket, daemon_socket)
        options = ("--compute", "local", "--data", folder / "a", "--slots", 2)
        started.append(_start(folder, "prs-agent", "--server", f"unix:{agent_socket}", *options))
        _wait_until(lambda: b"connected to" in (folder / "prs-agent.log").read_bytes(), started[1], "the agent's session")
        daemon, agent = (_traced(process.pid) for process in started)
        before = _reading(folder, relay, daemon, agent)
        began = time.monotonic()
        _submit(folder, daemon_socket, mini_batches, script)
        wall_s = time.monotonic() - began
        cost = {name: now - before[name] for name, now in _reading(folder, relay, daemon, agent).items()}
    finally:
        for process in reversed(started):
            _end(process)
    relay.close()
    return Counts(wall_s, cost | _syncs(folder, "prsd", "daemon_syncs") | _syncs(folder, "prs-agent", "agent_syncs"))


def _start(folder: Path, program: str, *arguments: object) -> subprocess.Popen[bytes]:
    traced = []
    if can_trace():
        options = ("-f", "-c", "--seccomp-bpf", "-e", f"trace={','.join(_SYNCS)}")
        traced = ["strace", *options, "-o", str(folder / f"{program}.syncs")]
    with (folder / f"{program}.log").open("wb") as log:
        command = [*traced, str(BIN / program), *map(str, arguments)]
        return subprocess.Popen(command, stdout=log, stderr=log, env=_environment())


def _end(process: subprocess.Popen[bytes]) -> None:
    """The program ends on SIGTERM; strace, where it is round it, with it."""
    if process.poll() is None:
        os.kill(_traced(process.pid), signal.SIGTERM)
    try:
        process.wait(_DEADLINE_S)
    except subprocess.TimeoutExpired:
        os.kill(_traced(process.pid), signal.SIGKILL)
        process.wait()
        raise


def can_trace() -> bool:
    """Whether strace is there and may trace."""
    if not shutil.which("strace"):
        return False
    probe = ["strace", "-f", "--seccomp-bpf", "-e", "trace=fsync", "-o", os.devnull, "true"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PRS_")}


def _traced(pid: int) -> int:
    """The program under strace, or the process itself."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(children[0]) if Path(f"/proc/{pid}/comm").read_text().strip() == "strace" else pid


def _submit(folder: Path, server: Path, mini_batches: int, script: str) -> None:
    (folder / "code").mkdir()
    (folder / "code" / "entry.py").write_text(script)
    step = {
        "type": "parallel",
        "outputs": {"rows": {"type": "uri_file"}},
        "max_concurrency_per_instance": 2,
        "task": {
            "type": "run_function",
            "code": "./code",
            "entry_script": "entry.py",
            "append_row_to": "${{outputs.rows}}",
            "program_arguments": f"--rank_mini_batch_count {mini_batches}",
        },
    }
    pipeline = folder / "pipeline.yml"
    document = {"type": "pipeline", "settings": {"default_compute": "local"}, "jobs": {"score": step}}
    pipeline.write_text(json.dumps(document))
    command = [str(BIN / "prsctl"), "submit", str(pipeline), "--server", f"unix:{server}", "--wait", "-o", "json"]
    done = subprocess.run(command, capture_output=True, check=False, timeout=2 * _DEADLINE_S, env=_environment())
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout)["steps"][0]["mini_batches"]["succeeded"] == mini_batches


def _reading(folder: Path, relay: Relay, daemon: int, agent: int) -> dict[str, int]:
    """The counters as they stand. Calls are a process's reads and writes."""
    daemon_io, agent_io = _io(daemon), _io(agent)
    return {
        "messages_up": sum(each.messages for each in relay.up),
        "messages_down": sum(each.messages for each in relay.down),
        "bytes_up": sum(each.size_bytes for each in relay.up),
        "bytes_down": sum(each.size_bytes for each in relay.down),
        **_facts(folder),
        "daemon_calls": daemon_io["syscr"] + daemon_io["syscw"],
        "agent_calls": agent_io["syscr"] + agent_io["syscw"],
        "agent_written_bytes": agent_io["wchar"],
    }


def _io(pid: int) -> dict[str, int]:
    fields = (line.split(":") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
    return {name: int(value) for name, value in fields}


def _facts(folder: Path) -> dict[str, int]:
    """`appends`: how often facts were handed to the log; a transaction holds at least one."""
    with closing(sqlite3.connect(f"file:{folder}/d/prsd.db?mode=ro", uri=True)) as database:
        query = "SELECT count(*), count(DISTINCT recorded_at), coalesce(sum(length(body)), 0) FROM facts"
        return dict(zip(("facts", "appends", "log_bytes"), database.execute(query).fetchone(), strict=True))


def _syncs(folder: Path, program: str, name: str) -> dict[str, int]:
    """The calls that strace has counted for the program and its children."""
    path = folder / f"{program}.syncs"
    if not path.exists():
        return {}
    rows = [line.split() for line in path.read_text().splitlines()]
    return {name: sum(int(row[3]) for row in rows if row and row[-1] in _SYNCS)}


def _wait_until(condition: Callable[[], bool], process: subprocess.Popen[bytes], what: str) -> None:
    deadline = time.monotonic() + _DEADLINE_S
    while not condition():
        assert process.poll() is None, f"{what} does not come: its process ended with {process.returncode}"
        assert time.monotonic() < deadline, f"{what} did not come within {_DEADLINE_S:.0f} s"
        time.sleep(0.01)
