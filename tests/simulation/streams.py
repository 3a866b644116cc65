"""The agent's end of a stream, as in prs_agent.session: Syncs go by, everything else stays in order behind the message that
waits for its bytes to be durable."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.simulation.world import Link

if TYPE_CHECKING:
    from tests.simulation.ledger_agent import LedgerAgent

Prepare = Callable[[], float]  # returns when the message may leave


class Stream:
    """One session's."""

    def __init__(self, agent: LedgerAgent, link: Link, session: str) -> None:
        self.agent = agent
        self.link = link
        self.session = session
        self._ordered: deque[tuple[Any, Prepare | None]] = deque()
        self._is_preparing = False

    def send_sync(self, message: Any) -> None:
        """At once."""
        self.link.up("sync", message)

    def send(self, message: Any, prepare: Prepare | None = None) -> None:
        """In order."""
        self._ordered.append((message, prepare))
        self._write()

    @property
    def is_empty(self) -> bool:
        return not self._ordered

    def _write(self) -> None:
        while self._ordered and not self._is_preparing:
            message, prepare = self._ordered[0]
            if prepare is not None:
                self._is_preparing = True
                self.agent.world.at(prepare(), self.agent.fire_agent, self._prepared)
                return
            self._ordered.popleft()
            self.link.up("event", message)

    def _prepared(self) -> None:
        self._is_preparing = False
        message, _ = self._ordered.popleft()
        self.link.up("event", message)
        self._write()
