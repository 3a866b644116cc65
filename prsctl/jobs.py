"""The verbs of `prsctl job` that look at jobs, wait for them and cancel them."""

from prsctl.closing import places_of, report_end
from prsctl.consoles import say
from prsctl.documents import agent_document, is_final, job_document, state_name
from prsctl.exit_codes import ExitCode, of_state
from prsctl.failures import CommandFailed
from prsctl.following import follow
from prsctl.options import Format, Whereabouts
from prsctl.progress import Silence, progress_on
from prsctl.reach import Reached, daemon_with, each_daemon, live_daemon
from prsctl.rendering import (
    Document,
    agents_table,
    errors_view,
    job_view,
    jobs_table,
    outputs_table,
    show,
    show_all,
)
from prsd.v1 import jobs_pb2


def list_jobs(where: Whereabouts, limit: int, form: Format) -> ExitCode:
    """Lists the newest jobs, those of past runs too when there is no standing daemon."""
    jobs = [job_document(job) for reached in each_daemon(where) for job in reached.client.jobs(limit)]
    jobs.sort(key=lambda job: job["create_time"] or "", reverse=True)
    show_all(jobs[:limit], form, jobs_table)
    return ExitCode.OK


def show_job(name: str, where: Whereabouts, form: Format) -> ExitCode:
    """Shows one job."""
    with daemon_with(name, where) as reached:
        show(job_document(reached.client.job(name)), form, job_view)
    return ExitCode.OK


def show_errors(name: str, where: Whereabouts, step: str | None, form: Format) -> ExitCode:
    """Lists the distinct errors of a job's steps; their `name` is that of the step."""
    with daemon_with(name, where) as reached:
        job = job_document(reached.client.job(name))
    errors = [{"name": each["name"], **error} for each in steps_of(job, step) for error in each["errors"]]
    show_all(errors, form, errors_view)
    return ExitCode.OK


def show_outputs(name: str, where: Whereabouts, form: Format) -> ExitCode:
    """Lists where the outputs of a job are."""
    with daemon_with(name, where) as reached:
        job = job_document(reached.client.job(name))
    show_all(places_of(job), form, outputs_table, uncut=True)
    return ExitCode.OK


def wait_for(name: str, where: Whereabouts, timeout_s: float | None, form: Format, *, watch: bool) -> ExitCode:
    """Waits for the end of a job, with progress when `watch`; the exit code is that of the job."""
    with daemon_with(name, where) as reached:
        job = _ended(reached, name, timeout_s, watch=watch)
    exit_code = of_state(state_name(job.state))
    report_end(job, exit_code, form, where.data)
    return exit_code


def _ended(reached: Reached, name: str, timeout_s: float | None, *, watch: bool) -> jobs_pb2.Job:
    if reached.is_live:
        return follow(reached.client, name, progress_on() if watch else Silence(), timeout_s=timeout_s)
    job = reached.client.job(name)
    if not is_final(job):
        raise CommandFailed(
            f"job {job.name} is {state_name(job.state)}, but no daemon runs it: the next `prsctl run` cancels it",
            ExitCode.CONFLICT,
        )
    return job


def cancel(name: str, where: Whereabouts, form: Format) -> ExitCode:
    """Asks for a job to be stopped."""
    with daemon_with(name, where) as reached:
        job = reached.client.cancel(reached.client.job(name).name)
    if form is Format.TABLE:
        say(f"job {job.name}: {state_name(job.state)}")
    else:
        show(job_document(job), form, job_view)
    return ExitCode.OK


def list_agents(where: Whereabouts, form: Format) -> ExitCode:
    """Lists the agents of a daemon that is running."""
    with live_daemon(where) as client:
        show_all([agent_document(agent) for agent in client.agents()], form, agents_table)
    return ExitCode.OK


def steps_of(job: Document, step: str | None) -> list[Document]:
    """The step of that name, or all; raises CommandFailed (not found) when there is none of that name."""
    steps: list[Document] = [each for each in job["steps"] if step in (None, each["name"])]
    if not steps:
        names = ", ".join(each["name"] for each in job["steps"])
        raise CommandFailed(f"job {job['name']} has no step {step!r}: its steps are {names}", ExitCode.NOT_FOUND)
    return steps
