"""What the agent asks of a division: the body of its one frame, checked and typed."""

from __future__ import annotations

from typing import Any, NamedTuple

DEFAULT_FILES = 10
DEFAULT_SIZE_BYTES = 1024 * 1024


class Part(NamedTuple):
    """An immutable file of the manifest: `mini_batches` of them from index `first`.

    `items` is the number of their items, 0 where it is unknown before they are read; `digest` is the sha256 of what the part
    says, without what may differ between two divide attempts.
    """

    name: str
    first: int
    mini_batches: int
    items: int
    digest: str

    def to_json(self) -> dict[str, Any]:
        """The body of the frame that announces it."""
        names = ("name", "first", "count", "items", "digest")
        return dict(zip(names, self, strict=True))


class Input(NamedTuple):
    """The input that is divided, already on this machine."""

    type: str
    mode: str
    path: str


class Division(NamedTuple):
    """How the input is cut; `unit` is "default", "plain", "bytes" or "rows"."""

    unit: str
    size: int
    partition_keys: list[str]
    infer_schema: str
    strict_types: bool


class Limits(NamedTuple):
    """How large manifest parts become.

    The first part is small, so that the first `run()` need not wait for a long listing; each later one is `growth` times
    larger, up to `largest_part`. Both count mini-batches of a file list, or files of a table.
    """

    first_part: int = 100
    growth: int = 10
    largest_part: int = 100_000
    largest_part_bytes: int = 16 * 1024 * 1024


class DivideJob(NamedTuple):
    """One divide attempt. `storage` is the step's own folder; `recorded` are the parts that an earlier attempt recorded."""

    storage: str
    token: int
    input: Input
    division: Division
    recorded: list[Part]
    limits: Limits


def parse_job(body: dict[str, Any]) -> DivideJob:
    """The job that a decoded frame asks for; KeyError or TypeError when the frame is not what the protocol says."""
    division = body["division"]
    return DivideJob(
        storage=body["storage"],
        token=int(body["token"]),
        input=Input(body["input"]["type"], body["input"].get("mode", ""), body["input"]["path"]),
        division=Division(
            unit=division.get("unit", "default"),
            size=int(division.get("size", 0)),
            partition_keys=list(division.get("partition_keys") or []),
            infer_schema=division.get("infer_schema") or "sample",
            strict_types=bool(division.get("strict_types", False)),
        ),
        recorded=[_recorded(part) for part in body.get("recorded_parts") or []],
        limits=Limits(**body.get("limits") or {}),
    )


def _recorded(part: dict[str, Any]) -> Part:
    return Part(part["name"], int(part["first"]), int(part["count"]), int(part.get("items", 0)), part["digest"])
