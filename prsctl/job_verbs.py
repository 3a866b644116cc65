"""The verbs of `prsctl job`, az's among them."""

from pathlib import Path
from typing import Annotated

import typer

from prsctl.arguments import (
    APP_OPTIONS,
    Data,
    Form,
    JobName,
    NameOption,
    NewName,
    Overrides,
    PipelineOption,
    Server,
    Step,
    Timeout,
    end,
    named,
    seconds_of,
)
from prsctl.options import Format, Whereabouts

job = typer.Typer(help="Jobs: look, watch, wait, cancel, resume, verify, fetch.", **APP_OPTIONS)  # type: ignore[arg-type]


@job.command("create")
def job_create(
    file: PipelineOption,
    *,
    overrides: Overrides = None,
    name: NewName = "",
    stream: Annotated[bool, typer.Option("--stream", help="Wait, and show progress.")] = False,
    output: Form = Format.TABLE,
    server: Server = None,
) -> None:
    """Submit a pipeline, in az's words."""
    from prsctl.submit import SubmitOptions, submit

    options = SubmitOptions(file, tuple(overrides or ()), name, watch=stream, form=output)
    end(submit(options, Whereabouts(server)))


@job.command("list")
def job_list(
    limit: Annotated[int, typer.Option("--limit", "--max-results", min=1, help="At most so many.")] = 50,
    output: Form = Format.TABLE,
    server: Server = None,
    data: Data = None,
) -> None:
    """List jobs, newest first."""
    from prsctl.jobs import list_jobs

    end(list_jobs(Whereabouts(server, data), limit, output))


@job.command("show")
def job_show(
    job: JobName = None, name: NameOption = None, output: Form = Format.TABLE, server: Server = None, data: Data = None
) -> None:
    """Show a job: its steps, counts and errors."""
    from prsctl.jobs import show_job

    end(show_job(named(job, name), Whereabouts(server, data), output))


@job.command("watch")
def job_watch(
    job: JobName = None,
    *,
    name: NameOption = None,
    timeout: Timeout = None,
    output: Form = Format.TABLE,
    server: Server = None,
    data: Data = None,
) -> None:
    """Show a job's progress until it ends, and exit as it did."""
    from prsctl.jobs import wait_for

    end(wait_for(named(job, name), Whereabouts(server, data), seconds_of(timeout), output, watch=True))


@job.command("stream")
def job_stream(
    job: JobName = None, name: NameOption = None, output: Form = Format.TABLE, server: Server = None, data: Data = None
) -> None:
    """The same as watch, in az's words."""
    job_watch(job, name=name, output=output, server=server, data=data)


@job.command("wait")
def job_wait(
    job: JobName = None,
    *,
    name: NameOption = None,
    timeout: Timeout = None,
    output: Form = Format.TABLE,
    server: Server = None,
    data: Data = None,
) -> None:
    """Wait in silence for a job's end, and exit as it did."""
    from prsctl.jobs import wait_for

    end(wait_for(named(job, name), Whereabouts(server, data), seconds_of(timeout), output, watch=False))


@job.command("logs")
def job_logs(
    job: JobName = None,
    *,
    name: NameOption = None,
    step: Step = None,
    failed: Annotated[bool, typer.Option("--failed", help="Only errors, of steps with failed mini-batches.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="The system's own logs too.")] = False,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job has ended.")] = False,
    server: Server = None,
    data: Data = None,
) -> None:
    """Print what a job's scripts have printed."""
    from prsctl.logs import Choice, print_logs

    end(print_logs(named(job, name), Whereabouts(server, data), Choice(step, failed, everything), follow=follow))


@job.command("errors")
def job_errors(
    job: JobName = None,
    *,
    name: NameOption = None,
    step: Step = None,
    output: Form = Format.TABLE,
    server: Server = None,
    data: Data = None,
) -> None:
    """List the distinct errors of a job's scripts, with tracebacks."""
    from prsctl.jobs import show_errors

    end(show_errors(named(job, name), Whereabouts(server, data), step, output))


@job.command("outputs")
def job_outputs(
    job: JobName = None, name: NameOption = None, output: Form = Format.TABLE, server: Server = None, data: Data = None
) -> None:
    """List where a job's outputs are."""
    from prsctl.jobs import show_outputs

    end(show_outputs(named(job, name), Whereabouts(server, data), output))


@job.command("cancel")
def job_cancel(
    job: JobName = None, name: NameOption = None, output: Form = Format.TABLE, server: Server = None, data: Data = None
) -> None:
    """Stop a job."""
    from prsctl.jobs import cancel

    end(cancel(named(job, name), Whereabouts(server, data), output))


@job.command("resume")
def job_resume(
    job: Annotated[str, typer.Argument(metavar="JOB", help="A failed or canceled job: name, unique prefix, or @latest.")],
    *,
    new_name: Annotated[str, typer.Option(help="A unique name for the new job.")] = "",
    wait: Annotated[bool, typer.Option("--wait/--detach", help="Wait for the new job's end, and exit as it did.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Wait, and show progress.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only have the daemon say whether it would.")] = False,
    output: Form = Format.TABLE,
    server: Server = None,
) -> None:
    """Start a new job that takes over what a failed or canceled one has completed, and runs only the rest."""
    from prsctl.submit import SubmitOptions, submit

    options = SubmitOptions(None, (), new_name, wait, watch, dry_run, output, job)
    end(submit(options, Whereabouts(server)))


@job.command("verify")
def job_verify(
    job: JobName = None,
    *,
    name: NameOption = None,
    step: Step = None,
    output: Form = Format.TABLE,
    server: Server = None,
    data: Data = None,
) -> None:
    """Prove from the bytes on disk that every mini-batch is in the output exactly once or reported; exits with 12 if not."""
    from prsctl.verify import verify

    end(verify(named(job, name), Whereabouts(server, data), step, output))


@job.command("download")
def job_download(
    job: JobName = None,
    *,
    name: NameOption = None,
    output_name: Annotated[str | None, typer.Option("--output-name", help="Only this output: NAME or STEP.NAME.")] = None,
    path: Annotated[
        Path | None, typer.Option("--path", "--download-path", "-p", help="Into this folder (else one with the job's name).")
    ] = None,
    logs: Annotated[bool, typer.Option("--all", help="The logs too.")] = False,
    server: Server = None,
    data: Data = None,
) -> None:
    """Copy a job's outputs here."""
    from prsctl.download import Wish, download

    end(download(named(job, name), Whereabouts(server, data), Wish(output_name, logs=logs), path))
