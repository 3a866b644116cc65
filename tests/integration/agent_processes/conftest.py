"""A real spawner for each test, and a check that nothing of it is left."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from prs_agent.children import process_table
from prs_agent.processes import Child, Spawner, SpawnRequest
from tests.integration.agent_processes.observing import Run


@pytest.fixture
async def spawner() -> AsyncIterator[Spawner]:
    spawner = Spawner()
    await spawner.start()
    yield spawner
    await spawner.stop()
    assert spawner.pid not in process_table()


@pytest.fixture
def run(spawner: Spawner, tmp_path: Path) -> Run:
    """Starts `/bin/bash -c script`, or an argv."""

    async def run(*argv: str, env: dict[str, str] | None = None, descriptors: tuple[int, ...] = ()) -> Child:
        words = argv if len(argv) > 1 else ("/bin/bash", "-c", argv[0])
        environment = {"PATH": os.environ["PATH"]} if env is None else env
        logs = tmp_path / "logs" / "user"
        return await spawner.spawn(
            SpawnRequest(words, environment, tmp_path, logs / "stdout.txt", logs / "stderr.txt", descriptors)
        )

    return run
