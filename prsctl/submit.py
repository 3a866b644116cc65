"""`prsctl submit`, `prsctl job resume` and `prsctl validate`."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from prsctl.consoles import say
from prsctl.exit_codes import ExitCode, of_state
from prsctl.failures import InvalidPipeline
from prsctl.options import Format, Whereabouts
from prsctl.reach import live_daemon
from prsctl.rendering import Document, show
from prsctl.submission import load, wanted

if TYPE_CHECKING:
    from prsctl.client import Client


@dataclass(frozen=True, slots=True)
class SubmitOptions:
    """What the person typed. `watch` waits too, and shows progress meanwhile; without a file there is `resume_from`."""

    file: Path | None
    overrides: tuple[str, ...] = ()
    name: str = ""
    wait: bool = False
    watch: bool = False
    dry_run: bool = False
    form: Format = Format.TABLE
    resume_from: str = ""


def submit(options: SubmitOptions, where: Whereabouts) -> ExitCode:
    """Submits a pipeline, or resumes a job, on a daemon, and waits for the end when asked to."""
    submission = wanted(options.file, options.overrides, options.name, options.resume_from)
    with live_daemon(where) as client:
        from prsctl.documents import job_document

        submitted = submission.send(client, dry=options.dry_run)
        for notice in submitted.notices:
            say(f"notice: {notice}", "yellow")
        if options.dry_run:
            say("the daemon would accept this pipeline", "green")
            return ExitCode.OK
        if not options.wait and not options.watch:
            show(job_document(submitted.job), options.form, _name)
            say(f"submitted; to see it run: prsctl job watch {submitted.job.name}")
            return ExitCode.OK
        return _to_the_end(client, submitted.job.name, options, list(submitted.notices))


def _to_the_end(client: "Client", name: str, options: SubmitOptions, told: list[str]) -> ExitCode:
    from prsctl.closing import report_end
    from prsctl.documents import state_name
    from prsctl.following import follow
    from prsctl.progress import Silence, progress_on

    say(f"job {name}")
    job = follow(client, name, progress_on(told=told) if options.watch else Silence())
    exit_code = of_state(state_name(job.state))
    report_end(job, exit_code, options.form)
    return exit_code


def validate(file: Path, overrides: tuple[str, ...], form: Format) -> ExitCode:
    """Checks a pipeline without any daemon; every problem at once."""
    try:
        loaded = load(file, overrides)
    except InvalidPipeline as invalid:
        if form is Format.TABLE:
            raise
        show(_verdict(file, invalid.document()["problems"], []), form, lambda _: "")
        return invalid.exit_code
    notices = [asdict(notice) for notice in loaded.notices]
    if form is not Format.TABLE:
        show(_verdict(file, [], notices), form, lambda _: "")
        return ExitCode.OK
    for notice in loaded.notices:
        say(f"notice: {notice}", "yellow")
    say(f"{file} is valid", "green")
    return ExitCode.OK


def _verdict(file: Path, problems: object, notices: object) -> Document:
    return {"name": str(file), "valid": not problems, "problems": problems, "notices": notices}


def _name(document: Document) -> str:
    return str(document["name"])
