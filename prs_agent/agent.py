"""The shell round the ledger: events in, commands carried out. Everything here runs in one event loop.

daemon's stream ─┐                          ┌─ the stream (Syncs, Reports, InstanceReports)
worker processes ├─► post ─► ledger.handle ─┤─ worker processes (start, feed, kill)
the timer        ┘                          └─ divide, commit and command attempts
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import sys
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import assert_never

import grpc
import grpc.aio

from prs_agent import commands, phases, wire
from prs_agent.bulk import resumed
from prs_agent.config import AgentSettings
from prs_agent.ledger.commands import (
    AskBack,
    CloseWorker,
    Command,
    DropStream,
    Feed,
    ForgetStep,
    KillIfRunning,
    KillWorker,
    Leave,
    SendInstance,
    SendReport,
    SendSync,
    StartAttempt,
    StartWorker,
    StopAttempt,
)
from prs_agent.ledger.events import (
    Acknowledged,
    AttemptStopped,
    CloseAsked,
    DrainAsked,
    Echoed,
    Event,
    LeaseGranted,
    LeaseRevoked,
    StepDelayed,
    StepOpened,
    StreamLost,
    TakeBackAsked,
    Ticked,
    Welcomed,
)
from prs_agent.ledger.ledger import Ledger
from prs_agent.ledger.vocabulary import Lease, Phase, StepId
from prs_agent.outputs.problems import FatalStorageError
from prs_agent.processes import Spawner
from prs_agent.session import Connector, Stream
from prs_agent.snapshot import SnapshotCache
from prs_agent.step_site import Site
from prs_agent.usage import UsageMonitor
from prs_agent.workers import WATCH_INTERVAL_S, Owner, Workers
from prsd.base.version import VERSION
from prsd.v1 import agents_pb2 as pb
from prsd.v1 import agents_pb2_grpc as agents_rpc
from prsd.v1 import files_pb2 as files
from prsd.v1 import files_pb2_grpc as files_rpc

log = logging.getLogger("prs_agent")

_LATE_S = 0.2
_CATCH_UP_S = 0.1

GPU_COUNT = "AZ_BATCHAI_GPU_COUNT_FOUND"  # spec section 3.4


class Agent:
    """One per process. `run` serves until the agent is drained, stopped, or cannot go on."""

    def __init__(self, settings: AgentSettings, spawner: Spawner, boot: str) -> None:
        self._settings = settings
        self._spawner = spawner
        self._owner = Owner(settings.name, boot)
        self._ledger = Ledger()
        self._connector = Connector(settings.server)
        self._bulk = self._connector.bulk_channel()
        self._snapshots = SnapshotCache(settings.data / "snapshots", self._download)
        self._stream: Stream | None = None
        self._session = ""
        # The newest fact that a daemon has acknowledged to this boot, and which log it is in.
        self._lineage, self._acknowledged_fact = "", 0
        self._sites: dict[StepId, Site] = {}
        self._workers: dict[StepId, Workers] = {}
        self._openings: Counter[StepId] = Counter()
        self._monitors: dict[StepId, asyncio.Task[None]] = {}
        self._attempts: dict[int, asyncio.Task[None]] = {}
        self._events: deque[Event] = deque()
        self._is_handling = False
        self._rearm = asyncio.Event()
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        """Serves. Returns when it was drained; FatalStorageError, RefusedError and others when it cannot go on."""
        log.info("agent %s (boot %s) of compute %s", self._owner.agent, self._owner.boot, self._settings.compute)
        services = [
            asyncio.create_task(self._stay_connected(), name="connection"),
            asyncio.create_task(self._keep_time(), name="timer"),
            asyncio.create_task(self._watch_workers(), name="watch"),
            asyncio.create_task(self._watch_spawner(), name="spawner"),
        ]
        try:
            await asyncio.wait({self._over, *services}, return_when=asyncio.FIRST_COMPLETED)
            for ended in (self._over, *services):
                if ended.done():
                    ended.result()
        finally:
            await self._stop(services)

    def drain(self) -> None:
        """Finishes what runs, then leaves; whatever still runs after `drain_timeout_s` is stopped."""
        log.info("draining: nothing new is taken, what runs may end within %g s", self._settings.drain_timeout_s)
        self.post(DrainAsked())
        asyncio.get_running_loop().call_later(self._settings.drain_timeout_s, self._finish, None)

    def stop(self) -> None:
        """Leaves at once; what runs is killed and free for other agents."""
        log.info("stopping at once")
        self._finish(None)

    def _finish(self, error: BaseException | None) -> None:
        if self._over.done():
            return
        if error is None:
            self._over.set_result(None)
        else:
            self._over.set_exception(error)

    async def _stop(self, services: list[asyncio.Task[None]]) -> None:
        """In order: no more events, every process gone, Goodbye, channels."""
        self._is_handling = True  # what is posted from now on is not carried out
        for task in (*self._attempts.values(), *self._monitors.values(), *services[1:]):
            task.cancel()
        await self._spawner.stop()
        if self._stream is not None:
            await _say_goodbye(self._stream)
        services[0].cancel()
        await asyncio.gather(*services, *self._attempts.values(), *self._monitors.values(), return_exceptions=True)
        await self._connector.close()
        await self._bulk.close()

    # Events and time.

    def post(self, event: Event) -> None:
        """Hands an event to the ledger and carries out what follows; events that come meanwhile wait their turn."""
        self._events.append(event)
        if self._is_handling:
            return
        self._is_handling = True
        try:
            while self._events:
                for command in self._ledger.handle(self._events.popleft(), time.monotonic()):
                    self._carry_out(command)
        except Exception as error:
            log.exception("the agent cannot go on")
            self._finish(error)
        finally:
            self._is_handling = False
        self._rearm.set()

    async def _keep_time(self) -> None:
        while True:
            self._rearm.clear()
            deadline = self._ledger.next_deadline()
            try:
                async with asyncio.timeout(None if deadline is None else max(0.0, deadline - time.monotonic())):
                    await self._rearm.wait()
            except TimeoutError:
                assert deadline is not None
                if time.monotonic() - deadline > _LATE_S:
                    # This loop got no CPU: what the daemon said in time is read before anything is taken for silence.
                    await asyncio.sleep(_CATCH_UP_S)
                self.post(Ticked())

    async def _watch_workers(self) -> None:
        while True:
            await asyncio.sleep(WATCH_INTERVAL_S)
            for workers in self._workers.values():
                workers.watch()

    async def _watch_spawner(self) -> None:
        await asyncio.shield(self._spawner.died)
        raise ChildProcessError("the spawner process has died, and every worker with it")

    # The stream.

    async def _stay_connected(self) -> None:
        while True:
            hello_sent_at = [0.0]

            def hello(sent_at: list[float] = hello_sent_at) -> pb.Hello:
                sent_at[0] = time.monotonic()
                return self._hello()

            stream, welcome = await self._connector.open(hello)
            self._stream, self._session = stream, welcome.session
            if welcome.lineage != self._lineage:
                self._lineage, self._acknowledged_fact = welcome.lineage, 0
            log.info("connected to %s, session %s", self._settings.server, welcome.session)
            self.post(Welcomed(welcome.session_timeout_s, welcome.heartbeat_s, hello_sent_at[0], tuple(welcome.kept)))
            await self._serve(stream)
            self._stream = None
            self.post(StreamLost())
            await self._connector.pause()

    def _hello(self) -> pb.Hello:
        return pb.Hello(
            agent=self._owner.agent,
            boot=self._owner.boot,
            compute=self._settings.compute,
            slots=self._settings.slots,
            version=VERSION,
            held=[wire.held_lease(each) for each in self._ledger.held()],
            open_steps=[self._open_step(each) for each in self._ledger.open_steps()],
            acknowledged_fact=self._acknowledged_fact,
            lineage=self._lineage,
        )

    def _open_step(self, step: StepId) -> pb.OpenStep:
        site = self._sites[step]
        return pb.OpenStep(step=wire.step_ref(step), node=site.node, workers=site.workers)

    async def _serve(self, stream: Stream) -> None:
        """Reads and writes until either ends."""
        ends = [
            asyncio.create_task(self._read(stream), name="reader"),
            asyncio.create_task(stream.write_all(), name="writer"),
        ]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stream.abort()
            for task in ends:
                task.cancel()
            outcomes = await asyncio.gather(*ends, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, grpc.aio.AioRpcError):
                log.info("the stream broke: %s: %s", outcome.code().name, outcome.details())
            elif isinstance(outcome, FatalStorageError):
                self._finish(outcome)
            elif isinstance(outcome, Exception) and not isinstance(outcome, asyncio.InvalidStateError):
                log.error("the stream broke", exc_info=outcome)

    async def _read(self, stream: Stream) -> None:
        async for message in stream.read_all():
            if message.WhichOneof("message") == "dismiss":
                log.info("dismissed: %s", message.dismiss.reason)
                return
            event = self._event_of(message)
            if event is not None:
                self.post(event)

    def _event_of(self, message: pb.DaemonMessage) -> Event | None:
        match message.WhichOneof("message"):
            case "grant":
                if message.grant.HasField("definition"):
                    self._define(message.grant.definition)
                return LeaseGranted(wire.lease(message.grant))
            case "revoke":
                return LeaseRevoked(message.revoke.token, wire.ranges(message.revoke.ranges))
            case "take_back":
                return TakeBackAsked(message.take_back.token)
            case "open":
                return self._opened(message.open)
            case "close":
                return CloseAsked(wire.step_id(message.close.step), message.close.kill)
            case "acknowledge":
                self._acknowledged_fact = max(self._acknowledged_fact, message.acknowledge.fact)
                return Acknowledged(message.acknowledge.number)
            case "echo_reply":
                return Echoed(message.echo_reply.sent_at)
            case other:
                log.warning("the daemon sent %s, which this agent does not know: it is left out", other)
                return None

    def _define(self, definition: pb.StepDefinition) -> Site:
        step = wire.step_id(definition.step)
        if step not in self._sites:
            self._sites[step] = Site(definition, self._settings.data, self._snapshots.folder_of, self._note_delay)
        return self._sites[step]

    def _note_delay(self, step: StepId, reason: str) -> None:
        self.post(StepDelayed(step, reason))

    def _opened(self, message: pb.Open) -> StepOpened:
        definition = message.definition
        site = self._define(definition)
        workers = message.workers or self._settings.slots
        if site.step not in self._workers:
            site.place(message.node, workers)
            owner = self._owner_of_opening(site.step)
            self._workers[site.step] = Workers(site, self._spawner, owner, sys.executable, self.post, self._finish)
            self._monitor(site)
        gpus = definition.environment_variables.get(GPU_COUNT) or os.environ.get(GPU_COUNT, "")
        return StepOpened(site.step, workers, message.node, definition.type == "command", int(gpus) if gpus.isdigit() else 0)

    def _owner_of_opening(self, step: StepId) -> Owner:
        """A step that is opened again starts with process000 again, but a segment's name is never used twice."""
        self._openings[step] += 1
        number = self._openings[step]
        return self._owner if number == 1 else Owner(self._owner.agent, f"{self._owner.boot}-{number}")

    # Commands of the ledger.

    def _carry_out(self, command: Command) -> None:  # noqa: C901, PLR0912 - one branch per command
        match command:
            case SendSync():
                if self._stream is not None:
                    self._stream.send_sync(wire.sync(command))
            case SendReport():
                if self._stream is not None:
                    self._stream.send(partial(self._durable, command))
            case SendInstance():
                self._note_instance(command)
            case DropStream():
                if self._stream is not None:
                    self._stream.abort()
            case StartWorker(step, number, gpu):
                self._workers[step].start(number, gpu)
            case Feed():
                self._workers[command.step].feed(command)
            case AskBack(step, number, token):
                self._workers[step].ask_back(number, token)
            case CloseWorker(step, number):
                self._workers[step].close(number)
            case KillWorker(step, number):
                self._workers[step].kill(number)
            case KillIfRunning():
                self._workers[command.step].kill_if_running(command)
            case StartAttempt(lease):
                self._start_attempt(lease)
            case StopAttempt(token):
                if token in self._attempts:
                    self._attempts[token].cancel()
            case ForgetStep(step):
                self._forget(step)
            case Leave():
                self._finish(None)
            case _:
                assert_never(command)

    def _note_instance(self, command: SendInstance) -> None:
        error = f": {command.error.message}" if command.error else ""
        log.info("step %s of %s: %s%s", command.step.step, command.step.job, command.state.value, error)
        if self._stream is not None:
            message = wire.instance(command)

            async def prepared() -> pb.AgentMessage:
                return message

            self._stream.send(prepared)

    async def _durable(self, command: SendReport) -> pb.AgentMessage:
        """The message, once the bytes that it refers to are on disk."""
        segments: dict[StepId, set[str]] = {}
        for results in command.report.results:
            if results.block is not None:
                segments.setdefault(results.step, set()).add(results.block.segment)
        for step, names in segments.items():
            if step in self._workers:
                await self._workers[step].make_durable(names)
        return wire.report(command.report)

    def _start_attempt(self, lease: Lease) -> None:
        attempt = asyncio.create_task(self._attempt(lease), name=f"{lease.phase.value} {lease.step}")
        self._attempts[lease.token] = attempt
        attempt.add_done_callback(lambda _: self._attempts.pop(lease.token, None))

    async def _attempt(self, lease: Lease) -> None:
        site = self._sites[lease.step]
        try:
            match lease.phase:
                case Phase.DIVIDE:
                    await phases.divide(lease, site, self._spawner, self.post)
                case Phase.RUN:
                    await commands.run_command(lease, site, self._spawner, self.post)
                case Phase.COMMIT:
                    await phases.commit(lease, site, self._spawner, self.post, self._commit_plan)
        except asyncio.CancelledError:
            self.post(AttemptStopped(lease.token))
            raise

    def _commit_plan(self, lease: Lease) -> AsyncIterator[Sequence[pb.CommitRange]]:
        async def opened() -> AsyncIterator[Sequence[pb.CommitRange]]:
            request = pb.ReadCommitPlanRequest(step=wire.step_ref(lease.step), token=lease.token, session=self._session)
            async for chunk in agents_rpc.AgentServiceStub(self._bulk).ReadCommitPlan(request, wait_for_ready=True):
                yield list(chunk.ranges)

        return resumed(opened)

    def _download(self, digest: str) -> AsyncIterator[bytes]:
        async def opened() -> AsyncIterator[bytes]:
            request = files.DownloadSnapshotRequest(digest=digest)
            async for chunk in files_rpc.FileServiceStub(self._bulk).DownloadSnapshot(request, wait_for_ready=True):
                yield chunk.data

        return resumed(opened)

    def _monitor(self, site: Site) -> None:
        interval_s = site.definition.resource_monitor_interval_s
        if interval_s > 0:
            workers = self._workers[site.step]
            monitor = UsageMonitor(site.logs.perf_dir, interval_s, lambda: {"manager": os.getpid(), **workers.pids()})
            self._monitors[site.step] = asyncio.create_task(monitor.run(), name=f"usage of {site.step}")

    def _forget(self, step: StepId) -> None:
        del self._workers[step]
        if (monitor := self._monitors.pop(step, None)) is not None:
            monitor.cancel()
        for folder in self._sites[step].clear():
            asyncio.get_running_loop().run_in_executor(None, partial(shutil.rmtree, folder, ignore_errors=True))


async def _say_goodbye(stream: Stream) -> None:
    """Best effort: when the daemon cannot be reached, the session's timeout does the same, later."""
    try:
        async with asyncio.timeout(2.0):
            await stream.say_goodbye("the agent ends")
    except (TimeoutError, grpc.aio.AioRpcError, asyncio.InvalidStateError):
        log.info("Goodbye could not be said")
