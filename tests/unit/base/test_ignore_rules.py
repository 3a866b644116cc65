"""The rules are git's: every pattern here is also put to git itself."""

import subprocess
from pathlib import Path

import pytest

from prsd.base.ignore_rules import IgnoreRules

NAMES = [
    "a",
    "a.txt",
    "b.txt",
    "#c",
    "!d",
    "e ",
    "build/x.o",
    "build/keep.txt",
    "src/a.txt",
    "src/build/y",
    "src/deep/er/a.txt",
    "src/deep/z",
    "data/x.csv",
    "data/sub/y.csv",
    "x[1]",
    "x1",
    "x-",
    "ä/é.txt",
]

PATTERNS = [
    "a",
    "*.txt",
    "/a.txt",
    "build/",
    "/build/",
    "build",
    "src/build",
    "src/*",
    "src/**",
    "**/a.txt",
    "src/**/a.txt",
    "**",
    "*.txt\n!a.txt",
    "build/\n!build/keep.txt",
    "build/*\n!build/keep.txt",
    "# a\n\na.txt  ",
    "\\#c",
    "\\!d",
    "e\\ ",
    "x[0-9]",
    "x[!0-9]",
    "x\\[1\\]",
    "x?",
    "x[]-]",
    "data/*.csv",
    "data/**/*.csv",
    "a.txt/",
    "d*a",
    "ä/",
    "a**t",
    "/",
    "!",
    "x[",
    "a.txt\r",
]


def _kept(folder: Path, rules: IgnoreRules) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and ".git" not in path.parts and not _is_out(path.relative_to(folder), rules)
    }


def _is_out(path: Path, rules: IgnoreRules) -> bool:
    return any(rules.leave_out(folder.as_posix(), True) for folder in list(path.parents)[:-1]) or rules.leave_out(
        path.as_posix(), False
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rules")
    for name in NAMES:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    subprocess.run(["git", "init", "-q", folder], check=True)
    return folder


@pytest.mark.parametrize("text", PATTERNS)
def test_the_same_files_stay_as_with_git(folder: Path, text: str) -> None:
    (folder / ".gitignore").write_bytes(text.encode())
    listed = subprocess.run(
        ["git", "-c", "core.excludesFile=/dev/null", "ls-files", "-z", "--others", "--exclude-standard"],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    assert _kept(folder, IgnoreRules.of_folder(folder)) == set(listed.stdout.decode().split("\0")) - {""}


def test_amlignore_takes_the_place_of_gitignore(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("a\n")
    (tmp_path / ".amlignore").write_text("b\n")
    rules = IgnoreRules.of_folder(tmp_path)
    assert (rules.leave_out("a", False), rules.leave_out("b", False)) == (False, True)


@pytest.mark.parametrize(
    ("name", "is_folder"), [("x/__pycache__", True), ("m.pyc", False), (".git", True), ("s/.git", False)]
)
def test_what_no_snapshot_holds_cannot_be_taken_back(name: str, is_folder: bool) -> None:
    assert IgnoreRules("!*\n").leave_out(name, is_folder)
