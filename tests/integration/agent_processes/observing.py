"""What the tests of processes look at."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from prs_agent.children import Process, below, process_table
from prs_agent.processes import Child

DEADLINE_S = 20.0

Run = Callable[..., Awaitable[Child]]

# A worker that ignores SIGTERM, with a child, and a daemon of a session of its own by double fork; all write their pids.
STUBBORN_TREE = """
trap '' TERM
(setsid bash -c "trap '' TERM; echo \\$\\$ >> pids; sleep 1000" &)
bash -c "echo \\$\\$ >> pids; sleep 1000" &
echo $$ >> pids
wait
"""


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds; TimeoutError when it never does."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110  (conditions of other processes, which nothing announces)
            await asyncio.sleep(0.01)


def pids_in(path: Path) -> list[int]:
    """The pids that a program under test has written, one a line."""
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def runs(pid: int) -> bool:
    """Whether the process exists and is no zombie."""
    process = process_table().get(pid)
    return process is not None and not process.is_zombie


def processes_below(pid: int | None) -> list[Process]:
    """Everything that the process has started, and that these have."""
    table = process_table()
    return [table[descendant] for descendant in below(table, pid or 0)]
