"""A program's configuration file: the options of its command line as YAML, checked as a whole by a pydantic model.

What a file says is put before the command line's own words, so that these win and every value is read by one parser.
Whoever has no file pays nothing: pydantic and PyYAML are imported when one is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import BaseModel

OPTION = "--config"


class ConfigFileError(Exception):
    """The file cannot be used; the message names every problem."""


def file_in(argv: Sequence[str]) -> Path | None:
    """The file that a command line names, before anything else of it is understood."""
    for place, word in enumerate(argv):
        if word == OPTION and place + 1 < len(argv):
            return Path(argv[place + 1])
        if word.startswith(f"{OPTION}="):
            return Path(word.partition("=")[2])
    return None


def arguments_in(path: Path, options: type[BaseModel]) -> list[str]:
    """The file's options as words of a command line. ConfigFileError when it is not there or not as `options` wants it."""
    import yaml
    from pydantic import ValidationError

    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigFileError(f"{path} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigFileError(f"{path} is not YAML: {error}") from None
    try:
        checked = options.model_validate({} if document is None else document)
    except ValidationError as error:
        problems = [_problem(each["loc"], each["msg"]) for each in error.errors()]
        raise ConfigFileError(f"{path}: {'; '.join(problems)}") from None
    return _words(checked)


def _problem(place: tuple[int | str, ...], message: str) -> str:
    key = ".".join(map(str, place))
    return f"{key}: {message}" if key else message


def _words(checked: BaseModel) -> list[str]:
    words: list[str] = []
    for name, value in checked.model_dump(exclude_none=True).items():
        option = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            words += [option] if value else []
        else:
            for each in value if isinstance(value, list) else [value]:
                words += [option, str(each)]
    return words
