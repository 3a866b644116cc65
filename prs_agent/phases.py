"""Divide and commit attempts: each in a helper process of our own interpreter, never in the agent's loop.

The helper gets one job and answers with frames of one letter and a JSON body; see `prs_agent.division` and
`prs_agent.outputs` for what they say. When it dies before it has answered, the attempt has failed and may be repeated.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import struct
import sys
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from prs_agent.arguments import DEFAULT_ROW_FILE
from prs_agent.channel import Channel
from prs_agent.inputs import InputMissingError, resolve_outputs
from prs_agent.ledger.events import AttemptFailed, CommitFinished, DivisionAdvanced, Event
from prs_agent.ledger.vocabulary import CommitDone, DivisionProgress, Failure, Lease, ManifestPart
from prs_agent.notices import collected
from prs_agent.processes import Child, Spawner, SpawnRequest
from prs_agent.step_site import Site
from prsd.v1 import agents_pb2 as pb

log = logging.getLogger("prs_agent.phases")

_LENGTH = struct.Struct("<I")
_MAX_FRAME_BYTES = 256 * 1024 * 1024
_UNITS = {
    pb.Division.UNIT_PLAIN: "plain",
    pb.Division.UNIT_BYTES: "bytes",
    pb.Division.UNIT_ROWS: "rows",
}

CommitPlan = Callable[[Lease], AsyncIterator[Sequence[pb.CommitRange]]]
Post = Callable[[Event], None]


class HelperFailedError(Exception):
    """A helper process said what went wrong, or said nothing and died."""

    def __init__(self, kind: str, message: str, traceback: str = "", permanent: bool = False) -> None:
        super().__init__(message)
        self.kind = kind
        self.traceback = traceback
        self.permanent = permanent


class Helper:
    """One helper process and what it says."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._frames: asyncio.Queue[tuple[str, Any] | None] = asyncio.Queue()
        self._channel: Channel | None = None
        self._process: Child | None = None
        self._module = ""

    async def start(self, spawner: Spawner, module: str, log_path: Path, environment: dict[str, str]) -> None:
        """Runs `python -m module`; what it prints goes to `log_path`."""
        self._module = module
        self._channel, theirs = await Channel.open(self._on_bytes)
        sources = Path(__file__).parent.parent
        request = SpawnRequest(
            argv=[sys.executable, "-m", module],
            env=environment | {"PYTHONPATH": str(sources)},
            cwd=sources,
            stdout_path=log_path,
            stderr_path=log_path,
            descriptors=theirs,
        )
        try:
            self._process = await spawner.spawn(request)
        finally:
            for number in theirs:
                os.close(number)
        self._waiting = asyncio.create_task(self._wait(self._process, self._channel), name=f"end of {module}")

    async def _wait(self, process: Child, channel: Channel) -> int:
        ending = await process.exited()
        await channel.ended(2.0)
        self._frames.put_nowait(None)
        return ending.returncode

    def send(self, tag: str, body: object) -> None:
        assert self._channel is not None
        data = json.dumps(body).encode("ascii") if body is not None else b""
        self._channel.send(_LENGTH.pack(len(data) + 1) + tag.encode() + data)

    async def receive(self) -> tuple[str, Any]:
        """The next frame; HelperFailedError for an "x", or when the process ended without a last word."""
        frame = await self._frames.get()
        if frame is None:
            raise HelperFailedError("worker died", f"{self._module} exited with returncode {await self._waiting}")
        tag, body = frame
        if tag == "x":
            raise HelperFailedError(
                body.get("kind", "exception"),
                body.get("message", ""),
                body.get("traceback", ""),
                bool(body.get("permanent")),
            )
        return tag, body

    def _on_bytes(self, data: bytes) -> None:
        self._received += data
        while len(self._received) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._received)
            if not 1 <= length <= _MAX_FRAME_BYTES:
                self._frames.put_nowait(
                    ("x", {"kind": "channel", "message": f"{self._module} sent a frame of {length} bytes"})
                )
                self.kill()
                return
            if len(self._received) < _LENGTH.size + length:
                return
            body = bytes(self._received[_LENGTH.size + 1 : _LENGTH.size + length])
            self._frames.put_nowait((chr(self._received[_LENGTH.size]), json.loads(body) if body else None))
            del self._received[: _LENGTH.size + length]

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()

    async def close(self) -> None:
        """Kills it if it still runs, and waits until it is gone."""
        self.kill()
        if self._process is not None:
            await self._waiting
        if self._channel is not None:
            self._channel.close()


async def divide(lease: Lease, site: Site, spawner: Spawner, post: Post) -> None:
    """Carries out a divide attempt: parts are reported as they come."""

    async def attempt(helper: Helper) -> None:
        divided, path = await site.divided_input()
        helper.send("J", _divide_job(lease, site, divided, path))
        while True:
            tag, body = await helper.receive()
            if tag == "p":
                post(DivisionAdvanced(DivisionProgress(lease.step, lease.token, (ManifestPart(**body),), False)))
            elif tag == "e":
                notices = tuple(body.get("notices") or ())
                post(DivisionAdvanced(DivisionProgress(lease.step, lease.token, (), True, notices)))
                return

    await _carry_out(lease, site, spawner, post, "prs_agent.division", attempt)


