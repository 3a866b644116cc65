"""Division in this process: small inputs, and what the manifest then says, read by the host's own reader."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from prs_agent.division.divide import divide
from prs_agent.division.job import Division, Input, Limits, Part, parse_job
from prs_agent.division.manifest import ManifestWriter
from prs_agent.division.notices import Notices
from prs_agent.host.manifest import ManifestPart


class Divided(NamedTuple):
    """A division: its announced parts, opened, and its notices."""

    kind: str
    announced: list[Part]
    parts: list[ManifestPart]
    notices: list[str]

    @property
    def mini_batches(self) -> int:
        """How many in all."""
        return sum(part.mini_batches for part in self.announced)

    def records(self) -> list[Any]:
        """The record of every mini-batch."""
        return [part.record(index) for part in self.parts for index in range(part.first, part.first + part.count)]


def run_division(
    path: Path,
    storage: Path,
    *,
    type: str = "uri_folder",  # noqa: A002 (the job's own word)
    unit: str = "default",
    size: int = 0,
    recorded: list[Part] | None = None,
    token: int = 1,
    limits: Limits | None = None,
    infer_schema: str = "sample",
    partition_keys: list[str] | None = None,
) -> Divided:
    """Divide `path` into `storage`."""
    body = {"storage": str(storage), "token": token, "input": {"type": type, "path": str(path)}, "division": {}}
    job = parse_job(body)._replace(
        input=Input(type, "ro_mount", str(path)),
        division=Division(unit, size, partition_keys or [], infer_schema, False),
        recorded=recorded or [],
        limits=limits or Limits(),
    )
    announced: list[Part] = []
    notices = Notices()
    kind = divide(job, ManifestWriter(job, announced.append), notices)
    parts = [ManifestPart(str(storage / "manifest" / part.name)) for part in announced]
    return Divided(kind, announced, parts, notices.lines())


def write_table(folder: Path, files: dict[str, bytes | str], read: str = "read_delimited", paths: str = "") -> Path:
    """An MLTable folder; `read` is the YAML of its one transformation, `paths` of its paths (default: the files)."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    listed = paths or "".join(f"  - file: ./{name}\n" for name in files)
    transformations = f"transformations:\n  - {read}\n" if read else ""
    (folder / "MLTable").write_text(f"type: mltable\npaths:\n{listed}{transformations}")
    return folder
