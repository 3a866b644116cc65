"""Which data folder a run gets, and what others see of it."""

import os
from pathlib import Path

import pytest

from prsctl.exit_codes import ExitCode
from prsctl.run_folders import QUERY, RUN, FolderInUse, Use, held, held_for_run, past_run_folders, use_of


@pytest.fixture(autouse=True)
def data_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    return tmp_path / "prs"


def test_the_default_folder_is_reused(data_home: Path) -> None:
    told: list[str] = []
    for _ in range(2):
        with held_for_run(None, told.append) as folder:
            assert folder.path == data_home / "runs" / "default"
    assert told == []


def test_runs_at_the_same_time_get_folders_of_their_own(data_home: Path) -> None:
    told: list[str] = []
    with (
        held_for_run(None, told.append),
        held_for_run(None, told.append) as second,
        held_for_run(None, told.append) as third,
    ):
        assert [folder.path.name for folder in (second, third)] == ["default-2", "default-3"]
    assert told == [
        f"another run is under way: this one keeps its jobs in {data_home}/runs/{name}"
        for name in ("default-2", "default-3")
    ]


def test_a_named_folder_in_use_is_a_conflict(tmp_path: Path) -> None:
    with held(tmp_path / "mine", RUN) as folder:
        folder.tell(Use(RUN, "unix:/x"))
        with pytest.raises(FolderInUse) as refused, held_for_run(tmp_path / "mine", print):
            pass
    assert refused.value.exit_code is ExitCode.CONFLICT
    assert refused.value.use == Use(RUN, "unix:/x")


def test_a_named_folder_is_made(tmp_path: Path) -> None:
    with held_for_run(tmp_path / "a" / "b", print) as folder:
        assert folder.path.is_dir()
        assert folder.path.stat().st_mode & 0o077 == 0


def test_what_is_told_replaces_what_was_told(tmp_path: Path) -> None:
    with held(tmp_path, RUN) as folder:
        folder.tell(Use(RUN, "unix:/a/long/path"))
        folder.tell(Use(QUERY, "unix:/x"))
        assert use_of(tmp_path) == Use(QUERY, "unix:/x")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}"])
def test_an_unreadable_lock_file_says_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "prsctl.lock").write_text(text)
    assert use_of(tmp_path) == Use(QUERY)


def test_past_runs_come_last_used_first(data_home: Path) -> None:
    for age_s, name in enumerate(["newest", "older", "oldest"]):
        folder = data_home / "runs" / name
        folder.mkdir(parents=True)
        (folder / "prsd.db").write_text("")
        os.utime(folder / "prsd.db", (1000 - age_s, 1000 - age_s))
    (data_home / "runs" / "empty").mkdir()
    (data_home / "runs" / "oldest" / "prsd.db-wal").write_text("")
    assert [folder.name for folder in past_run_folders()] == ["oldest", "newest", "older"]
