"""`prsctl run`: a pipeline on this machine, by a daemon and agents of its own that end with it."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from prsctl import programs
from prsctl.consoles import say
from prsctl.exit_codes import ExitCode, of_state
from prsctl.failures import CommandFailed
from prsctl.fleet import Fleet, default_max_workers, fleet_for, fleet_like
from prsctl.options import Format
from prsctl.programs import Daemon, Program
from prsctl.reach import folder_with, private_folder
from prsctl.run_folders import RUN, HeldFolder, Use, held, held_for_run
from prsctl.submission import Resumption, Submission, wanted

if TYPE_CHECKING:
    from prsctl.client import Client
    from prsd.v1 import jobs_pb2


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the person typed; `max_workers` 0: the default. Without a file there is `resume_from`."""

    file: Path | None
    overrides: tuple[str, ...] = ()
    name: str = ""
    data: Path | None = None
    max_workers: int = 0
    form: Format = Format.TABLE
    resume_from: str = ""


def run(options: RunOptions) -> ExitCode:
    """Runs the pipeline, or goes on from a job of a past run, and reports how it ended."""
    submission = wanted(options.file, options.overrides, options.name, options.resume_from)
    try:
        with _held(options) as folder:
            return _run_in(folder, submission, options)
    except KeyboardInterrupt:
        raise CommandFailed("interrupted", ExitCode.INTERRUPTED) from None


def _held(options: RunOptions) -> AbstractContextManager[HeldFolder]:
    if options.resume_from and options.data is None:
        return held(folder_with(options.resume_from), RUN)
    return held_for_run(options.data, say)


def _run_in(folder: HeldFolder, submission: Submission | Resumption, options: RunOptions) -> ExitCode:
    max_workers = options.max_workers or default_max_workers()
    with _programs(folder) as crew:
        fleet = None
        if isinstance(submission, Submission):
            fleet = fleet_for(submission.loaded.pipeline, max_workers)
            crew.start_agents(folder, fleet)
        # Imported only now: the children start faster without gRPC's threads, and beside its import.
        from prsctl.client import Client
        from prsctl.closing import report_end
        from prsctl.documents import state_name

        crew.daemon.wait_until_ready()
        with Client.connected(crew.daemon.address) as client:
            folder.tell(Use(RUN, crew.daemon.address))
            former = client.job(submission.former) if isinstance(submission, Resumption) else None
            _end_earlier_jobs(client)
            if former is not None:
                fleet = _begin_again(former, client, crew, folder, max_workers)
                submission = Resumption(former.name, submission.name)
            job = _carry_out(client, submission, fleet.notices if fleet else (), crew)
        crew.stop()
    exit_code = of_state(state_name(job.state))
    if crew.interrupts and exit_code is not ExitCode.OK:
        exit_code = ExitCode.INTERRUPTED
    report_end(job, exit_code, options.form, options.data)
    return exit_code


def _carry_out(
    client: "Client", submission: Submission | Resumption, fleet_notices: Iterable[str], crew: "Crew"
) -> "jobs_pb2.Job":
    from prsctl.following import follow
    from prsctl.progress import progress_on

    submitted = submission.send(client)
    notices = [*submitted.notices, *fleet_notices]
    for notice in notices:
        say(f"notice: {notice}", "yellow")
    say(f"job {submitted.job.name}")
    crew.takes_charge_of(submitted.job.name, client)
    return follow(client, submitted.job.name, progress_on(told=notices), keeper=crew)


def _end_earlier_jobs(client: "Client") -> None:
    """A run that was killed leaves a job that has not ended: this run's agents are not for it."""
    from prsctl.documents import is_final

    for job in client.jobs():
        if not is_final(job):
            say(f"notice: job {job.name} of an earlier run had not ended; it is canceled", "yellow")
            client.cancel(job.name)


def _begin_again(former: "jobs_pb2.Job", client: "Client", crew: "Crew", folder: HeldFolder, max_workers: int) -> Fleet:
    """Starts the agents that the former job had, once it has ended: its own agents are awaited for a session timeout."""
    from prsctl.following import follow
    from prsctl.progress import Silence

    follow(client, former.name, Silence(), keeper=crew)
    fleet = fleet_like(former, max_workers)
    crew.start_agents(folder, fleet)
    return fleet


class Crew:
    """The programs of a run and the job they are there for: a `following.Keeper`."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        self.interrupts = 0
        self._agents: list[Program] = []
        self._running_agents: list[Program] = []
        self._job = ""
        self._client: Client | None = None

    @property
    def programs(self) -> list[Program]:
        return [*self._agents, self.daemon.program]

    def start_agents(self, folder: HeldFolder, fleet: Fleet) -> None:
        """Starts them; whoever made the crew ends them."""
        for number in range(fleet.agents):
            data = folder.path / "agents" / str(number)
            agent = programs.start_agent(number, self.daemon, data, folder.path / "programs", fleet.slots)
            self._agents.append(agent)
            self._running_agents.append(agent)

    def takes_charge_of(self, job: str, client: "Client") -> None:
        """From now on an interrupt cancels this job."""
        self._job, self._client = job, client

    def check(self) -> None:
        """Raises ProgramDied when the daemon, or the last agent, has ended."""
        self.daemon.program.check()
        for agent in [each for each in self._running_agents if not each.is_running]:
            self._running_agents.remove(agent)
            if not self._running_agents:
                raise agent.death()
            say(str(agent.death()), "red")

    def interrupt(self) -> None:
        """The first cancels the job, the second ends everything at once."""
        self.interrupts += 1
        if self.interrupts > 1 or self._client is None:
            programs.kill(self.programs)
            raise CommandFailed(f"killed; job {self._job} had not ended", ExitCode.INTERRUPTED)
        say(f"canceling job {self._job}; press Ctrl-C again to kill it", "yellow")
        self._client.begin_cancel(self._job)

    def stop(self) -> None:
        programs.stop(self._agents, self.daemon.program)


@contextmanager
def _programs(folder: HeldFolder) -> Iterator[Crew]:
    """A crew with its daemon, which is starting; whatever happens, none of its programs is left afterwards."""
    with ExitStack() as stack:
        sockets = stack.enter_context(private_folder())
        daemon = Daemon(folder.path, sockets / "prsd.sock", folder.path / "programs", ["--any-compute"])
        crew = Crew(daemon)
        stack.callback(lambda: programs.kill(crew.programs))
        yield crew
