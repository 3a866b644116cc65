"""What several verbs are told. Imports next to nothing, because `cli` needs it to declare the options."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Format(StrEnum):
    """Forms of output; all but TABLE are for programs."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"
    JSONL = "jsonl"
    NAME = "name"


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """What the person said about where the daemon is; None: nothing."""

    server: str | None = None
    data: Path | None = None
