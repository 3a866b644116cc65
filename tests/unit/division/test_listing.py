"""The order of a listing, and what it takes and leaves."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from prs_agent.division.listing import list_files
from prs_agent.division.notices import Notices
from prs_agent.division.problems import InputError


def listed(root: Path) -> list[str]:
    return list(list_files(str(root), Notices()))


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_files_come_depth_first_in_the_byte_order_of_each_component(tmp_path: Path) -> None:
    touch(tmp_path, "a.txt", "a/z", "a/b/1", "B", "10", "2", "a-b", "ä")

    assert listed(tmp_path) == ["10", "2", "B", "a/b/1", "a/z", "a-b", "a.txt", "ä"]


def test_the_order_is_that_of_comparing_paths_component_by_component(tmp_path: Path) -> None:
    touch(tmp_path, "x/y/1", "x/y.txt", "x/y-1/2", "x.d/0", "x/Y", ".hidden/.file", "😀", "ﬀ")

    found = listed(tmp_path)

    assert found == sorted(found, key=lambda path: [os.fsencode(part) for part in path.split("/")])
    assert len(found) == 8


def test_names_that_are_not_utf8_survive(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9")).touch()

    assert [os.fsencode(path) for path in listed(tmp_path)] == [b"caf\xe9"]


def test_links_are_followed_but_loops_are_not(tmp_path: Path) -> None:
    touch(tmp_path / "elsewhere", "one", "two")
    root = tmp_path / "root"
    touch(root, "sub/file")
    (root / "file-link").symlink_to(tmp_path / "elsewhere" / "one")
    (root / "folder-link").symlink_to(tmp_path / "elsewhere")
    (root / "sub" / "loop").symlink_to(root)
    (root / "broken").symlink_to(root / "nowhere")
    notices = Notices()

    found = list(list_files(str(root), notices))

    assert found == ["file-link", "folder-link/one", "folder-link/two", "sub/file"]
    assert any("nowhere" in line for line in notices.lines())
    assert any("contains it" in line and "loop" in line for line in notices.lines())


def test_what_is_no_file_is_skipped_with_one_notice(tmp_path: Path) -> None:
    touch(tmp_path, "file")
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(tmp_path / "socket"))
        notices = Notices()

        assert list(list_files(str(tmp_path), notices)) == ["file"]
    assert len(notices.lines()) == 1
    assert "and 1 more" in notices.lines()[0]


def test_a_missing_folder_is_a_lasting_problem(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist") as raised:
        listed(tmp_path / "nowhere")
    assert raised.value.permanent


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_a_lasting_problem(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0)

    with pytest.raises(InputError, match="not readable") as raised:
        listed(tmp_path)
    assert raised.value.permanent


def test_a_folder_that_vanishes_meanwhile_may_be_listed_again(tmp_path: Path) -> None:
    touch(tmp_path, "a", "sub/file")
    found = list_files(str(tmp_path), Notices())
    assert next(found) == "a"
    (tmp_path / "sub" / "file").unlink()
    (tmp_path / "sub").rmdir()

    with pytest.raises(InputError, match="vanished") as raised:
        next(found)
    assert not raised.value.permanent
