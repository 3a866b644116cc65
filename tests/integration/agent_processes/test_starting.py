"""Workers are started as asked, and their end is reported."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from prs_agent.processes import Spawner, SpawnError, SpawnRequest
from tests.integration.agent_processes.observing import Run, eventually, processes_below


def _stdout(folder: Path) -> str:
    return (folder / "logs" / "user" / "stdout.txt").read_text()


@pytest.mark.parametrize(
    ("script", "returncode"), [("exit 0", 0), ("exit 3", 3), ("kill -SEGV $$", -11), ("kill -9 $$", -9)]
)
async def test_the_end_is_reported(run: Run, script: str, returncode: int) -> None:
    how = await (await run(script)).exited()
    assert (how.returncode, how.orphans, how.survivors) == (returncode, 0, 0)


async def test_output_is_appended_to_files_whose_folders_are_made(run: Run, tmp_path: Path) -> None:
    for word in ("one", "two"):
        await (await run(f"echo {word}; echo {word} problem >&2")).exited()
    assert _stdout(tmp_path) == "one\ntwo\n"
    assert (tmp_path / "logs" / "user" / "stderr.txt").read_text() == "one problem\ntwo problem\n"


async def test_the_environment_is_what_was_asked_for_and_the_id(run: Run, tmp_path: Path) -> None:
    child = await run("/usr/bin/env", "-u", "PWD", env={"NAME": "a b\nc", "ÜNI": "ö", "PATH": "/bin"})
    await child.exited()
    assert sorted(_stdout(tmp_path).splitlines()) == sorted(
        ["NAME=a b", "c", "ÜNI=ö", "PATH=/bin", f"PRS_WORKER={child.id}"]
    )


async def test_the_program_is_found_by_the_path_of_its_own_environment(run: Run, tmp_path: Path) -> None:
    program = tmp_path / "bin" / "my-program"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho found $1\n")
    program.chmod(0o755)
    await (await run("my-program", "me", env={"PATH": str(program.parent)})).exited()
    assert _stdout(tmp_path) == "found me\n"


async def test_a_worker_starts_clean(run: Run, tmp_path: Path) -> None:
    script = """
    readlink /proc/self/fd/0
    pwd
    umask
    ulimit -c
    grep -E 'Sig(Ign|Blk)' /proc/self/status | cut -f2 | sort -u
    [ $(ps -o sid= -p $$) = $$ ] && echo own session
    """
    await (await run(script)).exited()
    lines = _stdout(tmp_path).splitlines()
    assert lines[:4] == ["/dev/null", str(tmp_path), "0022", "0"]
    assert lines[-1] == "own session"
    # Signals 32 and 33 belong to the C library: make starts its recipes with both ignored, and nobody can change that.
    of_the_c_library = 0b11 << 31
    assert {int(mask, 16) & ~of_the_c_library for mask in lines[4:-1]} == {0}


async def test_descriptors_reach_the_worker(run: Run) -> None:
    to_worker, from_worker = os.pipe(), os.pipe()
    program = (
        "import os; r, w = map(int, os.environ['PRS_HOST_FDS'].split(',')); os.write(w, os.read(r, 100).upper())"
        "; import sys; sys.exit(len(os.listdir('/proc/self/fd')))"
    )
    child = await run(sys.executable, "-c", program, descriptors=(to_worker[0], from_worker[1]))
    for descriptor in (to_worker[0], from_worker[1]):
        os.close(descriptor)
    os.write(to_worker[1], b"hello")
    # Standard streams, the two that were given, and the folder that is being listed.
    assert (await child.exited()).returncode == 6
    assert os.read(from_worker[0], 100) == b"HELLO"
    assert os.read(from_worker[0], 100) == b"", "no other process holds the worker's end"
    for descriptor in (to_worker[1], from_worker[0]):
        os.close(descriptor)


async def test_descriptors_do_not_mix_between_workers(run: Run) -> None:
    async def echo(number: int) -> None:
        read, write = os.pipe()
        child = await run("sh", "-c", f"eval 'echo {number} >&'$PRS_HOST_FDS", descriptors=(write,))
        os.close(write)
        assert (await child.exited()).returncode == 0
        with os.fdopen(read) as answer:
            assert answer.read() == f"{number}\n"

    await asyncio.gather(*(echo(number) for number in range(20)))


async def test_a_large_environment_arrives(run: Run, tmp_path: Path) -> None:
    environment = {f"NAME{number}": "x" * 100_000 for number in range(12)} | {"PATH": os.environ["PATH"]}
    children = [await run("sh", "-c", "echo ${#NAME11}", env=environment) for _ in range(3)]
    for child in children:
        await child.exited()
    assert _stdout(tmp_path) == "100000\n" * 3


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (SpawnRequest(["/nowhere/program"], {}, Path("/"), Path("/dev/null"), Path("/dev/null")), "No such file"),
        (SpawnRequest(["/etc/passwd"], {}, Path("/"), Path("/dev/null"), Path("/dev/null")), "Permission denied"),
        (SpawnRequest(["true"], {"PATH": "/bin"}, Path("/nowhere"), Path("/dev/null"), Path("/dev/null")), "/nowhere"),
        (SpawnRequest(["true"], {"PATH": "/bin"}, Path("/"), Path("/dev/null/x"), Path("/dev/null")), "/dev/null"),
        (SpawnRequest(["a\0b"], {}, Path("/"), Path("/dev/null"), Path("/dev/null")), "null"),
        (SpawnRequest([], {}, Path("/"), Path("/dev/null"), Path("/dev/null")), "."),
    ],
)
async def test_what_cannot_be_executed_is_said(spawner: Spawner, run: Run, request_: SpawnRequest, reason: str) -> None:
    with pytest.raises(SpawnError, match=reason):
        await spawner.spawn(request_)
    assert (await (await run("exit 0")).exited()).returncode == 0


async def test_usage_is_measured(run: Run) -> None:
    program = (
        "data = bytearray(b'x') * (64 << 20); import time; s = time.process_time()\nwhile time.process_time() < s + .2: pass"
    )
    how = await (await run(sys.executable, "-c", program)).exited()
    assert how.user_s + how.system_s >= 0.2
    assert how.max_rss_bytes >= 64 << 20


def _open_descriptors(spawner: Spawner) -> int:
    return len(list(Path(f"/proc/{spawner.pid}/fd").iterdir()))


async def test_two_hundred_in_a_row(run: Run, spawner: Spawner) -> None:
    await (await run("exit 0")).exited()
    open_before = _open_descriptors(spawner)
    for _ in range(200):
        assert (await (await run("/bin/true", "")).exited()).returncode == 0
    assert _open_descriptors(spawner) == open_before


async def test_a_cancelled_spawn_leaves_no_worker(run: Run, spawner: Spawner, tmp_path: Path) -> None:
    await (await run("exit 0")).exited()
    starting = asyncio.ensure_future(run("echo $$ > pids; sleep 1000"))
    await asyncio.sleep(0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    await eventually(lambda: not processes_below(spawner.pid))
