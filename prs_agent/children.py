"""What the spawner does to processes: start one, see which processes belong to a worker, signal them, reap them.

Standard library only, and no other module of ours: the spawner loads this file by its path, in an interpreter that has
neither our packages nor site-packages. The agent imports it too, to end what a killed spawner left behind.

Who belongs to a worker? Everything below it by parent. When a parent ends, its children become the spawner's, which is
their subreaper; such an orphan is told by its session (each worker leads its own), by the session of another process
that is known to belong, by having been seen below the worker before, or by the variable `PRS_WORKER` in the environment
that it was started with. An orphan that hid all of that belongs to the last worker that is left.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, NoReturn

WORKER_VARIABLE = "PRS_WORKER"
"""Set in every worker to its id."""

DESCRIPTORS_VARIABLE = "PRS_HOST_FDS"
"""Set in a worker that was given descriptors to their numbers there, in the order of the request: `"5,7"`."""

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_UMASK = 0o022
_OOM_SCORE = "500"
_libc = ctypes.CDLL(None, use_errno=True)


class Launch(NamedTuple):
    """What to execute. The output files are opened for appending, their folders made; the environment is complete."""

    worker: str
    argv: list[str]
    env: dict[str, str]
    cwd: str
    stdout: str
    stderr: str
    descriptors: list[int]


class Process(NamedTuple):
    """One line of the process table."""

    pid: int
    parent: int
    group: int
    session: int
    is_zombie: bool
    started: int


class Tree(NamedTuple):
    """A worker as `divide_by_owner` needs it: `pid` leads its session, `seen` maps pids of former looks to start times."""

    worker: str
    pid: int
    is_reaped: bool
    seen: Mapping[int, int]


def become_subreaper() -> None:
    """Make orphans below this process its children; OSError where the kernel refuses."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def launch(what: Launch) -> tuple[int, int]:
    """Fork and execute. Returns the pid, and a descriptor that says how it went: it ends without a byte once the program
    has been executed, or after one error text. OSError when there can be no further process."""
    parent = os.getpid()
    report_read, report_write = os.pipe()
    try:
        pid = os.fork()
    except OSError:
        os.close(report_read)
        os.close(report_write)
        raise
    if pid == 0:
        _become(what, parent, report_write)
    os.close(report_write)
    return pid, report_read


def _become(what: Launch, parent: int, report: int) -> NoReturn:
    """The child's side of `launch`: never returns, and tells `report` why it could not execute."""
    try:
        _leave_spawner(parent)
        _open_streams(what)
        os.chdir(what.cwd)
        environment = {**what.env, WORKER_VARIABLE: what.worker}
        for descriptor in what.descriptors:
            os.set_inheritable(descriptor, True)
        if what.descriptors:
            environment[DESCRIPTORS_VARIABLE] = ",".join(str(descriptor) for descriptor in what.descriptors)
        os.execvpe(what.argv[0], what.argv, environment)
    except BaseException as error:
        os.write(report, f"{what.argv[:1]}: {error}".encode("utf-8", "backslashreplace")[:4096])
    os._exit(127)


