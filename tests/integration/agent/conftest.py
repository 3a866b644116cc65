"""A daemon in the test's own process that speaks AgentService over a unix socket, and real agent processes that join it.

It grants what a test tells it to, acknowledges reports (unless told not to) and remembers everything that was said.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import grpc
import grpc.aio
import psutil
import pytest

from prsd.base import snapshots, uris
from prsd.v1 import agents_pb2 as pb
from prsd.v1 import agents_pb2_grpc as agents_rpc
from prsd.v1 import files_pb2 as files
from prsd.v1 import files_pb2_grpc as files_rpc

DEADLINE_S = 30.0


class Daemon(agents_rpc.AgentServiceServicer, files_rpc.FileServiceServicer):
    """The test's end of the protocol."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.hellos: list[pb.Hello] = []
        self.syncs: list[pb.Sync] = []
        self.reports: list[pb.Report] = []
        self.instances: list[pb.InstanceReport] = []
        self.goodbyes: list[str] = []
        self.acknowledges = True
        self.kept: list[int] = []
        self.session_timeout_s = 15.0
        self.heartbeat_s = 0.5
        self.plan: list[pb.CommitRange] = []
        self.on_report: Callable[[pb.Report], None] = lambda report: None
        self.on_sync: Callable[[pb.Sync], None] = lambda sync: None
        self._changed = asyncio.Event()
        self._outgoing: asyncio.Queue[pb.DaemonMessage | None] = asyncio.Queue()
        # Without these, the server ends a stream on which the agent's pings are too many for it.
        pings = ("grpc.http2.min_recv_ping_interval_without_data_ms", 1_000), ("grpc.http2.max_ping_strikes", 0)
        self._server = grpc.aio.server(options=pings)
        agents_rpc.add_AgentServiceServicer_to_server(self, self._server)
        files_rpc.add_FileServiceServicer_to_server(self, self._server)
        self.address = f"unix:{folder}/daemon.sock"

    async def start(self) -> None:
        self._server.add_insecure_port(self.address)
        await self._server.start()

    async def stop(self) -> None:
        await self._server.stop(None)

    async def Connect(
        self, request_iterator: AsyncIterator[pb.AgentMessage], context: object
    ) -> AsyncIterator[pb.DaemonMessage]:
        outgoing: asyncio.Queue[pb.DaemonMessage | None] = asyncio.Queue()
        self._outgoing = outgoing
        hello = (await anext(aiter(request_iterator))).hello
        self.hellos.append(hello)
        yield pb.DaemonMessage(
            welcome=pb.Welcome(
                session=f"s{len(self.hellos)}",
                session_timeout_s=self.session_timeout_s,
                heartbeat_s=self.heartbeat_s,
                kept=self.kept,
            )
        )
        reader = asyncio.create_task(self._read(request_iterator, outgoing))
        try:
            while (message := await outgoing.get()) is not None:
                yield message
        finally:
            reader.cancel()

    async def _read(
        self, messages: AsyncIterator[pb.AgentMessage], outgoing: asyncio.Queue[pb.DaemonMessage | None]
    ) -> None:
        async for message in messages:
            match message.WhichOneof("message"):
                case "sync":
                    self.syncs.append(message.sync)
                    self.say(echo_reply=pb.EchoReply(sent_at=message.sync.sent_at))
                    self.on_sync(message.sync)
                case "report":
                    self.reports.append(message.report)
                    if self.acknowledges:
                        self.say(acknowledge=pb.Acknowledge(number=message.report.number))
                    self.on_report(message.report)
                case "instance":
                    self.instances.append(message.instance)
                case "goodbye":
                    self.goodbyes.append(message.goodbye.reason)
            self._changed.set()
        outgoing.put_nowait(None)

    async def ReadCommitPlan(
        self, request: pb.ReadCommitPlanRequest, context: object
    ) -> AsyncIterator[pb.ReadCommitPlanResponse]:
        yield pb.ReadCommitPlanResponse(ranges=self.plan)

    async def DownloadSnapshot(
        self, request: files.DownloadSnapshotRequest, context: object
    ) -> AsyncIterator[files.DownloadSnapshotResponse]:
        yield files.DownloadSnapshotResponse(data=(self.folder / f"{request.digest}.tar").read_bytes())

    # What tests do.

    def say(self, **message: object) -> None:
        self._outgoing.put_nowait(pb.DaemonMessage(**message))  # type: ignore[arg-type]

    def cut(self) -> None:
        """Ends the stream as a broken connection would."""
        self._outgoing.put_nowait(None)

    def grant(
        self, token: int, count: int, first: int = 0, phase: pb.Phase.ValueType = pb.PHASE_RUN, **more: object
    ) -> None:
        self.say(
            grant=pb.Grant(token=token, step=STEP, phase=phase, first=first, count=count, attempt=1, **more)  # type: ignore[arg-type]
        )

    async def until(self, is_true: Callable[[], object], timeout_s: float = DEADLINE_S) -> None:
        """Waits until something that was said makes the condition true."""
        async with asyncio.timeout(timeout_s):
            while not is_true():
                self._changed.clear()
                await self._changed.wait()

    def snapshot(self, **sources: str) -> str:
        """Packs a code folder; its digest."""
        code = self.folder / "code"
        code.mkdir(exist_ok=True)
        for name, text in sources.items():
            (code / f"{name}.py").write_text(text)
        return snapshots.pack(code, self.folder).digest

    def definition(self, entry: str | None = None, **terms: object) -> pb.StepDefinition:
        """A parallel step of rank mini-batches with this entry script."""
        storage = self.folder / "step"
        storage.mkdir(exist_ok=True)
        definition = pb.StepDefinition(
            step=STEP,
            type="parallel",
            snapshot=self.snapshot(entry=entry) if entry is not None else "",
            entry_script="entry.py",
            storage_uri=uris.uri_of(storage),
            division=pb.Division(rank_mini_batch_count=10),
            logging_level="INFO",
            run_timeout_s=60,
            task_overhead_timeout_s=60,
        )
        definition.MergeFrom(pb.StepDefinition(**terms))  # type: ignore[arg-type]
        return definition

    def open(self, definition: pb.StepDefinition, workers: int = 1) -> None:
        self.say(open=pb.Open(definition=definition, workers=workers, node=0))

    def results(self) -> list[int]:
        """Indexes of all reported results."""
        return [i for report in self.reports for r in report.results for i in range(r.first, r.first + r.count)]

    def failures(self) -> list[pb.Failure]:
        return [failure for report in self.reports for failure in report.failures]

    def states(self) -> list[str]:
        return [pb.InstanceReport.State.Name(i.state).removeprefix("STATE_") for i in self.instances]

    def log(self, path: str) -> str:
        return (self.folder / "step" / "logs" / path).read_text()


