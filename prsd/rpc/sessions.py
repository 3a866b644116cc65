"""The open streams of agents, and how a command of the core reaches one."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping

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

    def __init__(self, name: str, agent: str, version: str, commits: Mapping[int, StepId] | None = None) -> None:
        """`commits`: the commit leases that its Hello lists, by token."""
        self.name = name
        self.commits = dict(commits or {})
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

    def forget(self, job: str) -> None:
        """Nothing of this job will be sent any more but that its steps are to be closed."""
        self._defined = {step for step in self._defined if step.job != job}


class Sessions:
    """Every session that has a stream now."""

    def __init__(self, definitions: Definitions, timing: pb.Welcome) -> None:
        """`timing` is the Welcome with what is the same for all sessions: timeout, heartbeat, lineage."""
        self._definitions = definitions
        self._timing = timing
        self._sessions: dict[str, Session] = {}
        self._commits = CommitLeases()

    def add(self, session: Session) -> None:
        self._sessions[session.name] = session

    def remove(self, session: Session) -> None:
        self._sessions.pop(session.name, None)

    def version_of(self, session: str) -> str:
        found = self._sessions.get(session)
        return found.version if found else ""

    def forget(self, job: str) -> None:
        """The job has ended."""
        self._commits.forget(job)
        for session in self._sessions.values():
            session.forget(job)

    async def may_commit(self, step: StepId, token: int, patience_s: float) -> bool:
        """Whether the token is the step's commit lease, as far as agents were told, or becomes it in that time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, patience_s)):
                await self._commits.until_current(step, token)
        return self._commits.is_current(step, token)

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
        last_fact: int,
    ) -> None:
        """Send a command to its session; one without a stream hears the same again from the next Hello."""
        session = self._sessions.get(command.session)
        self._commits.note(command, session)
        if session is None:
            return
        if isinstance(command, commands.Welcome):
            welcome = pb.Welcome()
            welcome.CopyFrom(self._timing)
            welcome.session = command.session
            welcome.kept.extend(command.kept)
            session.send(pb.DaemonMessage(welcome=welcome))
            return
        message = convert.daemon_message(command, self._definition_for(session, command))
        if isinstance(command, commands.Acknowledge):
            message.acknowledge.fact = last_fact
        session.send(message)
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


class CommitLeases:
    """Which commit lease each step has, from what is said to agents: granted, adopted with Welcome, revoked, lost."""

    def __init__(self) -> None:
        self._held: dict[StepId, tuple[int, str]] = {}
        self._granted = asyncio.Event()

    def is_current(self, step: StepId, token: int) -> bool:
        return step in self._held and self._held[step][0] == token

    async def until_current(self, step: StepId, token: int) -> None:
        while not self.is_current(step, token):
            self._granted.clear()
            await self._granted.wait()

    def _hold(self, step: StepId, token: int, session: str) -> None:
        self._held[step] = (token, session)
        self._granted.set()

    def forget(self, job: str) -> None:
        """What was committed last is known until its job has ended."""
        self._held = {step: held for step, held in self._held.items() if step.job != job}

    def note(self, command: commands.Command, session: Session | None) -> None:
        match command:
            case commands.Grant() if command.lease.phase is Phase.COMMIT:
                self._hold(command.lease.step, command.lease.token, command.session)
            case commands.Welcome() if session is not None:
                self._note_welcome(command, session)
            case commands.Revoke():
                self._drop(lambda token, _: token == command.token)
            case commands.Dismiss():
                self._drop(lambda _, holder: holder == command.session)
            case _:
                pass

    def _note_welcome(self, welcome: commands.Welcome, session: Session) -> None:
        for token, step in session.commits.items():
            if token in welcome.kept:
                self._hold(step, token, session.name)
            elif self.is_current(step, token):
                del self._held[step]

    def _drop(self, is_over: Callable[[int, str], bool]) -> None:
        self._held = {step: held for step, held in self._held.items() if not is_over(*held)}
