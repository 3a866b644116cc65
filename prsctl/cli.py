"""The verbs and their options. Each verb imports what it needs when it is called, so that `prsctl --help` comes at once."""

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from prsctl.admin_verbs import admin
from prsctl.arguments import (
    APP_OPTIONS,
    Data,
    ForceRerun,
    Form,
    NewName,
    OptionalPipeline,
    Overrides,
    Pipeline,
    Server,
    end,
    with_rerun,
)
from prsctl.consoles import print_data, say
from prsctl.failures import CommandFailed
from prsctl.job_verbs import job
from prsctl.options import Format, Whereabouts

app = typer.Typer(name="prsctl", help="Runs parallel jobs, here or on a daemon's agents.", **APP_OPTIONS)  # type: ignore[arg-type]
agent = typer.Typer(help="Agents: the processes that do the work.", **APP_OPTIONS)  # type: ignore[arg-type]
app.add_typer(job, name="job")
app.add_typer(admin, name="admin")
app.add_typer(agent, name="agent")


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of `prsctl`: exits with one of `exit_codes.ExitCode`."""
    words = with_repeated_set(sys.argv[1:] if arguments is None else arguments)
    try:
        app(words, prog_name="prsctl")
    except CommandFailed as failure:
        _tell(failure, words)
        sys.exit(int(failure.exit_code))


def _tell(failure: CommandFailed, words: Sequence[str]) -> None:
    say(failure.message, "red")
    if wants_json_outcome(words):
        import json

        print_data(json.dumps(failure.document()))


def wants_json_outcome(words: Sequence[str]) -> bool:
    """Whether the command line asks for the outcome of a job as JSON, which is then due however the verb ends."""
    verb = " ".join(words[:2]) if words[:1] == ["job"] else " ".join(words[:1])
    pairs = zip(words, [*words[1:], ""], strict=True)
    asks = any(
        (word in ("-o", "--output") and value == "json") or word in ("-ojson", "--output=json") for word, value in pairs
    )
    return asks and verb in ("run", "submit", "job create", "job resume")


def with_repeated_set(words: Sequence[str]) -> list[str]:
    """`--set a=1 b=2`, as az takes it, as `--set a=1 --set b=2`."""
    repeated: list[str] = []
    for word in words:
        follows_value = len(repeated) > 1 and repeated[-2] == "--set"
        if follows_value and re.match(r"[A-Za-z_][\w.-]*=", word):
            repeated.append("--set")
        repeated.append(word)
    return repeated


@app.command()
def run(
    file: OptionalPipeline = None,
    *,
    overrides: Overrides = None,
    force_rerun: ForceRerun = False,
    name: NewName = "",
    data: Annotated[Path | None, typer.Option(help="Keep the job in this folder.")] = None,
    max_workers: Annotated[int, typer.Option(min=0, help="Workers at a time in all; 0: max(4, CPUs).")] = 0,
    resume_from: Annotated[
        str,
        typer.Option(metavar="JOB", help="Instead of FILE: go on from a job of a past run that failed or was stopped."),
    ] = "",
    output: Form = Format.TABLE,
) -> None:
    """Run a pipeline on this machine, with a daemon and agents of its own."""
    from prsctl.run import RunOptions
    from prsctl.run import run as run_pipeline

    changes = with_rerun(overrides, force_rerun=force_rerun)
    end(run_pipeline(RunOptions(file, changes, name, data, max_workers, output, resume_from)))


@app.command()
def submit(
    file: OptionalPipeline = None,
    *,
    overrides: Overrides = None,
    force_rerun: ForceRerun = False,
    name: NewName = "",
    wait: Annotated[bool, typer.Option("--wait/--detach", help="Wait for the job's end, and exit as it did.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Wait, and show progress.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only have the daemon check the pipeline.")] = False,
    resume_from: Annotated[str, typer.Option(metavar="JOB", help="Instead of FILE: the same as `prsctl job resume`.")] = "",
    output: Form = Format.TABLE,
    server: Server = None,
) -> None:
    """Submit a pipeline to a daemon."""
    from prsctl.submit import SubmitOptions
    from prsctl.submit import submit as submit_pipeline

    changes = with_rerun(overrides, force_rerun=force_rerun)
    options = SubmitOptions(file, changes, name, wait, watch, dry_run, output, resume_from)
    end(submit_pipeline(options, Whereabouts(server)))


@app.command()
def validate(file: Pipeline, overrides: Overrides = None, output: Form = Format.TABLE) -> None:
    """Check a pipeline without a daemon: every problem at once, with its line."""
    from prsctl.submit import validate as validate_pipeline

    end(validate_pipeline(file, tuple(overrides or ()), output))


@agent.command("list")
def agent_list(output: Form = Format.TABLE, server: Server = None, data: Data = None) -> None:
    """List the agents that have a session with the daemon."""
    from prsctl.jobs import list_agents

    end(list_agents(Whereabouts(server, data), output))


if __name__ == "__main__":
    main()
