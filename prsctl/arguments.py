"""Options that several verbs share, and how the words of people become values."""

import re
from pathlib import Path
from typing import Annotated

import typer

from prsctl.exit_codes import ExitCode
from prsctl.options import Format

# Plain help: drawing it with rich would take longer than everything else.
APP_OPTIONS = {"no_args_is_help": True, "rich_markup_mode": None, "pretty_exceptions_enable": False}

Pipeline = Annotated[Path, typer.Argument(metavar="FILE", help="The pipeline's YAML file.")]
OptionalPipeline = Annotated[Path | None, typer.Argument(metavar="FILE", help="The pipeline's YAML file.")]
PipelineOption = Annotated[Path, typer.Option("--file", "-f", help="The pipeline's YAML file.")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE…", help="Change a value: jobs.x.resources.instance_count=3")
]
ForceRerun = Annotated[
    bool,
    typer.Option("--force-rerun", help="Run also steps that completed with the same inputs before."),
]
NewName = Annotated[str, typer.Option("--name", "-n", help="A unique name for the job.")]
Form = Annotated[Format, typer.Option("--output", "-o", help="Form of what is printed on stdout.")]
Server = Annotated[
    str | None,
    typer.Option("--server", help="Address of the daemon, HOST:PORT or unix:PATH (else PRS_SERVER)."),
]
Data = Annotated[Path | None, typer.Option("--data", help="Data folder of past runs, as given to `prsctl run`.")]
JobName = Annotated[str | None, typer.Argument(metavar="JOB", help="Name, unique prefix, or @latest.")]
NameOption = Annotated[str | None, typer.Option("--name", "-n", help="The same as JOB.")]
Step = Annotated[str | None, typer.Option("--step", help="Only this step.")]
Timeout = Annotated[str | None, typer.Option("--timeout", help="Give up waiting after this long: 90s, 5m, 1h30m.")]


def with_rerun(overrides: list[str] | None, *, force_rerun: bool) -> tuple[str, ...]:
    """The values of --set, and the one that --force-rerun stands for."""
    return (*(overrides or ()), *(["settings.force_rerun=true"] if force_rerun else []))


def end(code: ExitCode) -> None:
    """Ends prsctl with this code."""
    raise typer.Exit(int(code))


def named(argument: str | None, option: str | None) -> str:
    """The job that was named as JOB or with --name; exactly one of them is due."""
    if (argument is None) == (option is None):
        raise typer.BadParameter("name one job, as JOB or with --name (@latest is the newest)", param_hint="JOB")
    return argument or option or ""


def seconds_of(text: str | None) -> float | None:
    """Seconds of 90, 90s, 5m or 1h30m."""
    if text is None:
        return None
    match = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?", text)
    if not text or match is None:
        raise typer.BadParameter(f"{text!r} is no duration: write 90s, 5m or 1h30m", param_hint="--timeout")
    hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + seconds
