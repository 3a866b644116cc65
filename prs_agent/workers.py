"""The worker processes of one step on this node: started, fed, watched, listened to, ended. The ledger decides, this obeys.

What a worker says arrives as frames; rows are appended to the worker's segment at once and made durable before the report
that refers to them leaves (`make_durable`). Nothing that a worker sends is trusted: what is no frame ends the worker.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from prs_agent.channel import Channel
from prs_agent.host import frames, slot
from prs_agent.ledger.commands import Feed, KillIfRunning
from prs_agent.ledger.events import (
    AttemptFailed,
    Event,
    RangeFinished,
    StepBroken,
    WorkerExited,
    WorkerGaveBack,
    WorkerReady,
    WorkerStartFailed,
)
from prs_agent.ledger.ranges import Range
from prs_agent.ledger.vocabulary import Block, Failure, Phase, Results, StartError, worker_name
from prs_agent.outputs.problems import FatalStorageError, SegmentError
from prs_agent.outputs.segments import SegmentWriter
from prs_agent.patience import FIRST_PAUSE_S, LONGEST_PAUSE_S, passing_reason, patiently
from prs_agent.processes import Child, Spawner, SpawnError, SpawnRequest
from prs_agent.records import Records
from prs_agent.step_site import Preparation, Site, StepBrokenError

log = logging.getLogger("prs_agent.workers")

WATCH_INTERVAL_S = 0.1
# Rows that may lie in segments without being durable before workers are no longer read from.
_UNSYNCED_LIMIT_BYTES = 64 * 1024 * 1024
_CAUSES = ("killed", "timeout", "load timeout")  # every other reason to kill a worker is its own death
_LAST_WORDS_S = 2.0  # how long the channel of a dead worker may stay open: a stray child may hold it

Post = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose segments these are: names never clash, because a boot is never used again."""

    agent: str
    boot: str

    def file_name(self, worker: str, suffix: str) -> str:
        return f"{self.agent}.{self.boot}.{worker}.{suffix}"


class Worker:
    """One worker process."""

    def __init__(self, number: int, gpu: int | None, slot_path: Path, records: Records) -> None:
        self.number = number
        self.name = worker_name(number)
        self.gpu = gpu
        self.slot_path = slot_path
        self.records = records
        self.attempts: dict[int, int] = {}  # token → attempt number of what it was fed
        self.kill_cause = ""
        self.kill_detail = ""
        self.killed = asyncio.Event()
        self.process: Child | None = None
        self.channel: Channel | None = None
        self.slot: slot.SlotReader | None = None
        self.segment: SegmentWriter | None = None
        self.unsent: list[frames.Frame] = []  # what was said to it before it was there
        self.unstored: deque[frames.Results] = deque()  # finished, but there is no room for the rows
        self.storing: asyncio.Task[None] | None = None  # tries again; there is one while `unstored` has something

    def tell(self, frame: frames.Frame) -> None:
        """Sends a frame; a worker that is gone or closing its end does not hear it."""
        if self.channel is None:
            self.unsent.append(frame)
        else:
            self.channel.send(frames.encode(frame))

    def running(self) -> slot.SlotView | None:
        """What its slot says, when that is a mini-batch."""
        view = self.slot.read() if self.slot is not None else None
        return view if view is not None and view.phase in (slot.LOADING, slot.RUNNING) else None


