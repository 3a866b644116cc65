"""The daemon's composition root: build everything, start it in order, stop it in the reverse order."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

# Before grpc is imported anywhere: its fork handlers crash children of a process that runs uvloop.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

import grpc
import uvloop
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from prsd.base.logs import set_up_logging
from prsd.base.version import VERSION
from prsd.board import Board
from prsd.config import DaemonConfig, parse
from prsd.coordinator import Coordinator
from prsd.core.core import Core
from prsd.core.events import RoomNoted
from prsd.core.facts import Fact
from prsd.core.vocabulary import CoreSettings, StepId
from prsd.disk import DiskSpace, why_no_start
from prsd.reports import StepReports
from prsd.reuse.outputs import OutputKeeper
from prsd.rpc.admin import AdminService
from prsd.rpc.agents import AgentService
from prsd.rpc.files import FileService
from prsd.rpc.jobs import JobService, KnownComputes
from prsd.rpc.room import RefuseWhenFull
from prsd.rpc.sessions import Sessions
from prsd.rpc.twins import AnswerTwins
from prsd.storage import DataFolder
from prsd.store.errors import LogBehind, StoreError, StoreFailed
from prsd.store.lineage import renew
from prsd.store.sqlite import SqliteStore
from prsd.v1 import (
    admin_pb2,
    admin_pb2_grpc,
    agents_pb2,
    agents_pb2_grpc,
    files_pb2,
    files_pb2_grpc,
    jobs_pb2,
    jobs_pb2_grpc,
)

log = logging.getLogger(__name__)

# How long calls in progress may go on when the daemon stops. Agents' streams never end by themselves.
_STOP_GRACE_S = 0.5
# For noting what steps left that completed just now: without it their next run cannot reuse them.
_LOOK_AT_OUTPUTS_S = 2.0
_PR_SET_PDEATHSIG = 1

# Keepalive alone notices a frozen peer after a minute; the ping timeout makes it seconds. Clients ping every 5 s: a server
# with default options would end such a stream as abusive.
_SERVER_OPTIONS = (
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.ping_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 1_000),
    ("grpc.http2.max_ping_strikes", 0),
    ("grpc.max_receive_message_length", 4 << 20),
    ("grpc.max_send_message_length", 16 << 20),
    ("grpc.so_reuseport", 0),
)


class Daemon:
    """Everything that makes up a running `prsd`."""

    def __init__(self, config: DaemonConfig) -> None:
        self._config = config
        self._folder = DataFolder(config.data)
        self._folder.create()
        self._store = SqliteStore(self._folder.root)
        self._store.open()
        self._core = Core(CoreSettings(session_timeout_s=config.session_timeout_s))
        if self._store.lineage.behind:
            raise LogBehind(self._store.lineage.behind)
        for fact in self._store.read_facts():
            self._core.apply(fact)
        self._found_facts = self._store.last_fact
        self._disk = DiskSpace(self._folder.root, config.disk_reserve_bytes, self._store)
        self._definitions: dict[tuple[str, str], agents_pb2.StepDefinition] = {}
        self._board = Board()
        self._sessions = Sessions(self._definition_of, self._welcome())
        reports = StepReports(self._folder, self._store, self._board)
        self._reports = reports
        self._outputs = OutputKeeper(self._store, self._folder)
        self._coordinator = Coordinator(
            self._core,
            self._store,
            self._board,
            self._sessions.carry_out,
            before_showing=self._before_showing,
            forget=self._forget,
        )

    async def _before_showing(self, facts: Sequence[Fact]) -> None:
        self._outputs.note(facts)
        await self._reports.before_showing(facts)

    def _welcome(self) -> agents_pb2.Welcome:
        return agents_pb2.Welcome(
            session_timeout_s=self._config.session_timeout_s,
            heartbeat_s=self._config.heartbeat_s,
            lineage=self._store.lineage.name,
        )

    def _definition_of(self, step: StepId) -> agents_pb2.StepDefinition:
        definition = self._definitions.get((step.job, step.step))
        if definition is None:
            definition = agents_pb2.StepDefinition.FromString(self._store.definition_of(step))
            self._definitions[step.job, step.step] = definition
        return definition

    async def _note_room(self, is_there: bool) -> None:
        await self._coordinator.post(RoomNoted(is_there))

    def _forget(self, job: str) -> None:
        """The job has ended: nobody who is asked about it needs these any more."""
        for known in [known for known in self._definitions if known[0] == job]:
            del self._definitions[known]
        self._sessions.forget(job)

    async def _server(self) -> grpc.aio.Server:
        interceptors = [RefuseWhenFull(self._disk), AnswerTwins()]
        server = grpc.aio.server(options=_SERVER_OPTIONS, interceptors=interceptors)
        version = VERSION
        jobs = JobService(
            coordinator=self._coordinator,
            core=self._core,
            store=self._store,
            board=self._board,
            sessions=self._sessions,
            folder=self._folder,
            definitions=self._definitions,
            computes=KnownComputes(self._core, self._config.computes, any_compute=self._config.any_compute),
            version=version,
            disk=self._disk,
            outputs=self._outputs,
        )
        jobs_pb2_grpc.add_JobServiceServicer_to_server(jobs, server)
        agents = AgentService(
            coordinator=self._coordinator,
            sessions=self._sessions,
            store=self._store,
            disk=self._disk,
            found_facts=self._found_facts,
            session_timeout_s=self._config.session_timeout_s,
        )
        agents_pb2_grpc.add_AgentServiceServicer_to_server(agents, server)
        files_pb2_grpc.add_FileServiceServicer_to_server(FileService(self._folder), server)
        admin = AdminService(self._store, self._folder, self._disk, version)
        admin_pb2_grpc.add_AdminServiceServicer_to_server(admin, server)
        await _add_standard_services(server)
        return server

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT. An error of the store ends it at once: the state on disk is the truth."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        try:
            async with asyncio.TaskGroup() as group:
                work = [
                    group.create_task(self._coordinator.run(), name="coordinator"),
                    group.create_task(self._reports.keep_overviews(), name="progress overviews"),
                    group.create_task(self._disk.watch(self._note_room), name="room on the disk"),
                    group.create_task(self._outputs.keep(), name="what completed steps left"),
                ]
                async with self._serving():
                    group.create_task(stop.wait())
                    await stop.wait()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._outputs.settled(), _LOOK_AT_OUTPUTS_S)
                for task in work:
                    task.cancel()
        finally:
            await self._store.close()

    @contextlib.asynccontextmanager
    async def _serving(self) -> AsyncIterator[None]:
        server = await self._server()
        addresses = [_bind(server, address) for address in self._config.listen]
        await server.start()
        log.info("serving on %s, data in %s", ", ".join(addresses), self._folder.root)
        if self._config.ready_fd is not None:
            os.write(self._config.ready_fd, f"ready {addresses[0]}\n".encode())
            os.close(self._config.ready_fd)
        try:
            yield
        finally:
            log.info("stopping")
            await server.stop(_STOP_GRACE_S)


def _bind(server: grpc.aio.Server, address: str) -> str:
    """The address as clients reach it; port 0 becomes the port that was chosen."""
    try:
        if address.startswith("unix:"):
            _clear(Path(address.removeprefix("unix:")))
            before = os.umask(0o177)
            try:
                server.add_insecure_port(address)
            finally:
                os.umask(before)
            return address
        port = server.add_insecure_port(address)
    except RuntimeError as error:
        raise OSError(f"cannot listen on {address}: another program may have it ({error})") from error
    return f"{address.rpartition(':')[0]}:{port}"


def _clear(path: Path) -> None:
    """Remove the socket that a killed daemon left; OSError when a live program still answers on it."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            path.unlink(missing_ok=True)
            return
    raise OSError(f"cannot listen on unix:{path}: a live program has that socket")


