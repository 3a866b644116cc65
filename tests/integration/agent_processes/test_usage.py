"""The resource CSVs of a step (checklist 89 of the specification)."""

import asyncio
import csv
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest

from prs_agent.usage import UsageMonitor
from tests.integration.agent_processes.observing import Run, eventually

FILES = {"node_resource_usage.csv", "node_disk_usage.csv", "processes_resource_usage.csv"}


@asynccontextmanager
async def _running(monitor: UsageMonitor) -> AsyncIterator[None]:
    running = asyncio.create_task(monitor.run())
    yield
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


async def test_rows_are_written_at_once_and_at_every_interval(tmp_path: Path) -> None:
    folder = tmp_path / "logs" / "sys" / "perf" / "0"
    async with _running(UsageMonitor(folder, 0.2, lambda: {"manager": os.getpid()})):
        await eventually(lambda: len(_rows(folder / "processes_resource_usage.csv")) >= 4)
    assert {path.name for path in folder.iterdir()} == FILES
    times = [datetime.fromisoformat(row["Utc Time"]) for row in _rows(folder / "node_resource_usage.csv")]
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(times)]
    assert min(gaps) >= 0.1
    assert sum(gaps) / len(gaps) >= 0.18


async def test_columns_are_those_of_the_specification(tmp_path: Path) -> None:
    async with _running(UsageMonitor(tmp_path, 1000, lambda: {"manager": os.getpid()})):
        await eventually(lambda: len(_rows(tmp_path / "processes_resource_usage.csv")) == 1)
    heads = {name: (tmp_path / name).read_text().splitlines()[0] for name in FILES}
    assert heads == {
        "node_resource_usage.csv": (
            "Utc Time,Cpu Percent,Memory Total (MB),Memory Available (MB),Memory Used (MB),Memory Used Percent,"
            "Disk Io Read Count,Disk Io Write Count,Disk Io Read (MB),Disk Io Write (MB),"
            "Network Sent (MB),Network Recv (MB),# of TCP Connections,# of UDP Connections"
        ),
        "node_disk_usage.csv": "Utc Time,Disk (/) Total (MB),Disk (/) Used (MB),Disk (/) Free (MB),Disk (/) Used Percent",
        "processes_resource_usage.csv": (
            "Utc Time,Name,Cpu Percent,Cpu Time User,Cpu Time System,Memory Used Percent,"
            "Disk Io Read Count,Disk Io Write Count,Disk Io Read (MB),Disk Io Write (MB),Thread Num"
        ),
    }
    [node] = _rows(tmp_path / "node_resource_usage.csv")
    assert 0 < float(node["Memory Used (MB)"]) < float(node["Memory Total (MB)"])
    assert int(node["# of TCP Connections"]) >= 0
    [own] = _rows(tmp_path / "processes_resource_usage.csv")
    assert own["Name"] == "manager"
    assert float(own["Cpu Time User"]) > 0
    assert int(own["Thread Num"]) >= 1


async def test_a_process_that_ended_has_no_row_and_breaks_nothing(run: Run, tmp_path: Path) -> None:
    child = await run("sleep 1000")
    usage = tmp_path / "usage"

    def names() -> list[str]:
        return [row["Name"] for row in _rows(usage / "processes_resource_usage.csv")]

    async with _running(UsageMonitor(usage, 0.05, lambda: {"process000": child.pid, "manager": os.getpid()})):
        await eventually(lambda: "process000" in names())
        child.kill()
        await child.exited()
        written = len(_rows(usage / "node_disk_usage.csv"))
        await eventually(lambda: len(_rows(usage / "node_disk_usage.csv")) >= written + 3)
    assert names()[-1] == "manager"
    assert names()[-2] == "manager"


async def test_an_interval_of_zero_writes_nothing(tmp_path: Path) -> None:
    await UsageMonitor(tmp_path / "perf", 0, dict).run()
    assert not (tmp_path / "perf").exists()


async def test_a_folder_that_cannot_be_written_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    async with _running(UsageMonitor(tmp_path / "file", 0.01, dict)):
        await eventually(lambda: len(caplog.records) >= 2)
    assert "no resource usage could be written" in caplog.text


async def test_a_monitor_goes_on_in_a_file_that_is_there(tmp_path: Path) -> None:
    for _ in range(2):
        written = len(_rows(tmp_path / "node_disk_usage.csv"))
        async with _running(UsageMonitor(tmp_path, 1000, dict)):
            await eventually(lambda before=written: len(_rows(tmp_path / "node_disk_usage.csv")) == before + 1)  # type: ignore[misc]
    assert (tmp_path / "node_disk_usage.csv").read_text().count("Utc Time") == 1
