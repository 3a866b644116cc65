"""`prs-agent`: the composition root. Settings, then the spawner, then everything that touches grpc, then signals."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import secrets
import signal
import sys
from typing import Any

import uvloop

from prs_agent.config import AgentSettings, parse
from prs_agent.processes import Spawner
from prsd.base.logs import set_up_logging

log = logging.getLogger("prs_agent")

_PR_SET_PDEATHSIG = 1
_FATAL = 3  # the agent could not go on: storage failed, the daemon refuses it


def run(settings: AgentSettings) -> int:
    """Serves until the agent has left; the exit code of the process."""
    if settings.exit_with_parent:
        _follow_parent()
    # Before anything imports grpc: its fork handlers crash children under uvloop (one in 250, measured).
    os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
    settings.data.mkdir(parents=True, exist_ok=True)
    try:
        uvloop.run(_serve(settings))
    except Exception as error:
        log.error("the agent ends: %s: %s", type(error).__name__, error)
        return _FATAL
    return 0


async def _serve(settings: AgentSettings) -> None:
    spawner = Spawner()
    await spawner.start()
    from prs_agent.agent import Agent  # imports grpc, which must come after the spawner

    agent = Agent(settings, spawner, boot=secrets.token_hex(6))
    _on_signals(agent)
    await agent.run()


def _on_signals(agent: Any) -> None:
    """The first SIGTERM drains; a second one, or SIGINT, stops at once."""
    terminated = iter((agent.drain,))
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, lambda: next(terminated, agent.stop)())  # noqa: PLW0108
    loop.add_signal_handler(signal.SIGINT, agent.stop)


def _follow_parent() -> None:
    """SIGTERM when the parent ends; at once when it has ended already."""
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(0)


def main() -> None:
    """The console script. Exit codes: 0 after a signal, 2 for bad settings, 3 when the agent cannot go on."""
    settings = parse()
    set_up_logging(settings.logging_level)
    sys.exit(run(settings))


if __name__ == "__main__":
    main()
