"""`MLClient.jobs`: the methods of azure-ai-ml's, with its arguments."""

import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path

from prsctl.client import Client
from prsctl.consoles import say
from prsctl.documents import is_final
from prsctl.download import Wish, copy_files
from prsctl.failures import InvalidPipeline
from prsctl.sdk import streaming
from prsctl.sdk.failures import refusal, translated
from prsctl.sdk.pipelines import load_job
from prsctl.sdk.views import Job, step_views, view_of
from prsctl.submission import Submission


@dataclass(frozen=True, slots=True)
class ValidationResult:
    """Whether a pipeline would be accepted; problems by the path of their key."""

    passed: bool
    error_messages: dict[str, str] = field(default_factory=dict)


class JobOperations:
    """Submits, looks, waits, fetches. Exceptions: `prsctl.sdk.failures`."""

    def __init__(self, daemon: Callable[[], Client]) -> None:
        self._daemon = daemon

    def create_or_update(
        self,
        job: object,
        *,
        description: str | None = None,
        compute: str | None = None,
        tags: Mapping[str, str] | None = None,
        experiment_name: str | None = None,
        skip_validation: bool = False,
        **_others: object,
    ) -> Job:
        """Submits a pipeline job of azure-ai-ml; notices go to stderr. A job is checked in any case."""
        changes = {
            "description": description,
            "settings.default_compute": compute,
            "tags": None if tags is None else dict(tags),
            "experiment_name": experiment_name,
        }
        with translated():
            loaded = load_job(job, {path: value for path, value in changes.items() if value is not None})
            submitted = Submission(loaded).send(self._daemon())
        for notice in submitted.notices:
            say(f"notice: {notice}", "yellow")
        return view_of(submitted.job)

    def validate(self, job: object, *, raise_on_failure: bool = False, **_others: object) -> ValidationResult:
        """Checks a pipeline job and the files that it names; asks no daemon."""
        try:
            load_job(job, {})
        except InvalidPipeline as invalid:
            if raise_on_failure:
                raise refusal(invalid.message) from None
            return ValidationResult(False, {problem.path: str(problem) for problem in invalid.problems})
        return ValidationResult(True)

    def get(self, name: str) -> Job:
        """One job by name, unique prefix or `@latest`."""
        with translated():
            return view_of(self._daemon().job(name))

    def list(self, *, parent_job_name: str | None = None, **_others: object) -> Iterator[Job]:
        """The jobs, newest first; with `parent_job_name` that job's steps."""
        with translated():
            if parent_job_name is not None:
                return iter(step_views(self._daemon().job(parent_job_name)))
            return iter([view_of(job) for job in self._daemon().jobs()])

    def stream(self, name: str) -> None:
        """Prints progress and an execution summary on standard output; JobException when the job does not complete."""
        with translated():
            daemon = self._daemon()
            streaming.stream(daemon, daemon.job(name).name)

    def download(
        self,
        name: str,
        *,
        download_path: PathLike[str] | str = ".",
        output_name: str | None = None,
        all: bool = False,  # noqa: A002 - the name is azure-ai-ml's
    ) -> None:
        """Copies logs to DOWNLOAD_PATH/logs/<step>/ and, when named or with `all`, outputs to …/named-outputs/<output>/."""
        wish = Wish(output_name, outputs=all or output_name is not None, logs=all or output_name is None)
        with translated():
            daemon = self._daemon()
            copy_files(daemon, daemon.job(name), wish, Path(download_path).absolute())

    def begin_cancel(self, name: str, **_others: object) -> "Cancellation":
        """Asks for the job to be stopped."""
        with translated():
            daemon = self._daemon()
            return Cancellation(daemon, daemon.cancel(daemon.job(name).name).name)

    def archive(self, name: str) -> None:
        """Warns: jobs cannot be hidden from lists here."""
        self._warn_of_archiving(name)

    def restore(self, name: str) -> None:
        """Warns: jobs cannot be hidden from lists here."""
        self._warn_of_archiving(name)

    def _warn_of_archiving(self, name: str) -> None:
        warnings.warn(f"job {self.get(name).name} stays listed: archiving has no effect here", stacklevel=3)


class Cancellation:
    """A cancellation under way, with the methods of azure-core's poller."""

    def __init__(self, daemon: Client, job: str) -> None:
        self._daemon = daemon
        self._job = job

    def done(self) -> bool:
        """Whether the job has ended."""
        with translated():
            return is_final(self._daemon.job(self._job))

    def status(self) -> str:
        """The job's state."""
        with translated():
            return view_of(self._daemon.job(self._job)).status

    def wait(self, timeout: float | None = None) -> None:
        """Returns when the job has ended, or after `timeout` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self.done() and (deadline is None or time.monotonic() < deadline):
            time.sleep(_LOOK_EVERY_S)

    def result(self, timeout: float | None = None) -> None:
        """The same as `wait`."""
        self.wait(timeout)


_LOOK_EVERY_S = 0.2
