"""Manifest parts and mini-batches that are lists of files (spec statements 28 and 53)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from prs_agent.host.failures import LoadError
from prs_agent.host.frames import Run, Start
from prs_agent.host.loading import Loader, MiniBatchFiles
from prs_agent.host.manifest import ManifestPart
from tests.unit.host.conftest import write_part


def _loader(folder: Path, kind: str = "files") -> Loader:
    start = Start("score.py", str(folder), input_kind=kind, input_root="/data/in", manifest_dir=str(folder))
    return Loader(start, lambda message: None)


def test_28_a_mini_batch_is_the_list_of_paths_that_its_record_names(tmp_path: Path) -> None:
    names = [f"sub{number % 2}/{number}.txt" for number in range(23)]
    write_part(tmp_path / "p", {"kind": "files"}, [names[start : start + 5] for start in range(0, 23, 5)])
    loader = _loader(tmp_path)
    batches = [loader.source_of(Run(1, 0, 5, 1, "p")).load(index) for index in range(5)]
    assert [batch.items for batch in batches] == [5, 5, 5, 5, 3]
    assert [path for batch in batches for path in batch.mini_batch] == ["/data/in/" + name for name in names]


def test_53_a_file_mini_batch_is_a_list_and_knows_its_id(tmp_path: Path) -> None:
    write_part(tmp_path / "p", {"kind": "files", "first": 40}, [["a"], ["b"]])
    batch = _loader(tmp_path).source_of(Run(1, 40, 2, 1, "p")).load(41).mini_batch
    assert isinstance(batch, MiniBatchFiles)
    assert issubclass(MiniBatchFiles, list)
    assert (batch, batch.task_id) == (["/data/in/b"], "41")


def test_file_names_that_are_no_utf8_survive(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.txt")
    write_part(tmp_path / "p", {"kind": "files"}, [[name]])
    assert os.fsencode(_loader(tmp_path).source_of(Run(1, 0, 1, 1, "p")).load(0).mini_batch[0]) == b"/data/in/caf\xe9.txt"


def test_an_index_of_another_part_is_refused(tmp_path: Path) -> None:
    part = ManifestPart(str(write_part(tmp_path / "p", {"kind": "files", "first": 10}, [["a"]])))
    with pytest.raises(LoadError, match="mini-batch 11 is not in the manifest part") as caught:
        part.record(11)
    assert caught.value.permanent


@pytest.mark.parametrize("content", [b"", b"PRSMAN1\n", b"PRSMAN2\n\0\0\0\0", b"PRSMAN1\n\2\0\0\0{}"])
def test_what_is_no_manifest_part_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "p").write_bytes(content)
    with pytest.raises(LoadError, match=r"cannot read the manifest part .*/p"):
        ManifestPart(str(tmp_path / "p"))


def test_a_kind_that_this_host_does_not_know_is_refused(tmp_path: Path) -> None:
    write_part(tmp_path / "p", {"kind": "parquet"})
    with pytest.raises(LoadError, match="'parquet'"):
        _loader(tmp_path).source_of(Run(1, 0, 1, 1, "p"))


def test_only_the_last_parts_stay_open(tmp_path: Path) -> None:
    loader = _loader(tmp_path)
    for number in range(10):
        write_part(tmp_path / f"p{number}", {"kind": "files", "first": number}, [["a"]])
        loader.source_of(Run(1, number, 1, 1, f"p{number}"))
    assert len(loader._sources) == 4
