"""Statement 44, and the other rules of patterns in spec section 4.4."""

from __future__ import annotations

from pathlib import Path

import pytest

from prs_agent.division.notices import Notices
from prs_agent.division.patterns import match_files
from prs_agent.division.problems import MLTableError


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in (
        "1.csv",
        "10.csv",
        "11.csv",
        "2.csv",
        "B.csv",
        "a.csv",
        ".hidden.csv",
        "x.txt",
        "sub/c.csv",
        "sub/deep/d.csv",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def matched(root: Path, pattern: str) -> list[str]:
    return list(match_files(str(root), pattern, Notices()))


def test_44_a_star_does_not_enter_folders_and_names_are_in_byte_order(tree: Path) -> None:
    assert matched(tree, "./*.csv") == [".hidden.csv", "1.csv", "10.csv", "11.csv", "2.csv", "B.csv", "a.csv"]


def test_44_two_stars_stand_for_no_folder_or_many(tree: Path) -> None:
    assert matched(tree, "./**/*.csv")[-2:] == ["sub/c.csv", "sub/deep/d.csv"]
    assert len(matched(tree, "./**/*.csv")) == 9
    assert matched(tree, "./**/deep/*") == ["sub/deep/d.csv"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("sub/*", ["sub/c.csv"]),
        ("./?.csv", ["1.csv", "2.csv", "B.csv", "a.csv"]),
        ("./[1a].csv", ["1.csv", "a.csv"]),
        ("./[!1-9].csv", ["B.csv", "a.csv"]),
        ("./s*/*/*.csv", ["sub/deep/d.csv"]),
        ("./*", [".hidden.csv", "1.csv", "10.csv", "11.csv", "2.csv", "B.csv", "a.csv", "x.txt"]),
        ("./x.txt", ["x.txt"]),
        ("./*.nothing", []),
    ],
)
def test_wildcards(tree: Path, pattern: str, expected: list[str]) -> None:
    assert matched(tree, pattern) == expected


def test_an_absolute_pattern_gives_absolute_paths(tree: Path) -> None:
    assert matched(Path("/"), f"{tree}/sub/*.csv") == [f"{tree}/sub/c.csv"]


@pytest.mark.parametrize("pattern", ["./**", "**", "./sub/**"])
def test_folders_alone_match_nothing(tree: Path, pattern: str) -> None:
    with pytest.raises(MLTableError, match=r"write .*/\*"):
        matched(tree, pattern)