STEP = pb.StepRef(job="job", step="score")


class AgentProcess:
    """A real agent."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        return self._process.pid

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def ended(self, timeout_s: float = DEADLINE_S) -> int:
        async with asyncio.timeout(timeout_s):
            return await self._process.wait()

    def peak_memory(self) -> int:
        """Bytes that the agent itself had resident at most."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) << 10

    def descendants(self) -> list[psutil.Process]:
        return psutil.Process(self.pid).children(recursive=True)

    async def kill(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()


StartAgent = Callable[..., Awaitable[AgentProcess]]


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Daemon]:
    daemon = Daemon(tmp_path)  # type: ignore[abstract]
    await daemon.start()
    yield daemon
    await daemon.stop()


@pytest.fixture
async def start_agent(daemon: Daemon, tmp_path: Path) -> AsyncIterator[StartAgent]:
    started: list[AgentProcess] = []

    async def start(**environment: str) -> AgentProcess:
        command = [sys.executable, "-m", "prs_agent.app", "--server", daemon.address, "--compute", "local"]
        options = ["--data", str(tmp_path / "agent"), "--slots", "2", "--name", f"node{len(started)}"]
        with (tmp_path / "agent.log").open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *command, *options, env={**os.environ, **environment}, stdout=output, stderr=output
            )
        started.append(AgentProcess(process))
        await daemon.until(lambda: daemon.hellos)
        return started[-1]

    yield start
    for agent in started:
        await agent.kill()


@pytest.fixture(autouse=True)
def _agent_log_on_failure(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[None]:
    """Shows the agent's log beside a failure."""
    yield
    log = tmp_path / "agent.log"
    if log.exists():
        print(log.read_text())


async def eventually(is_true: Callable[[], object], timeout_s: float = DEADLINE_S) -> None:
    """Waits for a condition of the outside world."""
    deadline = time.monotonic() + timeout_s
    while not is_true():
        assert time.monotonic() < deadline, "the condition did not come true"
        await asyncio.sleep(0.02)
