"""config.json: where azure-ai-ml looks for it, and what it says."""

import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path

from azure.ai.ml.exceptions import ValidationException

_FOLDERS = (".azureml", "aml_config", "")
_NAMES = ("config.json", "project.json")


def read_workspace_file(start: Path, file_name: str | None = None) -> dict[str, str]:
    """The texts in the nearest workspace file, from `start` upwards; nothing when there is none.

    ValidationException when it is no JSON object, or when `start` or `file_name` names a file that is not there.
    """
    file = start if start.is_file() else next(_candidates(start, file_name), None)
    if file is None:
        if file_name is not None or not start.exists():
            raise _refusal(f"there is no {file_name or start} in {start.absolute()} or above it")
        return {}
    try:
        content = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise _refusal(f"{file} cannot be read: {error}") from None
    if not isinstance(content, dict):
        raise _refusal(f"{file} does not hold a JSON object")
    return {key: value for key, value in content.items() if isinstance(value, str)}


def _candidates(start: Path, file_name: str | None) -> Iterator[Path]:
    names = (file_name,) if file_name else _NAMES
    for folder, name in product(_FOLDERS, names):
        for place in (start.absolute(), *start.absolute().parents):
            if (place / folder / name).is_file():
                yield place / folder / name


def _refusal(message: str) -> Exception:
    refusal: Exception = ValidationException(message=message, no_personal_data_message="the workspace file cannot be used")
    return refusal
