"""The open streams of agents, and how a command of the core reaches one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from prsd.core import commands
from prsd.core.vocabulary import Phase, StepId
from prsd.rpc import convert
from prsd.v1 import agents_pb2 as pb

log = logging.getLogger(__name__)

# Messages that may wait for one agent's stream. An agent that does not read for so long is cut off; its session stays.
_OUTBOX_SIZE = 10_000

Definitions = Callable[[StepId], pb.StepDefinition | None]


class Session:
    """One stream of an agent: what is to be sent on it, in order. None in the outbox ends the stream."""

    def __init__(self, name: str, agent: str, version: str) -> None:
        self.name = name
        self.agent = agent
        self.version = version
        self.dismissed = False
        self.outbox: asyncio.Queue[pb.DaemonMessage | None] = asyncio.Queue(_OUTBOX_SIZE)
        self._defined: set[StepId] = set()

    def send(self, message: pb.DaemonMessage) -> None:
        try:
            self.outbox.put_nowait(message)
        except asyncio.QueueFull:
            log.warning("agent %s does not read its stream: the stream is ended", self.agent)
            self.end()

    def end(self) -> None:
        """End the stream after what is in the outbox, or at once when the outbox is full."""
        if self.outbox.full():
            self.outbox.get_nowait()
        self.outbox.put_nowait(None)

    def knows(self, step: StepId) -> bool:
        """Whether this stream has carried the step's definition; from now on it has."""
        known = step in self._defined
        self._defined.add(step)
        return known


class Sessions:
    """Every session that has a stream now."""

    def __init__(self, definitions: Definitions, timing: pb.Welcome) -> None:
        """`timing` is the Welcome with what is the same for all sessions: timeout, heartbeat, lineage."""
        self._definitions = definitions
        self._timing = timing
        self._sessions: dict[str, Session] = {}

    def add(self, session: Session) -> None:
        self._sessions[session.name] = session

    def remove(self, session: Session) -> None:
        self._sessions.pop(session.name, None)

    def version_of(self, session: str) -> str:
        found = self._sessions.get(session)
        return found.version if found else ""

    def carry_out(
        self,
        command: commands.Welcome
        | commands.Grant
        | commands.Revoke
        | commands.TakeBack
        | commands.Open
        | commands.Close
        | commands.Acknowledge
        | commands.Dismiss,
    ) -> None:
        """Send a command to its session; one without a stream hears the same again from the next Hello."""
        session = self._sessions.get(command.session)
        if session is None:
            return
        if isinstance(command, commands.Welcome):
            welcome = pb.Welcome()
            welcome.CopyFrom(self._timing)
            welcome.session = command.session
            welcome.kept.extend(command.kept)
            session.send(pb.DaemonMessage(welcome=welcome))
            return
        session.send(convert.daemon_message(command, self._definition_for(session, command)))
        if isinstance(command, commands.Dismiss):
            session.end()

    def _definition_for(self, session: Session, command: convert.SessionCommand) -> pb.StepDefinition | None:
        match command:
            case commands.Open():
                session.knows(command.step)
                return self._definitions(command.step)
            case commands.Grant() if command.lease.phase is not Phase.RUN and not session.knows(command.lease.step):
                return self._definitions(command.lease.step)
            case _:
                return None
