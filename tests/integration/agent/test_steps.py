"""A real agent, real workers, and the test as the daemon: whole steps."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest

from prs_agent.outputs.segments import SegmentReader
from prsd.base import uris
from prsd.v1 import agents_pb2 as pb
from tests.integration.agent.conftest import STEP, Daemon, StartAgent, eventually

ENTRY = """
import os
def init():
    print("init in", os.environ["COLOUR"])
def run(mini_batch, context):
    print("run", context.minibatch_index)
    return [context.minibatch_index]
def shutdown():
    print("bye")
"""


async def test_a_step_from_open_to_closed(daemon: Daemon, start_agent: StartAgent) -> None:
    await start_agent()
    append = pb.AppendRow(output="rows", format="text")
    rows = daemon.folder / "rows.txt"
    outputs = [pb.Output(name="rows", type="uri_file", mode="rw_mount", uri=uris.uri_of(rows))]
    variables = {"COLOUR": "blue"}
    daemon.open(daemon.definition(ENTRY, append_row=append, outputs=outputs, environment_variables=variables), workers=2)
    daemon.grant(token=5, count=10)
    await daemon.until(lambda: len(daemon.results()) == 10)
    assert sorted(daemon.results()) == list(range(10))
    daemon.say(close=pb.Close(step=STEP))
    await daemon.until(lambda: "CLOSED" in daemon.states())
    assert daemon.states() == ["OPENED", "READY", "CLOSED"]
    await daemon.until(lambda: not daemon.syncs[-1].held)
    assert daemon.log("user/stdout/0/process000.stdout.txt").startswith("init in blue\n")
    assert daemon.log("user/stdout/0/process001.stdout.txt").endswith("bye\n")
    assert "exits with returncode 0" in daemon.log("sys/node/0/_main.txt")
    _check_rows(daemon)
    daemon.plan = _plan(daemon)
    daemon.grant(token=6, count=1, phase=pb.PHASE_COMMIT, publish=True)
    await daemon.until(lambda: any(report.commits for report in daemon.reports))
    assert rows.read_text() == "".join(f"{index}\n" for index in range(10))


def _check_rows(daemon: Daemon) -> None:
    """Every reported block is in its segment, whole."""
    for results in (each for report in daemon.reports for each in report.results):
        reader = SegmentReader(daemon.folder / "step" / "segments" / results.block.segment)
        block = reader.read(results.block.offset, results.block.crc32)
        reader.close()
        indexes = range(results.first, results.first + results.count)
        expected = b"".join(b"\0%d\n" % index for index in indexes)  # 0: plain text rows
        assert (block.first, block.payload, zlib.crc32(expected)) == (results.first, expected, results.block.crc32)


def _plan(daemon: Daemon) -> list[pb.CommitRange]:
    found = [each for report in daemon.reports for each in report.results]
    return [
        pb.CommitRange(first=each.first, count=each.count, block=each.block, block_first=each.first)
        for each in sorted(found, key=lambda each: each.first)
    ]


async def test_a_step_may_be_opened_again_on_the_same_agent(daemon: Daemon, start_agent: StartAgent) -> None:
    await start_agent()
    output = pb.Output(name="rows", type="uri_file", uri=uris.uri_of(daemon.folder / "rows.txt"))
    entry = "def run(mini_batch):\n    return ['x']\n"
    definition = daemon.definition(entry, outputs=[output], append_row=pb.AppendRow(output="rows"))
    for opening in range(2):
        daemon.open(definition)
        daemon.grant(token=5 + opening, first=opening, count=1)
        await daemon.until(lambda: opening in daemon.results())  # noqa: B023 - called in this round only
        daemon.say(close=pb.Close(step=STEP))
        await daemon.until(lambda: daemon.states().count("CLOSED") == opening + 1)  # noqa: B023
    assert not daemon.failures()
    assert len(list((daemon.folder / "step" / "segments").iterdir())) == 2


async def test_files_are_divided_and_read(daemon: Daemon, start_agent: StartAgent) -> None:
    data = daemon.folder / "data"
    data.mkdir()
    for number in range(7):
        (data / f"{number}.txt").write_text(str(number))
    entry = "def run(mini_batch):\n    return [open(path).read() for path in mini_batch]\n"
    definition = daemon.definition(
        entry,
        input_data="data",
        inputs=[pb.Input(name="data", type="uri_folder", mode="ro_mount", uri=uris.uri_of(data))],
    )
    definition.division.CopyFrom(pb.Division(unit=pb.Division.UNIT_PLAIN, size=3))
    await start_agent()
    daemon.open(definition)
    daemon.grant(token=1, count=1, phase=pb.PHASE_DIVIDE)
    await daemon.until(lambda: any(d.ended for report in daemon.reports for d in report.divisions))
    parts = [part for report in daemon.reports for d in report.divisions for part in d.parts]
    assert sum(part.count for part in parts) == 3
    daemon.grant(token=2, count=3, parts=parts)
    await daemon.until(lambda: len(daemon.results()) == 3)


@pytest.mark.parametrize("mode", ["ro_mount", "download"])
async def test_a_missing_input_is_a_permanent_start_error_that_names_it(
    daemon: Daemon, start_agent: StartAgent, mode: str
) -> None:
    await start_agent()
    missing = pb.Input(name="model", type="uri_file", mode=mode, uri="file:///nowhere/model.bin")
    daemon.open(daemon.definition("def run(mini_batch):\n    return []\n", inputs=[missing]))
    await daemon.until(lambda: "GAVE_UP" in daemon.states())
    failed = next(each for each in daemon.instances if each.state == pb.InstanceReport.STATE_START_FAILED)
    assert failed.permanent
    assert "'model'" in failed.message
    assert "/nowhere/model.bin" in failed.message


async def test_a_command_step_publishes_its_outputs_when_it_succeeds(daemon: Daemon, start_agent: StartAgent) -> None:
    await start_agent()
    folder, file = daemon.folder / "out", daemon.folder / "result.txt"
    folder.mkdir()
    (folder / "old.txt").write_text("old")
    definition = daemon.definition(
        type="command",
        command="echo hello > ${{outputs.folder}}/new.txt; echo ${{inputs.word}} > ${{outputs.file}}; echo said",
        inputs=[pb.Input(name="word", type="literal", value="seven")],
        outputs=[
            pb.Output(name="folder", type="uri_folder", uri=uris.uri_of(folder)),
            pb.Output(name="file", type="uri_file", uri=uris.uri_of(file)),
        ],
    )
    daemon.open(definition)
    daemon.grant(token=3, count=1)
    await daemon.until(daemon.results)
    assert [path.name for path in folder.iterdir()] == ["new.txt"]
    assert file.read_text() == "seven\n"
    assert not list(daemon.folder.glob(".prs-*"))
    assert daemon.log("user/std_log_0.txt") == "said\n"
    daemon.say(close=pb.Close(step=STEP))
    await daemon.until(lambda: "CLOSED" in daemon.states())


async def test_a_failed_command_leaves_no_output_and_says_why(daemon: Daemon, start_agent: StartAgent) -> None:
    await start_agent()
    file = daemon.folder / "result.txt"
    outputs = [pb.Output(name="file", type="uri_file", uri=uris.uri_of(file))]
    command = "echo x > ${{outputs.file}}; echo no luck >&2; exit 3"
    daemon.open(daemon.definition(type="command", command=command, outputs=outputs))
    daemon.grant(token=3, count=1)
    await daemon.until(daemon.failures)
    (failure,) = daemon.failures()
    assert (failure.kind, failure.message, failure.traceback) == (
        "exception",
        "command ended with exit code 3",
        "no luck",
    )
    assert not file.exists()
    assert not list(daemon.folder.glob(".prs-*"))


async def test_a_command_over_its_limit_is_killed(daemon: Daemon, start_agent: StartAgent) -> None:
    await start_agent()
    daemon.open(daemon.definition(type="command", command="sleep 600 & sleep 600", run_timeout_s=0.3))
    daemon.grant(token=3, count=1)
    await daemon.until(daemon.failures)
    assert daemon.failures()[0].kind == "timeout"


async def test_run_raises_and_the_error_record_is_there(daemon: Daemon, start_agent: StartAgent) -> None:
    await start_agent()
    daemon.open(daemon.definition("def run(mini_batch):\n    raise ValueError('bad pixel')\n"))
    daemon.grant(token=3, count=1)
    await daemon.until(daemon.failures)
    (failure,) = daemon.failures()
    assert (failure.kind, failure.message, failure.worker) == ("exception", "ValueError: bad pixel", "process000")
    assert "bad pixel" in daemon.log("sys/error/0/process000.txt")
    assert "bad pixel" in daemon.log("user/error/0/process000.txt")


async def test_091_gpu_indexes_are_visible(daemon: Daemon, start_agent: StartAgent) -> None:
    await start_agent()
    entry = (
        "import os\ndef init():\n    print(os.environ.get('CUDA_VISIBLE_DEVICES'))\ndef run(mini_batch):\n    return []\n"
    )
    daemon.open(daemon.definition(entry, environment_variables={"AZ_BATCHAI_GPU_COUNT_FOUND": "1"}), workers=2)
    logs = daemon.folder / "step" / "logs" / "user" / "stdout" / "0"
    await eventually(lambda: _texts(logs) == ["0\n", "None\n"])


def _texts(folder: Path) -> list[str]:
    return [path.read_text() for path in sorted(folder.glob("*"))] if folder.exists() else []


async def test_user_code_does_not_see_credentials(daemon: Daemon, start_agent: StartAgent) -> None:
    await start_agent(AWS_SECRET_ACCESS_KEY="canary-1", PRS_AGENT_LOGGING_LEVEL="INFO", PLAIN="visible")
    entry = "import os\ndef run(mini_batch):\n    print(dict(os.environ))\n    return []\n"
    daemon.open(daemon.definition(entry))
    daemon.grant(token=3, count=1)
    await daemon.until(daemon.results)
    said = daemon.log("user/stdout/0/process000.stdout.txt")
    assert "visible" in said
    assert "canary" not in said
    assert "PRS_AGENT" not in said