async def _add_standard_services(server: grpc.aio.Server) -> None:
    checks = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    names = [
        service.full_name
        for module in (jobs_pb2, agents_pb2, files_pb2, admin_pb2)
        for service in module.DESCRIPTOR.services_by_name.values()
    ]
    reflection.enable_server_reflection([*names, health.SERVICE_NAME, reflection.SERVICE_NAME], server)
    for name in ("", *names):
        await checks.set(name, health_pb2.HealthCheckResponse.SERVING)


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point of `prsd`. Exit codes: 0 after a signal, 1 with a sentence on standard error when it cannot go on."""
    started_at = time.monotonic()
    config = parse(argv)
    if config.exit_with_parent:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    set_up_logging(config.log_level)
    try:
        if config.accept_older_log:
            lineage = asyncio.run(renew(SqliteStore(DataFolder(config.data).root)))
            log.warning("an older log is accepted: lineage %s begins, what agents hold of another is dropped", lineage.name)
        daemon = Daemon(config)
    except (StoreError, OSError) as error:
        missing = why_no_start(config.data)
        sys.exit(f"prsd: {missing} ({error})" if missing else f"prsd: {error}")
    log.debug("built in %.3f s", time.monotonic() - started_at)
    try:
        uvloop.run(daemon.run())
    except* StoreFailed as group:
        print(f"prsd: {_first(group)}", file=sys.stderr, flush=True)
        # Without the usual end, which would close the database and so go on writing to a disk that has failed.
        os._exit(1)
    except* (StoreError, OSError) as group:
        sys.exit(f"prsd: {_first(group)}")


def _first(group: BaseExceptionGroup) -> BaseException:
    """The innermost first exception of nested groups."""
    first: BaseException = group
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return first


if __name__ == "__main__":
    main()
