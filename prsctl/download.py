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
    """What to copy: one output (`name` or `step.name`) or all, the logs too when `logs`; below `folder`."""

    output: str | None = None
    logs: bool = False
    folder: Path | None = None


def download(name: str, where: Whereabouts, wish: Wish) -> ExitCode:
    """Copies outputs to FOLDER/named-outputs/<output>/ and logs to FOLDER/logs/<step>/; prints the folder."""
    with daemon_with(name, where) as reached:
        job = reached.client.job(name)
        target = (wish.folder or Path(job.name)).absolute()
        chosen = dict(_chosen(job, wish))
        files = size_bytes = 0
        for folder, uri in chosen.items():
            for file in reached.client.files(uri):
                _copy(reached.client, uri, file.path, target / folder)
                files, size_bytes = files + 1, size_bytes + file.size_bytes
    say(f"{counted(files, 'file')}, {size(size_bytes)}")
    print_data(str(target))
    return ExitCode.OK


def _chosen(job: jobs_pb2.Job, wish: Wish) -> Iterator[tuple[str, str]]:
    """Folders below the target, and the URIs whose files go there."""
    of_steps = {f"{step.name}.{name}": uri for step in job.steps for name, uri in step.outputs.items()}
    outputs = {**of_steps, **job.outputs}
    if wish.output is not None and wish.output not in outputs:
        known = ", ".join(sorted(outputs)) or "none"
        raise CommandFailed(f"job {job.name} has no output {wish.output!r}: its outputs are {known}", ExitCode.NOT_FOUND)
    wanted = [wish.output] if wish.output is not None else sorted(job.outputs or of_steps)
    for name in wanted:
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
