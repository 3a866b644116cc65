from __future__ import annotations

from pathlib import Path

import pytest

from prs_agent.inputs import InputMissingError, resolve_inputs, resolve_outputs
from prsd.base import uris
from prsd.v1 import agents_pb2 as pb

STEP = pb.StepRef(job="job", step="score")


def resolved(tmp_path: Path, **terms: str) -> str:
    definition = pb.StepDefinition(step=STEP, inputs=[pb.Input(name="x", **terms)])
    return resolve_inputs(definition, tmp_path / "downloads")["x"]


def test_a_literal_is_its_value(tmp_path: Path) -> None:
    assert resolved(tmp_path, type="literal", value="7") == "7"


@pytest.mark.parametrize("mode", ["ro_mount", "direct", "eval_mount", "eval_download"])
def test_a_local_path_is_itself(tmp_path: Path, mode: str) -> None:
    assert resolved(tmp_path, type="uri_folder", mode=mode, uri=uris.uri_of(tmp_path)) == str(tmp_path)


def test_download_is_a_copy_that_is_made_once(tmp_path: Path) -> None:
    source = tmp_path / "data"
    source.mkdir()
    (source / "a.txt").write_text("a")
    copy = Path(resolved(tmp_path, type="uri_folder", mode="download", uri=uris.uri_of(source)))
    assert copy != source
    assert (copy / "a.txt").read_text() == "a"
    (source / "b.txt").write_text("b")
    again = Path(resolved(tmp_path, type="uri_folder", mode="download", uri=uris.uri_of(source)))
    assert again == copy
    assert [path.name for path in again.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("mode", ["ro_mount", "download"])
def test_a_missing_path_is_named(tmp_path: Path, mode: str) -> None:
    with pytest.raises(InputMissingError, match=r"input 'x': there is no /nowhere on this node"):
        resolved(tmp_path, type="uri_file", mode=mode, uri="file:///nowhere")


def test_output_folders_exist_before_user_code(tmp_path: Path) -> None:
    folder, file = tmp_path / "a" / "folder", tmp_path / "b" / "rows.txt"
    outputs = [
        pb.Output(name="folder", type="uri_folder", uri=uris.uri_of(folder)),
        pb.Output(name="file", type="uri_file", uri=uris.uri_of(file)),
    ]
    paths = resolve_outputs(pb.StepDefinition(step=STEP, outputs=outputs))
    assert paths == {"folder": str(folder), "file": str(file)}
    assert folder.is_dir()
    assert file.parent.is_dir()
    assert not file.exists()
