"""AgentService: the agents' streams. The protocol is specified over `Connect` in agents.proto."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace

import grpc

from prsd.coordinator import Coordinator
from prsd.core.events import AgentLeft, AgentSynced, StreamEnded
from prsd.core.vocabulary import Phase, Results
from prsd.disk import DiskSpace
from prsd.rpc import convert, earlier
from prsd.rpc.sessions import Session, Sessions
from prsd.store.errors import LogBehind
from prsd.store.protocol import Store
from prsd.v1 import agents_pb2 as pb
from prsd.v1 import agents_pb2_grpc as rpc

log = logging.getLogger(__name__)

Context = grpc.aio.ServicerContext[pb.AgentMessage, pb.DaemonMessage]

# How long a new stream may take to say Hello: a half-open connection must not hold a place for ever.
_HELLO_TIMEOUT_S = 10.0
# Ranges per message of a commit plan: some hundred kilobytes.
_PLAN_RANGES_PER_MESSAGE = 512


class AgentService(rpc.AgentServiceServicer):
    def __init__(
        self,
        *,
        coordinator: Coordinator,
        sessions: Sessions,
        store: Store,
        disk: DiskSpace,
        found_facts: int,
        session_timeout_s: float,
    ) -> None:
        """`found_facts`: the number of the last fact in the log as this daemon found it."""
        self._coordinator = coordinator
        self._sessions = sessions
        self._store = store
        self._disk = disk
        self._found_facts = found_facts
        self._boots: set[str] = set()
        self._all_back_at = time.monotonic() + session_timeout_s

    async def Connect(
        self, request_iterator: AsyncIterator[pb.AgentMessage], context: Context
    ) -> AsyncIterator[pb.DaemonMessage]:
        hello = await self._hello(request_iterator, context)
        await self._end_if_behind(hello, context)
        joined = earlier.without_earlier_leases(convert.joined(uuid.uuid4().hex[:12], hello), self._first_token)
        commits = {held.token: held.step for held in joined.held if held.phase is Phase.COMMIT}
        session = Session(joined.session, hello.agent, hello.version, commits)
        self._sessions.add(session)
        log.info(
            "agent %s joined as session %s (compute %s, %d slots)", hello.agent, session.name, hello.compute, hello.slots
        )
        await self._coordinator.post(joined)
        reader = asyncio.create_task(self._read(request_iterator, session), name=f"stream of {hello.agent}")
        try:
            while (message := await session.outbox.get()) is not None:
                yield message
        finally:
            self._sessions.remove(session)
            reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reader

    async def _hello(self, messages: AsyncIterator[pb.AgentMessage], context: Context) -> pb.Hello:
        try:
            async with asyncio.timeout(_HELLO_TIMEOUT_S):
                first = await anext(messages, None)
        except TimeoutError:
            first = None
        if first is None or not first.HasField("hello") or not (first.hello.agent and first.hello.boot):
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "a stream begins with Hello, which names agent and boot")
        assert first is not None
        return first.hello

    @property
    def _first_token(self) -> int:
        return self._store.lineage.first_token

    async def _end_if_behind(self, hello: pb.Hello, context: Context) -> None:
        """An agent that was told of facts which this log does not have proves that they were lost: end the daemon.

        Its first Hello in this life is compared with the log as it was found: the facts of this life are numbered over those
        that were lost.
        """
        if hello.boot in self._boots:
            return
        if hello.lineage != self._store.lineage.name or hello.acknowledged_fact <= self._found_facts:
            self._boots.add(hello.boot)
            return
        behind = LogBehind(
            f"facts were lost: the agent {hello.agent} was acknowledged fact {hello.acknowledged_fact}, but the log ended "
            f"at fact {self._found_facts} when this daemon found it. Restore a newer copy of the data folder; if there is "
            "none, start once with --accept-older-log, and what the lost facts recorded is done again"
        )
        log.error("%s", behind)
        await asyncio.to_thread(self._store.note_behind, str(behind))
        self._coordinator.fail(behind)
        await context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(behind))

    async def _read(self, messages: AsyncIterator[pb.AgentMessage], session: Session) -> None:
        """Post what the agent says. The end of the stream without Goodbye leaves the session to its timeout."""
        said_goodbye = False
        try:
            async for message in messages:
                said_goodbye = await self._take(message, session) or said_goodbye
        except ValueError as error:
            log.error("agent %s sent what cannot be understood, its stream is ended: %s", session.agent, error)
        finally:
            if not said_goodbye:
                log.info("the stream of agent %s has ended without Goodbye", session.agent)
                await self._coordinator.post(StreamEnded(session.name))
            session.end()

    async def _take(self, message: pb.AgentMessage, session: Session) -> bool:
        """Post one message; True when it was Goodbye."""
        match message.WhichOneof("message"):
            case "sync":
                sent_at = message.sync.sent_at

                def echo() -> None:
                    if not session.dismissed:
                        session.send(pb.DaemonMessage(echo_reply=pb.EchoReply(sent_at=sent_at)))

                synced = convert.synced(session.name, message.sync)
                await self._coordinator.post(_wanting_nothing(synced) if self._disk.is_full else synced, on_handled=echo)
            case "report":
                # On a full disk it stays with the agent, which says it again until it is acknowledged.
                if self._disk.can_record:
                    report = earlier.without_earlier_attempts(
                        convert.reported(session.name, message.report), self._first_token
                    )
                    await self._coordinator.post(report)
            case "instance":
                await self._coordinator.post(convert.instance_reported(session.name, message.instance))
            case "goodbye":
                log.info("agent %s leaves: %s", session.agent, message.goodbye.reason)
                await self._coordinator.post(AgentLeft(session.name))
                return True
            case other:
                raise ValueError(f"a stream of an open session carries no {other or 'empty message'}")
        return False

    async def ReadCommitPlan(
        self,
        request: pb.ReadCommitPlanRequest,
        context: grpc.aio.ServicerContext[pb.ReadCommitPlanRequest, pb.ReadCommitPlanResponse],
    ) -> AsyncIterator[pb.ReadCommitPlanResponse]:
        step = convert.step_id(request.step)
        # After a restart this call may come before the Hello whose lease is adopted: wait as long as for any agent.
        if not await self._sessions.may_commit(step, request.token, self._all_back_at - time.monotonic()):
            await context.abort(
                grpc.StatusCode.FAILED_PRECONDITION,
                f"token {request.token} is not the commit lease of step {request.step.step} of {request.step.job}",
            )
        chunks = self._store.results_of(step, _PLAN_RANGES_PER_MESSAGE)
        while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
            yield pb.ReadCommitPlanResponse(ranges=[commit_range(results) for results in chunk if not results.empty])


def _wanting_nothing(synced: AgentSynced) -> AgentSynced:
    """The same heartbeat of an agent that would take no mini-batch now."""
    return replace(synced, wants=tuple(replace(want, count=0) for want in synced.wants))


def commit_range(results: Results) -> pb.CommitRange:
    """What a commit attempt needs of recorded results. Ranges without rows carry no block."""
    message = pb.CommitRange(first=results.first, count=results.count)
    block = results.block
    if block is None:
        return message
    message.block_first = block.first
    message.block.CopyFrom(
        pb.Block(segment=block.segment, offset=block.offset, lengths=block.lengths.to_bytes(), crc32=block.crc32)
    )
    return message
