"""What workers noted is told once, counted and bounded."""

from __future__ import annotations

from pathlib import Path

from prs_agent.notices import LIMIT, SUFFIX, WorkerNotices, collected


def noted(folder: Path, worker: str, *messages: str) -> None:
    notices = WorkerNotices(folder / f"one.boot.{worker}{SUFFIX}")
    for message in messages:
        notices.note(message)


def test_what_most_workers_said_comes_first_with_their_number(tmp_path: Path) -> None:
    noted(tmp_path, "process000", "rare", "column 'é' is wide\n")
    noted(tmp_path, "process001", "column 'é' is wide\n", "column 'é' is wide\n")
    assert collected(tmp_path) == ("column 'é' is wide\n (2 workers)", "rare")


def test_a_worker_without_notices_leaves_no_file_and_a_step_without_any_is_silent(tmp_path: Path) -> None:
    noted(tmp_path, "process000")
    assert list(tmp_path.iterdir()) == []
    assert collected(tmp_path) == ()
    assert collected(tmp_path / "nobody") == ()


def test_many_notices_are_cut_and_torn_or_foreign_lines_left_out(tmp_path: Path) -> None:
    noted(tmp_path, "process000", *(f"{number:03}" + "x" * 2000 for number in range(1000)))
    with (tmp_path / f"one.boot.process001{SUFFIX}").open("wb") as torn:
        torn.write(b'{"a": 1}\n\xff\n"000')
    told = collected(tmp_path)
    assert len(told) == LIMIT + 1
    assert told[-1].startswith(f"and {200 - LIMIT} other notices of workers")
    assert all(len(each) <= 500 for each in told)


def test_a_full_disk_does_not_stop_the_worker(tmp_path: Path) -> None:
    WorkerNotices(tmp_path / "no such folder" / "x.notices").note("said")
