"""`python -m prs_agent.outputs`, spoken to as the agent does, and killed at every step of its way to the disk."""

from __future__ import annotations

import base64
import hashlib
import shutil
import signal
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from prs_agent.outputs.attempts import AttemptLog, AttemptRange
from prs_agent.outputs.plan import CommitRange
from tests.integration.division.program import Frame, Outcome, run_program
from tests.unit.outputs.segment_files import Segments, text, with_header


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    (tmp_path / "step" / "attempts").mkdir(parents=True)
    log = AttemptLog(tmp_path / "step" / "attempts" / "a.b.process000.jsonl")
    log.append(AttemptRange("process000", 0, "node-a", 1, 0, 4, 1, 1.7e9, 5, 10, 2, 2, "RUN_DONE"))
    log.close()
    return tmp_path / "step"


def frame_range(found: CommitRange) -> dict[str, Any]:
    block = None
    if found.ref:
        lengths = base64.b64encode(found.lengths).decode()
        block = {**found.ref._asdict(), "lengths_b64": lengths}
    return {"first": found.first, "count": found.size, "block": block, "block_first": found.block_first}


def frames(storage: Path, ranges: Iterable[CommitRange], **changes: Any) -> list[Frame]:
    job = {
        "storage": str(storage),
        "token": 8,
        "publish": True,
        "append_row": {"format": "text", "dataframe_header": False},
        "target": str(storage.parent / "data" / "deep" / "rows.txt"),
        "expected": {},
        "input_root": "",
    }
    plans: list[Frame] = [(b"P", {"ranges": [frame_range(found)]}) for found in ranges]
    return [(b"J", {**job, **changes}), *plans, (b"E", None)]


def run_commit(sent: list[Frame], before: tuple[str, ...] = ()) -> Outcome:
    return run_program("prs_agent.outputs", sent, before)


def four_mini_batches(storage: Path) -> list[CommitRange]:
    segments = Segments(storage / "segments")
    later = segments.add(2, text("c"), b"", worker="process001")
    return [segments.add(0, text("a", "b"), b"", worker="process000"), later]


def test_rows_are_published_and_reports_written(storage: Path) -> None:
    outcome = run_commit(frames(storage, four_mini_batches(storage), expected={"succeeded": 3}))

    target = storage.parent / "data" / "deep" / "rows.txt"
    assert target.read_bytes() == b"a\nb\nc\n"
    digest = hashlib.sha256(b"a\nb\nc\n").hexdigest()
    assert outcome.frames == [(b"e", {"size_bytes": 6, "digest": digest, "rows": 3, "notices": []})]
    assert outcome.exit_code == 0
    reports = storage / "logs" / "sys" / "job_report"
    assert sorted(path.name for path in reports.iterdir()) == [
        "node_summary.csv",
        "process_summary.csv",
        "processed_mini-batches.csv",
    ]
    assert len((reports / "processed_mini-batches.csv").read_text().splitlines()) == 5


def test_elements_with_line_ends_are_a_notice(storage: Path) -> None:
    ranges = [Segments(storage / "segments").add(0, text("one\ntwo"))]

    _, body = run_commit(frames(storage, ranges, expected={"succeeded": 1})).last()

    assert body["rows"] == 1
    assert body["notices"] == ["returned elements hold line ends: 1 rows take 2 lines of the output"]


def test_without_publishing_only_the_reports_are_written(storage: Path) -> None:
    outcome = run_commit(frames(storage, four_mini_batches(storage), publish=False))

    assert outcome.last() == (b"e", {"size_bytes": 0, "digest": "", "rows": 0, "notices": []})
    assert not (storage.parent / "data").exists()
    assert (storage / "logs" / "sys" / "job_report" / "node_summary.csv").exists()


def test_without_a_target_rows_are_only_counted_elsewhere(storage: Path) -> None:
    outcome = run_commit(frames(storage, [CommitRange(0, 4)], target=""))

    assert outcome.last() == (b"e", {"size_bytes": 0, "digest": "", "rows": 0, "notices": []})


def test_a_plan_that_overlaps_is_refused(storage: Path) -> None:
    first, second = four_mini_batches(storage)

    kind, body = run_commit(frames(storage, [second, first])).last()

    assert (kind, body["kind"], body["permanent"]) == (b"x", "plan", False)


def test_a_target_that_is_a_folder_is_a_lasting_failure(storage: Path) -> None:
    (storage.parent / "data" / "deep" / "rows.txt").mkdir(parents=True)

    outcome = run_commit(frames(storage, four_mini_batches(storage)))

    kind, body = outcome.last()
    assert (kind, body["kind"], body["permanent"]) == (b"x", "output", True)
    assert "rows.txt: Is a directory" in body["message"]
    assert outcome.exit_code == 1


def test_a_damaged_segment_names_file_and_offset(storage: Path) -> None:
    ranges = four_mini_batches(storage)
    path = storage / "segments" / "agent.boot.process001.seg"
    path.write_bytes(path.read_bytes()[:-1] + b"?")

    _, body = run_commit(frames(storage, ranges)).last()

    assert body["kind"] == "segment"
    assert f"{path}: the block at 40 is damaged" in body["message"]


# What stands between an empty folder and a published file, as far as the kernel sees it.
CALLS = ("mkdir", "openat", "write", "fsync", "rename", "unlink")


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("call", CALLS)
def test_a_commit_that_was_killed_at_any_call_is_made_good_by_the_next(storage: Path, call: str) -> None:
    segments = Segments(storage / "segments")
    ranges = [segments.add(0, text("x" * 1_500_000), with_header("h", "y" * 1_500_000))]
    sent = frames(storage, ranges)
    folder = storage.parent / "data"
    assert run_commit(sent).exit_code == 0
    expected = (folder / "deep" / "rows.txt").read_bytes()

    kills = 0
    for number in _points(call):
        shutil.rmtree(folder)
        trace = ("strace", "-f", "-qq", "-o", "/dev/null", "-P", str(folder), "-P", str(folder / "deep"))
        paths = [("-P", str(path)) for path in _paths_of(folder / "deep" / "rows.txt")]
        inject = ("-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={number}")
        killed = run_commit(sent, (*trace, *(word for pair in paths for word in pair), *inject))
        if killed.exit_code == 0:
            break
        assert killed.exit_code == -signal.SIGKILL, killed.printed
        kills += 1
        assert (folder / "deep" / "rows.txt").exists() is False or (folder / "deep" / "rows.txt").read_bytes() == expected

        again = run_commit([(b"J", {**sent[0][1], "token": 9}), *sent[1:]])

        assert again.exit_code == 0
        assert (folder / "deep" / "rows.txt").read_bytes() == expected
        assert [path.name for path in (folder / "deep").iterdir()] == ["rows.txt"]
    assert kills >= 1


def _points(call: str) -> Iterable[int]:
    """The numbers of the calls at which the process is killed, one after the other; the test stops when none was hit."""
    return range(1, 40 if call == "openat" else 20)


def _paths_of(target: Path) -> list[Path]:
    """The temporary names of the first attempt, and what they become."""
    mark = hashlib.sha256(target.name.encode()).hexdigest()[:16]
    return [
        target.with_name(f".prs-{mark}-8.tmp"),
        target.with_name(f".prs-{mark}-8.copy.tmp"),
        target,
        target.parent.parent,
    ]