class Workers:
    """All workers of a step on this node."""

    def __init__(  # noqa: PLR0917
        self, site: Site, spawner: Spawner, owner: Owner, python: str, post: Post, fatal: Callable[[BaseException], None]
    ) -> None:
        """`python`: the interpreter that runs the entry script. `fatal` is told when storage fails for good."""
        self._site = site
        self._spawner = spawner
        self._owner = owner
        self._python = python
        self._post = post
        self._workers: dict[int, Worker] = {}
        self._unsynced_bytes = 0
        self._lives: set[asyncio.Task[None]] = set()
        self._fatal = fatal
        self._syncing = asyncio.Lock()  # a segment must not be closed while a thread makes it durable

    # What the ledger commands.

    def start(self, number: int, gpu: int | None) -> None:
        name = worker_name(number)
        attempts_path = self._site.attempts_dir / self._owner.file_name(name, "jsonl")
        records = Records(self._site.logs, attempts_path, name, self._site.node, self._owner.agent)
        worker = Worker(number, gpu, self._site.scratch / f"{self._owner.boot}.{name}.slot", records)
        self._workers[number] = worker
        life = asyncio.create_task(self._live(worker), name=f"{worker.name} of {self._site.step}")
        self._lives.add(life)
        life.add_done_callback(self._lives.discard)

    def feed(self, command: Feed) -> None:
        run = frames.Run(command.token, command.first, command.count, command.attempt, command.part)
        if (worker := self._workers.get(command.worker)) is not None:
            worker.attempts[command.token] = command.attempt
            worker.tell(run)

    def ask_back(self, number: int, token: int) -> None:
        self._tell(number, frames.TakeBack(token))

    def close(self, number: int) -> None:
        worker = self._workers.get(number)
        if worker is not None and worker.process is None:
            self._kill(worker, "killed", "was not needed any more before it had started")
        else:
            self._tell(number, frames.Close())

    def kill(self, number: int) -> None:
        if (worker := self._workers.get(number)) is not None:
            self._kill(worker, "killed", "was killed by the agent")

    def kill_if_running(self, command: KillIfRunning) -> None:
        worker = self._workers.get(command.worker)
        view = worker.running() if worker is not None else None
        if worker is None or view is None or view.token != command.token:
            return
        if any(each.first <= view.index < each.stop for each in command.ranges):
            self._kill(worker, "killed", f"was killed: mini-batch {view.index} was revoked")

    def _tell(self, number: int, frame: frames.Frame) -> None:
        if (worker := self._workers.get(number)) is not None:
            worker.tell(frame)

    def _kill(self, worker: Worker, cause: str, detail: str) -> None:
        if worker.kill_cause:
            return
        worker.kill_cause, worker.kill_detail = cause, detail
        worker.killed.set()
        worker.records.line(detail, "WARNING")
        if worker.process is not None:
            worker.process.kill()

    # Watching: spec section 2.1, timeouts of run() and of the preparation of a mini-batch.

    def watch(self) -> None:
        """Kills workers that are over a limit; called every WATCH_INTERVAL_S."""
        limits = {
            slot.RUNNING: (self._site.definition.run_timeout_s, "timeout", "run() did not finish"),
            slot.LOADING: (self._site.definition.task_overhead_timeout_s, "load timeout", "the mini-batch was not loaded"),
        }
        now = time.monotonic()
        for worker in list(self._workers.values()):
            view = worker.running()
            if view is None:
                continue
            limit_s, cause, what = limits[view.phase]
            if 0 < limit_s < now - view.started:
                self._kill(worker, cause, f"{what} within {limit_s:g} seconds: the worker was killed")

    # A worker's life.

    async def _live(self, worker: Worker) -> None:
        try:
            returncode = await self._serve(worker)
            detail = _exit_detail(worker, returncode)
        except StepBrokenError as error:
            detail, worker.kill_cause = str(error), "killed"
            self._post(StepBroken(self._site.step, error.error))
        except (OSError, SpawnError) as error:
            detail = f"a worker could not be started: {error}"
            worker.records.line(detail, "ERROR")
        await self._end(worker, detail)

    async def _serve(self, worker: Worker) -> int:
        preparation = await _unless_killed(worker, self._prepared(worker))
        if preparation is None:
            return -signal.SIGKILL
        start = self._site.start_frame(preparation, worker.name, str(worker.slot_path))
        worker.slot = slot.SlotReader(str(worker.slot_path))
        worker.process = await self._spawn(worker, start)
        worker.records.line(f"started as pid {worker.process.pid}")
        if worker.kill_cause:
            worker.process.kill()
        assert worker.channel is not None
        listening = asyncio.create_task(self._kill_mute(worker, worker.channel))
        try:
            ending = await worker.process.exited()
        finally:
            listening.cancel()
        returncode = ending.returncode
        await worker.channel.ended(_LAST_WORDS_S)
        worker.records.line(f"exits with returncode {returncode}", "INFO" if returncode == 0 else "ERROR")
        return returncode

    async def _kill_mute(self, worker: Worker, channel: Channel) -> None:
        """A script that closes descriptors which are not its own takes the channel along: no result can ever come of it."""
        await channel.closed()
        await asyncio.sleep(_LAST_WORDS_S)
        if worker.running() is not None:
            self._kill(
                worker, "closed channel", "the worker closed its channel to the agent: it could report nothing any more"
            )

    async def _prepared(self, worker: Worker) -> Preparation:
        preparation = await self._site.prepared()
        await patiently(partial(asyncio.to_thread, slot.create, str(worker.slot_path)), self._site.note_delay)
        return preparation

    async def _spawn(self, worker: Worker, start: frames.Start) -> Child:
        logs = self._site.logs
        environment = self._site.environment()
        if worker.gpu is not None:
            environment["CUDA_VISIBLE_DEVICES"] = str(worker.gpu)
        decoder = frames.FrameDecoder(frames.FROM_WORKER)
        channel, theirs = await Channel.open(lambda data: self._on_bytes(worker, decoder, data))
        request = SpawnRequest(
            argv=[self._python, str(Path(frames.__file__).with_name("__main__.py"))],
            env=environment,
            cwd=Path(start.code_root),
            stdout_path=logs.stdout(worker.name),
            stderr_path=logs.stderr(worker.name),
            descriptors=theirs,
        )
        try:
            process = await self._spawner.spawn(request)
        except BaseException:
            channel.close()
            raise
        finally:
            for number in theirs:
                os.close(number)
        worker.channel = channel
        channel.send(frames.encode(start))
        for frame in worker.unsent:
            channel.send(frames.encode(frame))
        return process

    async def _end(self, worker: Worker, detail: str) -> None:
        view = worker.running()
        run_us = int((time.monotonic() - view.started) * 1e6) if view is not None else 0
        if worker.storing is not None:
            # The ledger gives what was not stored back, as if it had not run.
            worker.storing.cancel()
            worker.unstored.clear()
        async with self._syncing:
            if worker.segment is not None:
                await self._sync([worker.segment])
                worker.segment.close()
                worker.segment = None
        if worker.slot is not None:
            worker.slot.close()
            worker.slot_path.unlink(missing_ok=True)
        if worker.channel is not None:
            worker.channel.close()
        del self._workers[worker.number]
        if view is not None and worker.kill_cause != "killed":
            worker.records.died(view, worker.attempts.get(view.token, 1), run_us, worker.kill_cause, detail)
        worker.records.close()
        self._post(
            WorkerExited(
                self._site.step,
                worker.number,
                detail,
                worker.kill_cause if worker.kill_cause in _CAUSES else "",
                view.token if view is not None else 0,
                view.index if view is not None else None,
                time.time() - run_us / 1e6,
                run_us,
            )
        )

    # What workers say.

    def _on_bytes(self, worker: Worker, decoder: frames.FrameDecoder, data: bytes) -> None:
        try:
            for frame in decoder.feed(data):
                self._on_frame(worker, frame)
        except frames.FrameError as error:
            self._kill(worker, "broken channel", f"the worker sent what is no frame: {error}")
        except FatalStorageError as error:
            self._fatal(error)

    def _on_frame(self, worker: Worker, frame: frames.Frame) -> None:
        match frame:
            case frames.Results():
                self._on_results(worker, frame)
            case frames.Failed():
                self._on_failed(worker, frame)
            case frames.GivenBack():
                given = tuple(Range(first, count) for first, count in frame.ranges)
                self._post(WorkerGaveBack(self._site.step, worker.number, frame.token, given))
            case frames.Ready():
                worker.records.ready(frame)
                self._post(WorkerReady(self._site.step, worker.number))
            case frames.StartFailed():
                self._on_start_failed(worker, frame)
            case frames.Notice():
                worker.records.notice(frame.message)
            case frames.Closed():
                if frame.shutdown_error:
                    worker.records.line(f"shutdown() failed: {frame.shutdown_error}", "ERROR")
            case _:
                raise frames.FrameError(f"a worker does not send {type(frame).__name__}")

    def _on_results(self, worker: Worker, frame: frames.Results) -> None:
        if worker.unstored or not self._take_results(worker, frame):
            worker.unstored.append(frame)
            if worker.storing is None:
                worker.storing = asyncio.create_task(self._store_when_there_is_room(worker))

    async def _store_when_there_is_room(self, worker: Worker) -> None:
        """A full disk is the node's trouble and no mini-batch's: nothing is charged, and the worker waits at its pipe."""
        worker.records.line("waits for room for its rows", "WARNING")
        pause_s = FIRST_PAUSE_S
        while worker.unstored:
            assert worker.channel is not None
            worker.channel.listen(False)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            try:
                while worker.unstored and self._take_results(worker, worker.unstored[0]):
                    worker.unstored.popleft()
            except FatalStorageError as error:
                self._fatal(error)
                return
        worker.storing = None
        self._listen(self._unsynced_bytes < _UNSYNCED_LIMIT_BYTES)

    def _take_results(self, worker: Worker, frame: frames.Results) -> bool:
        """Whether results are done with: stored and reported, or failed. False when they may be stored later."""
        try:
            block = self._store_rows(worker, frame) if frame.payload else None
        except (SegmentError, OSError) as error:
            if passing_reason(error):
                return False
            self._fail_all(worker, frame, str(error))
            return True
        results = Results(
            step=self._site.step,
            token=frame.token,
            first=frame.first,
            count=frame.count,
            items_total=frame.items_total,
            items_succeeded=frame.items_succeeded,
            run_us=frame.run_us,
            block=block,
            empty=frame.empty,
            started_at=frame.started_at,
            worker=worker.name,
            attempt=frame.attempt,
        )
        worker.records.results(frame)
        self._post(RangeFinished(worker.number, results))
        return True

    def _store_rows(self, worker: Worker, frame: frames.Results) -> Block:
        if worker.segment is None:
            worker.segment = SegmentWriter(self._site.segments_dir / self._owner.file_name(worker.name, "seg"))
        written = worker.segment.append(frame.first, frame.token, frame.count, frame.payload)
        self._note_unsynced(len(frame.payload))
        return Block(written.segment, written.offset, frame.lengths, written.crc32)

    def _fail_all(self, worker: Worker, frame: frames.Results, message: str) -> None:
        """Rows that can never be stored here are failures of their mini-batches: they may be repeated elsewhere."""
        for index in range(frame.first, frame.first + frame.count):
            self._on_failed(worker, frames.Failed(frame.token, index, frame.attempt, "output", message))

    def _on_failed(self, worker: Worker, frame: frames.Failed) -> None:
        failure = Failure(
            step=self._site.step,
            token=frame.token,
            phase=Phase.RUN,
            index=frame.index,
            kind=frame.kind,
            message=frame.message,
            traceback=frame.traceback[-16_384:],
            started_at=frame.started_at,
            run_us=frame.run_us,
            worker=worker.name,
            items_total=frame.items_total,
            attempt=frame.attempt,
            permanent=frame.permanent,
        )
        worker.records.failed(frame)
        directive = frame.directive if isinstance(frame.directive, str) else None
        self._post(AttemptFailed(worker.number, failure, directive))

    def _on_start_failed(self, worker: Worker, frame: frames.StartFailed) -> None:
        worker.records.start_failed(frame)
        error = StartError(frame.kind, frame.message, frame.traceback[-16_384:], frame.permanent, worker.name)
        self._post(WorkerStartFailed(self._site.step, worker.number, error))

    # Durability.

    def _note_unsynced(self, size_bytes: int) -> None:
        before, self._unsynced_bytes = self._unsynced_bytes, self._unsynced_bytes + size_bytes
        if before < _UNSYNCED_LIMIT_BYTES <= self._unsynced_bytes:
            self._listen(False)
            catch_up = asyncio.create_task(self.make_durable(None), name=f"sync segments of {self._site.step}")
            self._lives.add(catch_up)
            catch_up.add_done_callback(self._lives.discard)

    def _listen(self, to_workers: bool) -> None:
        for worker in self._workers.values():
            if worker.channel is not None:
                worker.channel.listen(to_workers and not worker.unstored)

    def pids(self) -> dict[str, int]:
        """The worker processes that run now, by name."""
        return {w.name: w.process.pid for w in self._workers.values() if w.process is not None}

    async def make_durable(self, names: Iterable[str] | None) -> None:
        """The segments of these names (None: all) are on disk as far as they are written; those closed before are anyway."""
        wanted = None if names is None else set(names)
        unsynced_bytes = self._unsynced_bytes
        async with self._syncing:
            segments = [w.segment for w in self._workers.values() if w.segment is not None]
            await self._sync([each for each in segments if wanted is None or each.name in wanted])
        if unsynced_bytes >= _UNSYNCED_LIMIT_BYTES:
            self._listen(True)
        self._unsynced_bytes -= unsynced_bytes

    async def _sync(self, segments: list[SegmentWriter]) -> None:
        try:
            await asyncio.to_thread(_sync_all, segments)
        except FatalStorageError as error:
            self._fatal(error)
            raise


def _sync_all(segments: list[SegmentWriter]) -> None:
    for segment in segments:
        segment.sync()


async def _unless_killed(worker: Worker, prepared: Coroutine[None, None, Preparation]) -> Preparation | None:
    """None when the worker was killed meanwhile: a full disk must not hold up the end of the step."""
    preparing = asyncio.create_task(prepared, name=f"preparation of {worker.name}")
    killed = asyncio.create_task(worker.killed.wait())
    try:
        await asyncio.wait((preparing, killed), return_when=asyncio.FIRST_COMPLETED)
        return None if worker.kill_cause else preparing.result()
    finally:
        killed.cancel()
        preparing.cancel()


def _exit_detail(worker: Worker, returncode: int) -> str:
    """Without the worker's name: equal errors are counted together."""
    if worker.kill_detail:
        return worker.kill_detail
    try:
        how = f" ({signal.Signals(-returncode).name})" if returncode < 0 else ""
    except ValueError:
        how = ""
    return f"the worker process exited with returncode {returncode}{how}"
