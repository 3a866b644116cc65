"""`prsctl job download`: copies of a job's outputs and logs, through the daemon."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from prsctl.client import Client
from prsctl.consoles import print_data, say
from prsctl.exit_codes import ExitCode
from prsctl.failures import CommandFailed
from prsctl.options import Whereabouts
from prsctl.reach import daemon_with
from prsctl.wording import counted, size
from prsd.base.uris import join, path_of
from prsd.v1 import jobs_pb2


@dataclass(frozen=True, slots=True)
class Wish:
    """What to copy: one output (`name` or `step.name`) or all, none without `outputs`; the logs too when `logs`."""

    output: str | None = None
    outputs: bool = True
    logs: bool = False


def download(name: str, where: Whereabouts, wish: Wish, folder: Path | None) -> ExitCode:
    """Copies what is wished for below the folder, by default one of the job's name; prints the folder."""
    with daemon_with(name, where) as reached:
        job = reached.client.job(name)
        target = (folder or Path(job.name)).absolute()
        files, size_bytes = copy_files(reached.client, job, wish, target)
    say(f"{counted(files, 'file')}, {size(size_bytes)}")
    print_data(str(target))
    return ExitCode.OK


def copy_files(client: Client, job: jobs_pb2.Job, wish: Wish, target: Path) -> tuple[int, int]:
    """Copies outputs to TARGET/named-outputs/<output>/ and logs to TARGET/logs/<step>/; how many files and bytes."""
    files = size_bytes = 0
    for folder, uri in dict(_chosen(job, wish)).items():
        for file in client.files(uri):
            _copy(client, uri, file.path, target / folder)
            files, size_bytes = files + 1, size_bytes + file.size_bytes
    return files, size_bytes


def _chosen(job: jobs_pb2.Job, wish: Wish) -> Iterator[tuple[str, str]]:
    """Folders below the target, and the URIs whose files go there."""
    of_steps = {f"{step.name}.{name}": uri for step in job.steps for name, uri in step.outputs.items()}
    outputs = {**of_steps, **job.outputs}
    if wish.output is not None and wish.output not in outputs:
        known = ", ".join(sorted(outputs)) or "none"
        raise CommandFailed(f"job {job.name} has no output {wish.output!r}: its outputs are {known}", ExitCode.NOT_FOUND)
    if wish.outputs:
        for name in [wish.output] if wish.output is not None else sorted(job.outputs or of_steps):
            yield f"named-outputs/{name}", outputs[name]
    if wish.logs:
        for step in job.steps:
            if step.logs_uri:
                yield f"logs/{step.name}", step.logs_uri


def _copy(client: Client, uri: str, path: str, folder: Path) -> None:
    """Copies one file; a `path` that would leave the folder is refused, and a half copied file is never left behind."""
    try:
        source = join(uri, path) if path else uri
    except ValueError:
        raise CommandFailed(f"the daemon names a file outside its folder: {path!r}") from None
    target = folder / (path or path_of(uri).name)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.part")
    try:
        with partial.open("wb") as stream:
            for data in client.read(source):
                stream.write(data)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