def _leave_spawner(parent: int) -> None:
    """Own session, default signals, no core files, dies with the spawner, and goes first when memory runs out."""
    os.setsid()
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)
    signal.set_wakeup_fd(-1)
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(ignored, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.umask(_UMASK)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        with open("/proc/self/oom_score_adj", "w") as score:  # noqa: PTH123  (pathlib would double the start-up time)
            score.write(_OOM_SCORE)
    except OSError:
        pass  # The kernel may forbid it to a confined agent; then the worker is as likely a victim as everyone else.


def _open_streams(what: Launch) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    for target, path in ((1, what.stdout), (2, what.stderr)):
        os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120
        stream = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        os.dup2(stream, target)


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl({option}): {os.strerror(number)}")


def reap(limit: int) -> Iterator[tuple[int, int, resource.struct_rusage]]:
    """At most `limit` children that have ended: pid, return code (negative: the signal) and what each has used."""
    for _ in range(limit):
        try:
            pid, wait_code, usage = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        yield pid, os.waitstatus_to_exitcode(wait_code), usage


def process_table() -> dict[int, Process]:
    """Every process that this one can see, by pid."""
    table = {}
    for name in os.listdir("/proc"):  # noqa: PTH208
        if name.isdigit() and (process := _read_process(name)) is not None:
            table[process.pid] = process
    return table


def _read_process(name: str) -> Process | None:
    content = _content(f"/proc/{name}/stat")
    # The second field is the program's name in parentheses, and may itself hold parentheses and spaces.
    fields = content[content.rfind(b")") + 2 :].split()
    if len(fields) < 20:
        return None
    return Process(int(name), int(fields[1]), int(fields[2]), int(fields[3]), fields[0] == b"Z", int(fields[19]))


def worker_of_environment(pid: int) -> str | None:
    """The id of the worker that this process was started under, as its environment says; None when it does not say."""
    marker = f"{WORKER_VARIABLE}=".encode()
    for variable in _content(f"/proc/{pid}/environ").split(b"\0"):
        if variable.startswith(marker):
            return variable[len(marker) :].decode("utf-8", "replace")
    return None


def _content(path: str) -> bytes:
    """What the file of /proc holds; nothing when the process has ended or is not ours to look at."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        chunks = []
        while chunk := os.read(descriptor, 1 << 16):
            chunks.append(chunk)
        return b"".join(chunks)
    except OSError:
        return b""
    finally:
        os.close(descriptor)


def divide_by_owner(
    table: Mapping[int, Process],
    top: int,
    trees: Sequence[Tree],
    marker_of: Callable[[int], str | None] = worker_of_environment,
) -> dict[str, list[Process]]:
    """The processes below `top`, by the worker that they belong to (see the module). Others are never looked at."""
    owners = {tree.pid: tree.worker for tree in trees if not tree.is_reaped}
    sessions = {tree.pid: tree.worker for tree in trees if tree.is_reaped}
    sessions.update(owners)
    seen = {(pid, started): tree.worker for tree in trees for pid, started in tree.seen.items()}
    lines = below(table, top)
    known = {tree.worker for tree in trees}
    # Every line from `top` down to a process starts with a child of `top`: a worker or an adopted orphan.
    for child in {line[-1] for line in lines.values()} - owners.keys():
        process = table[child]
        owner = sessions.get(process.session) or seen.get((process.pid, process.started)) or marker_of(child)
        if owner in known:
            owners[child] = owner
    _claim_by_session(table, top, lines, owners)
    if len(known) == 1:
        owners.update({line[-1]: next(iter(known)) for line in lines.values() if line[-1] not in owners})
    belonging: dict[str, list[Process]] = {tree.worker: [] for tree in trees}
    for pid, line in lines.items():
        if (owner := owners.get(line[-1])) is not None:
            belonging[owner].append(table[pid])
    return belonging


def below(table: Mapping[int, Process], top: int) -> dict[int, list[int]]:
    """Every process below `top`: its pid, with the line of pids from itself up to the child of `top` that it comes from."""
    return {pid: line for pid in table if (line := _line_to(table, top, pid))}


def _line_to(table: Mapping[int, Process], top: int, pid: int) -> list[int]:
    """From `pid` upwards to the child of `top` above it; empty when `pid` is not below `top`."""
    line: list[int] = []
    # A table is read while it changes: a recycled pid may close a circle, which the bound ends.
    while pid in table and len(line) <= len(table):
        line.append(pid)
        if table[pid].parent == top:
            return line
        pid = table[pid].parent
    return []


def _claim_by_session(
    table: Mapping[int, Process], top: int, lines: Mapping[int, list[int]], owners: dict[int, str]
) -> None:
    """An unclaimed orphan belongs to whom its session belongs. One look is enough: nobody can enter a foreign session."""
    of_session = {table[pid].session: owners[line[-1]] for pid, line in lines.items() if line[-1] in owners}
    of_session.pop(table[top].session, None)
    for orphan in {line[-1] for line in lines.values()} - owners.keys():
        if (owner := of_session.get(table[orphan].session)) is not None:
            owners[orphan] = owner


def send(number: int, processes: Iterable[Process]) -> None:
    """Signal whole process groups, because that is atomic against forks; singly who is in a group with ourselves."""
    own_session = os.getsid(0)
    groups = set()
    for process in processes:
        if process.session == own_session:
            _signal(os.kill, process.pid, number)
        else:
            groups.add(process.group)
    for group in groups:
        _signal(os.killpg, group, number)


def _signal(deliver: Callable[[int, int], None], target: int, number: int) -> None:
    # It may be gone already; or run as another user (a setuid program), which its parent's end must end.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        deliver(target, number)


def left_of(workers: Mapping[int, str]) -> list[Process]:
    """What still runs of workers (pid to id) whose spawner is dead, wherever the kernel has put it: told by session and by
    environment. For the agent."""
    markers: Collection[str] = set(workers.values())
    table = process_table()
    marked = {pid for pid, process in table.items() if process.session in workers or worker_of_environment(pid) in markers}
    sessions = {table[pid].session for pid in marked} - {os.getsid(0)}
    return [process for process in table.values() if process.session in sessions and not process.is_zombie]
