"""From a pipeline file to a submitted job, the same for `run` and `submit`."""

import json
import tempfile
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prsctl.exit_codes import ExitCode
from prsctl.failures import CommandFailed, InvalidPipeline, Problem

if TYPE_CHECKING:
    from prsctl.client import Client
    from prsd.spec import LoadedPipeline
    from prsd.v1 import jobs_pb2


@dataclass(frozen=True, slots=True)
class Submission:
    """A checked pipeline, ready to be sent."""

    loaded: "LoadedPipeline"
    name: str = ""

    def send(self, client: "Client", *, dry: bool = False) -> "jobs_pb2.SubmitJobResponse":
        """Uploads the code that the daemon lacks and submits the job; `dry` only has it checked, and uploads nothing."""
        document = _with_snapshots(self.loaded.document, self._snapshots(None if dry else client))
        name = self.name or self.loaded.pipeline.name or ""
        return client.submit(json.dumps(document), name=name, request_id=uuid.uuid4().hex, dry=dry)

    def _snapshots(self, client: "Client | None") -> dict[str, str]:
        """By local code folder: the name of its snapshot, which the daemon of `client` then holds."""
        from prsd.base.snapshots import SnapshotError, pack

        folders = sorted({step.code for step in self.loaded.pipeline.steps if step.code and step.code.startswith("/")})
        with tempfile.TemporaryDirectory(prefix="prs-") as scratch:
            try:
                packed = {folder: pack(Path(folder), Path(scratch)) for folder in folders}
            except SnapshotError as error:
                raise InvalidPipeline([Problem("", str(error))]) from None
            if client is not None and packed:
                _upload({snapshot.digest: snapshot.path for snapshot in packed.values()}, client)
        return {folder: f"snapshot:{snapshot.digest}" for folder, snapshot in packed.items()}


@dataclass(frozen=True, slots=True)
class Resumption:
    """A job that goes on from a failed or canceled one; the daemon has its pipeline and its code."""

    former: str
    name: str = ""

    def send(self, client: "Client", *, dry: bool = False) -> "jobs_pb2.SubmitJobResponse":
        """Submits the job; `dry` only has the daemon say whether it would accept it."""
        return client.submit(resume_from=self.former, name=self.name, request_id=uuid.uuid4().hex, dry=dry)


def wanted(file: Path | None, overrides: Sequence[str], name: str, resume_from: str) -> Submission | Resumption:
    """What the person asked for: a pipeline FILE, or a job to go on from; CommandFailed (usage) unless exactly one."""
    if file is not None and not resume_from:
        return Submission(load(file, overrides), name)
    if file is not None or overrides:
        raise CommandFailed(
            "a resumed job has the pipeline of the one that it goes on from: leave FILE, --set and --force-rerun out, or "
            "submit FILE anew",
            ExitCode.USAGE,
        )
    if not resume_from:
        raise CommandFailed("name a pipeline FILE, or a job with --resume-from", ExitCode.USAGE)
    return Resumption(resume_from, name)


def load(file: Path, overrides: Sequence[str]) -> "LoadedPipeline":
    """The checked pipeline of a file with `--set key.path=value` overrides applied."""
    from prsd.spec import load_pipeline

    return loaded(lambda: load_pipeline(file, overrides))


def loaded(read: Callable[[], "LoadedPipeline"]) -> "LoadedPipeline":
    """What `read` gives, its refusal as ours."""
    from prsd.spec import InvalidPipeline as Refused

    try:
        return read()
    except Refused as refused:
        raise InvalidPipeline(
            [Problem(each.path, each.message, each.file, each.line) for each in refused.problems]
        ) from None


def _upload(packed: Mapping[str, Path], client: "Client") -> None:
    for digest in sorted(client.missing_snapshots(packed)):
        client.upload_snapshot(digest, packed[digest])


def _with_snapshots(holder: Mapping[str, Any], snapshots: Mapping[str, str]) -> dict[str, Any]:
    """A pipeline, step, component or task with every local code folder replaced by the name of its snapshot."""
    changed = dict(holder)
    if isinstance(holder.get("code"), str):
        changed["code"] = snapshots.get(holder["code"], holder["code"])
    for key in ("component", "task"):
        if isinstance(holder.get(key), Mapping):
            changed[key] = _with_snapshots(holder[key], snapshots)
    if isinstance(holder.get("jobs"), Mapping):
        changed["jobs"] = {name: _with_snapshots(step, snapshots) for name, step in holder["jobs"].items()}
    return changed
