"""What lies at a URI is the same as long as the names, sizes and times of its files are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from prsd.base.uris import uri_of
from prsd.reuse.fingerprints import ABSENT, TooManyFiles, Unseen, fingerprint


def tree(folder: Path) -> Path:
    (folder / "sub" / "deep").mkdir(parents=True)
    for name in ("a", "b", "sub/a", "sub/deep/c"):
        file = folder / name
        file.write_text(name)
        os.utime(file, ns=(1, 1_000_000_000))
    return folder


def seen(folder: Path) -> str:
    return fingerprint(uri_of(folder), "uri_folder")


def test_equal_trees_have_equal_fingerprints_wherever_they_lie(tmp_path: Path) -> None:
    assert seen(tree(tmp_path / "one")) == seen(tree(tmp_path / "two"))


def test_every_difference_of_names_sizes_and_times_shows(tmp_path: Path) -> None:
    folder = tree(tmp_path / "tree")
    found = [seen(folder)]
    (folder / "sub/a").rename(folder / "sub/b")
    found.append(seen(folder))
    (folder / "sub/b").rename(folder / "sub/deep/b")
    found.append(seen(folder))
    os.utime(folder / "a", ns=(1, 2_000_000_000))
    found.append(seen(folder))
    (folder / "b").write_text("longer")
    os.utime(folder / "b", ns=(1, 1_000_000_000))
    found.append(seen(folder))
    (folder / "sub/deep/c").unlink()
    found.append(seen(folder))
    assert len(set(found)) == len(found)


def test_a_file_behind_a_link_counts_and_a_loop_ends(tmp_path: Path) -> None:
    folder, elsewhere = tree(tmp_path / "tree"), tree(tmp_path / "elsewhere")
    (folder / "loop").symlink_to(folder)
    (folder / "linked").symlink_to(elsewhere)
    (folder / "nowhere").symlink_to(tmp_path / "nothing")
    before = seen(folder)
    assert seen(folder) == before
    (elsewhere / "sub/a").write_text("something else")
    assert seen(folder) != before


def test_a_single_file_and_nothing_at_all(tmp_path: Path) -> None:
    file = tree(tmp_path / "tree") / "a"
    before = fingerprint(uri_of(file), "uri_file")
    file.write_text("aa")
    assert fingerprint(uri_of(file), "uri_file") not in (before, ABSENT)
    file.unlink()
    assert fingerprint(uri_of(file), "uri_file") == ABSENT


def test_no_more_files_are_looked_at_than_the_bound(tmp_path: Path) -> None:
    folder = tree(tmp_path / "tree")
    assert fingerprint(uri_of(folder), "uri_folder", 4) == seen(folder)
    with pytest.raises(TooManyFiles, match="more than 3 files"):
        fingerprint(uri_of(folder), "uri_folder", 3)


@pytest.mark.parametrize("uri", ["s3://bucket/data", "https://example.org/a.csv", "file://another/data"])
def test_what_lies_elsewhere_is_not_seen(uri: str) -> None:
    with pytest.raises(Unseen):
        fingerprint(uri, "uri_folder")


@pytest.mark.parametrize(
    "entry",
    ["file: ../data/a", "folder: ../data/sub", "pattern: ../data/*/*", "pattern: ../data/sub/**/c", "folder: file://{data}"],
)
def test_a_table_is_what_it_names_outside_its_folder(tmp_path: Path, entry: str) -> None:
    data = tree(tmp_path / "data")
    table = tmp_path / "table"
    table.mkdir()
    (table / "MLTable").write_text(f"paths:\n  - {entry.format(data=data)}\n")
    before = fingerprint(uri_of(table), "mltable")
    assert fingerprint(uri_of(table), "mltable") == before
    for name in ("a", "sub/a", "sub/deep/c"):
        (data / name).write_text("something else")
    assert fingerprint(uri_of(table), "mltable") != before


def test_a_table_of_data_elsewhere_is_not_seen(tmp_path: Path) -> None:
    (tmp_path / "MLTable").write_text("paths:\n  - file: https://example.org/a.csv\n")
    with pytest.raises(Unseen, match=r"example\.org"):
        fingerprint(uri_of(tmp_path), "mltable")
    (tmp_path / "MLTable").write_text("paths: [")
    with pytest.raises(Unseen, match="YAML"):
        fingerprint(uri_of(tmp_path), "mltable")
