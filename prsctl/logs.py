"""`prsctl job logs`: what the scripts of a job have printed."""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from prsctl.client import Client
from prsctl.consoles import say
from prsctl.documents import is_final, state_name
from prsctl.exit_codes import ExitCode
from prsctl.failures import CommandFailed, Unreachable
from prsctl.options import Whereabouts
from prsctl.patience import Patience
from prsctl.reach import daemon_with
from prsd.base.uris import join
from prsd.v1 import jobs_pb2

_USER = ("user/stdout/", "user/stderr/", "user/entry_script_log/")
_FAILED = ("user/error/", "user/stderr/", "job_error.txt", "job_result.txt")
_EVERYTHING = ("",)
_LOOK_EVERY_S = 0.5


@dataclass(frozen=True, slots=True)
class Choice:
    """Which logs: of one step or all; `failed`: errors, of steps with failed mini-batches; `everything`: ours too."""

    step: str | None = None
    failed: bool = False
    everything: bool = False

    def covers(self, path: str) -> bool:
        kinds = _FAILED if self.failed else _EVERYTHING if self.everything else _USER
        return path.startswith(kinds)


def print_logs(name: str, where: Whereabouts, choice: Choice, *, follow: bool) -> ExitCode:
    """Prints the logs, and with `follow` what comes until the job has ended."""
    with daemon_with(name, where) as reached:
        client = reached.client
        job = client.job(name)
        printer = _Printer(client)
        _print_new(printer, job, choice)
        if follow and reached.is_live:
            job = _print_to_the_end(printer, job, choice)
        if not printer.has_printed:
            say(f"job {job.name} has no such logs" + ("" if is_final(job) else " yet"))
    return ExitCode.OK


def _print_to_the_end(printer: "_Printer", job: jobs_pb2.Job, choice: Choice) -> jobs_pb2.Job:
    patience = Patience(printer.client.address)
    while not is_final(job):
        time.sleep(_LOOK_EVERY_S)
        try:
            # What is printed is the logs of the job as it was before: of an ended job nothing is left out.
            job = printer.client.job(job.name)
            _print_new(printer, job, choice)
            patience.answered()
        except Unreachable as failure:
            patience.lost(failure)
    return job


def _print_new(printer: "_Printer", job: jobs_pb2.Job, choice: Choice) -> None:
    for step in _chosen(job, choice):
        printer.print_new(step, choice)


def _chosen(job: jobs_pb2.Job, choice: Choice) -> Sequence[jobs_pb2.Step]:
    if choice.step is not None and choice.step not in [step.name for step in job.steps]:
        names = ", ".join(step.name for step in job.steps)
        raise CommandFailed(f"job {job.name} has no step {choice.step!r}: its steps are {names}", ExitCode.NOT_FOUND)
    steps = [step for step in job.steps if choice.step in (None, step.name) and step.logs_uri]
    return [step for step in steps if _has_failures(step)] if choice.failed else steps


def _has_failures(step: jobs_pb2.Step) -> bool:
    return bool(step.mini_batches.failed or step.errors) or state_name(step.state) == "Failed"


@dataclass(slots=True)
class _Printer:
    """Copies to stdout what it has not copied before, with a heading where the file changes."""

    client: Client
    _printed: dict[str, int] = field(default_factory=dict)
    _newest: str = ""

    @property
    def has_printed(self) -> bool:
        return bool(self._newest)

    def print_new(self, step: jobs_pb2.Step, choice: Choice) -> None:
        for file in self.client.files(step.logs_uri):
            uri = join(step.logs_uri, file.path)
            if choice.covers(file.path) and file.size_bytes > self._printed.get(uri, 0):
                self._print(uri, f"{step.name}/{file.path}")

    def _print(self, uri: str, title: str) -> None:
        for data in self.client.read(uri, self._printed.get(uri, 0)):
            if self._newest != uri:
                self._write(f"{chr(10) if self._newest else ''}==> {title} <==\n".encode())
                self._newest = uri
            self._write(data)
            self._printed[uri] = self._printed.get(uri, 0) + len(data)
        sys.stdout.buffer.flush()

    def _write(self, data: bytes) -> None:
        sys.stdout.buffer.write(data)
