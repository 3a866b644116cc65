"""Where `MLClient.from_config` finds config.json."""

from pathlib import Path

import pytest
from azure.ai.ml.exceptions import ValidationException

from prsctl.sdk.workspace_file import read_workspace_file


def test_the_nearest_file_upwards_is_read_and_none_is_needed(tmp_path: Path) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    assert read_workspace_file(below) == {}
    (tmp_path / "config.json").write_text('{"workspace_name": "far", "number": 1}')
    assert read_workspace_file(below) == {"workspace_name": "far"}
    (tmp_path / "a" / "config.json").write_text('{"workspace_name": "near"}')
    assert read_workspace_file(below) == {"workspace_name": "near"}
    (tmp_path / ".azureml").mkdir()
    (tmp_path / ".azureml" / "config.json").write_text('{"workspace_name": "first"}')
    assert read_workspace_file(below) == {"workspace_name": "first"}
    (tmp_path / "other.json").write_text('{"server": "unix:/x"}')
    assert read_workspace_file(below, "other.json") == {"server": "unix:/x"}
    assert read_workspace_file(tmp_path / "other.json") == {"server": "unix:/x"}


@pytest.mark.parametrize("content", ["{", "[1]"])
def test_what_cannot_be_read_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(ValidationException, match=r"config\.json"):
        read_workspace_file(tmp_path)


def test_a_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ValidationException, match=r"there is no mine.json"):
        read_workspace_file(tmp_path, "mine.json")
    with pytest.raises(ValidationException, match="there is no"):
        read_workspace_file(tmp_path / "missing.json")
