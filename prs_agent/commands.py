"""Command steps: one shell command, run once by `/bin/bash -c`, whose outputs appear only when it has succeeded.

Each output is redirected into an attempt folder beside its place, `.prs-<token>-<name>`, and takes that place by renames
when the command has ended with exit code 0. A failed attempt leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from prs_agent.arguments import substitute
from prs_agent.ledger.events import AttemptFailed, Event, RangeFinished
from prs_agent.ledger.vocabulary import Failure, Lease, Results, worker_name
from prs_agent.processes import Spawner, SpawnError, SpawnRequest
from prs_agent.step_site import Preparation, Site, StepBrokenError
from prsd.base.columns import Column

Post = Callable[[Event], None]

_LAST_LINES = 20


class CommandFailedError(Exception):
    """The command did not succeed; `kind` is that of the protocol's Failure, `tail` the last lines of its stderr."""

    def __init__(self, kind: str, message: str, tail: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        self.tail = tail


class Redirection:
    """Where an output is written before it is published."""

    def __init__(self, target: Path, name: str, token: int, is_file: bool) -> None:
        self.target = target
        self.folder = target.parent / f".prs-{token}-{name}"
        self.path = self.folder / target.name if is_file else self.folder
        self._is_file = is_file

    def create(self) -> None:
        """An empty folder; what an earlier life of this attempt left is removed."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)

    def publish(self) -> None:
        """Puts what was written in place of what is there. A file that was not written leaves its place as it is."""
        if self._is_file:
            if self.path.is_dir():
                raise CommandFailedError("output", f"the command made a folder of {self.target}, which is a uri_file")
            if self.path.exists():
                self.path.replace(self.target)
            self.discard()
            return
        replaced = self.folder.with_name(self.folder.name + ".replaced")
        if self.target.exists():
            self.target.rename(replaced)
        self.folder.rename(self.target)
        shutil.rmtree(replaced, ignore_errors=True)

    def discard(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


async def run_command(lease: Lease, site: Site, spawner: Spawner, post: Post) -> None:
    """Carries out the attempt and posts its result or its failure."""
    started_at, began = time.time(), time.monotonic()

    def run_us() -> int:
        return int((time.monotonic() - began) * 1e6)

    try:
        preparation = await site.prepared()
        redirections = await asyncio.to_thread(_redirect, preparation, site, lease.token)
        try:
            await _execute(lease, site, preparation, redirections, spawner)
            await asyncio.to_thread(_publish, redirections)
        finally:
            await asyncio.to_thread(_discard, redirections)
    except StepBrokenError as error:
        failed = CommandFailedError(error.error.kind, str(error), error.error.traceback)
        post(_failure(lease, failed, started_at, run_us(), error.error.permanent))
    except CommandFailedError as error:
        site.logs.node(f"the command failed: {error}", "ERROR")
        site.logs.error(worker_name(0), {"task_id": 0, "method": "command", "message": str(error), "traceback": error.tail})
        post(_failure(lease, error, started_at, run_us()))
    except (OSError, SpawnError) as error:
        post(_failure(lease, CommandFailedError("output", str(error)), started_at, run_us()))
    else:
        site.logs.node("the command has succeeded")
        post(RangeFinished(None, _success(lease, started_at, run_us())))


def _redirect(preparation: Preparation, site: Site, token: int) -> dict[str, Redirection]:
    redirections = {
        each.name: Redirection(Path(preparation.outputs[each.name]), each.name, token, each.type == "uri_file")
        for each in site.definition.outputs
    }
    for each in redirections.values():
        each.create()
    return redirections


def _publish(redirections: dict[str, Redirection]) -> None:
    for each in redirections.values():
        each.publish()


def _discard(redirections: dict[str, Redirection]) -> None:
    for each in redirections.values():
        each.discard()


async def _execute(
    lease: Lease, site: Site, preparation: Preparation, redirections: dict[str, Redirection], spawner: Spawner
) -> None:
    """Runs the command to its end; CommandFailedError unless it ended with exit code 0 in time."""
    values = {f"outputs.{name}": str(each.path) for name, each in redirections.items()}
    text = substitute(preparation.command, values)
    work = await asyncio.to_thread(_working_folder, site, preparation, lease.token)
    user_logs = site.logs.root / "user"
    user_logs.mkdir(parents=True, exist_ok=True)
    stdout, stderr = user_logs / "std_log_0.txt", user_logs / "std_err_0.txt"
    before_bytes = stderr.stat().st_size if stderr.exists() else 0
    process = await spawner.spawn(SpawnRequest(["/bin/bash", "-c", text], site.environment(), work, stdout, stderr))
    site.logs.node(f"command started as pid {process.pid}")
    limit_s = site.definition.run_timeout_s
    try:
        async with asyncio.timeout(limit_s if limit_s > 0 else None):
            returncode = (await process.exited()).returncode
    except TimeoutError:
        process.kill()
        await process.exited()
        raise CommandFailedError(
            "timeout", f"the command did not end within {limit_s:g} seconds", _tail(stderr, before_bytes)
        ) from None
    except asyncio.CancelledError:
        process.kill()
        await process.exited()
        raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
    site.logs.node(f"command exits with returncode {returncode}")
    if returncode != 0:
        what = f"was killed by signal {-returncode}" if returncode < 0 else f"ended with exit code {returncode}"
        raise CommandFailedError("exception", f"command {what}", _tail(stderr, before_bytes))


def _working_folder(site: Site, preparation: Preparation, token: int) -> Path:
    """A copy of the code folder: commands write into their working directory, and the snapshot must not change."""
    work = site.scratch / f"command-{token}"
    shutil.rmtree(work, ignore_errors=True)
    if site.definition.snapshot:
        shutil.copytree(preparation.code_root, work, symlinks=True)
    else:
        work.mkdir(parents=True)
    return work


def _tail(path: Path, from_byte: int) -> str:
    """The last lines that this attempt wrote."""
    try:
        with path.open("rb") as file:
            file.seek(max(from_byte, file.seek(0, os.SEEK_END) - 16_384))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return "\n".join(deque(text.splitlines(), _LAST_LINES))


def _success(lease: Lease, started_at: float, run_us: int) -> Results:
    one = Column.repeat(1, 1).to_bytes()
    return Results(
        step=lease.step,
        token=lease.token,
        first=lease.first,
        count=1,
        items_total=one,
        items_succeeded=one,
        run_us=Column.repeat(run_us, 1).to_bytes(),
        started_at=started_at,
        worker=worker_name(0),
        attempt=lease.attempt,
    )


def _failure(
    lease: Lease, error: CommandFailedError, started_at: float, run_us: int, permanent: bool = False
) -> AttemptFailed:
    return AttemptFailed(
        None,
        Failure(
            step=lease.step,
            token=lease.token,
            phase=lease.phase,
            index=lease.first,
            kind=error.kind,
            message=str(error),
            traceback=error.tail,
            started_at=started_at,
            run_us=run_us,
            worker=worker_name(0),
            items_total=1,
            attempt=lease.attempt,
            permanent=permanent,
        ),
    )