async def commit(lease: Lease, site: Site, spawner: Spawner, post: Post, plan: CommitPlan) -> None:
    """Carries out a commit attempt: the plan goes to the helper in chunks, as the daemon streams it."""

    async def attempt(helper: Helper) -> None:
        await _send_commit(lease, site, helper, plan)
        while True:
            tag, body = await helper.receive()
            if tag == "e":
                noted = await asyncio.to_thread(collected, site.attempts_dir)
                post(CommitFinished(_commit_done(lease, body, noted)))
                return

    await _carry_out(lease, site, spawner, post, "prs_agent.outputs", attempt)


async def _carry_out(  # noqa: PLR0917
    lease: Lease, site: Site, spawner: Spawner, post: Post, module: str, attempt: Callable[[Helper], Awaitable[None]]
) -> None:
    """One attempt; whatever goes wrong with it is reported as its failure."""
    started_at = time.time()
    helper = Helper()
    try:
        await helper.start(spawner, module, site.logs.node_dir / f"{lease.phase.value}.txt", site.environment())
        site.logs.node(f"{lease.phase.value} attempt {lease.attempt} started")
        await attempt(helper)
        site.logs.node(f"{lease.phase.value} attempt {lease.attempt} ended")
    except HelperFailedError as error:
        post(_failed(lease, site, started_at, error))
    except InputMissingError as error:
        post(_failed(lease, site, started_at, HelperFailedError("input", str(error), permanent=True)))
    except Exception as error:
        log.exception("%s attempt of %s", lease.phase.value, lease.step)
        post(_failed(lease, site, started_at, HelperFailedError("exception", f"{type(error).__name__}: {error}")))
    finally:
        await helper.close()


def _failed(lease: Lease, site: Site, started_at: float, error: HelperFailedError) -> AttemptFailed:
    site.logs.node(f"{lease.phase.value} attempt {lease.attempt} failed: {error}", "ERROR")
    failure = Failure(
        step=lease.step,
        token=lease.token,
        phase=lease.phase,
        index=lease.first,
        kind=error.kind,
        message=str(error),
        traceback=error.traceback[-16_384:],
        started_at=started_at,
        run_us=int((time.time() - started_at) * 1e6),
        attempt=lease.attempt,
        permanent=error.permanent,
    )
    return AttemptFailed(None, failure)


def _divide_job(lease: Lease, site: Site, divided: pb.Input, path: str) -> dict[str, object]:
    division = site.definition.division
    return {
        "storage": str(site.storage),
        "token": lease.token,
        "input": {"type": divided.type, "mode": divided.mode, "path": path},
        "division": {
            "unit": _UNITS.get(division.unit, "default"),
            "size": division.size,
            "partition_keys": list(division.partition_keys),
            "infer_schema": division.infer_schema or "sample",
            "strict_types": division.strict_types,
        },
        "recorded_parts": [
            {"name": p.name, "first": p.first, "count": p.count, "items": p.items, "digest": p.digest} for p in lease.parts
        ],
    }


async def _send_commit(lease: Lease, site: Site, helper: Helper, plan: CommitPlan) -> None:
    append = site.definition.append_row
    job = {
        "storage": str(site.storage),
        "token": lease.token,
        "publish": lease.publish,
        "target": await asyncio.to_thread(_target, site.definition),
        "append_row": {"format": append.format or "text", "dataframe_header": append.dataframe_header},
    }
    helper.send("J", job)
    async for chunk in plan(lease):
        helper.send("P", {"ranges": [_plan_range(each) for each in chunk]})
    helper.send("E", None)


def _target(definition: pb.StepDefinition) -> str:
    """The file that the rows are published as; empty when the step appends none (spec section 5.1)."""
    append = definition.append_row
    output = next((each for each in definition.outputs if each.name == append.output), None)
    if output is None:
        return ""
    path = resolve_outputs(definition)[output.name]
    return path if output.type == "uri_file" else str(Path(path) / (append.file_name or DEFAULT_ROW_FILE))


def _plan_range(found: pb.CommitRange) -> dict[str, object]:
    described: dict[str, object] = {"first": found.first, "count": found.count}
    if found.HasField("block"):
        block = found.block
        described["block_first"] = found.block_first
        described["block"] = {
            "segment": block.segment,
            "offset": block.offset,
            "crc32": block.crc32,
            "lengths_b64": b64encode(block.lengths).decode("ascii"),
        }
    return described


def _commit_done(lease: Lease, body: dict[str, Any], noted: tuple[str, ...]) -> CommitDone:
    return CommitDone(
        lease.step,
        lease.token,
        int(body.get("size_bytes", 0)),
        str(body.get("digest", "")),
        int(body.get("rows", 0)),
        (*(body.get("notices") or ()), *noted),
    )
