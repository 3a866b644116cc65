"""`prsctl run`: a pipeline on this machine, by a daemon and agents of its own that end with it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from prsctl import programs
from prsctl.consoles import say
from prsctl.exit_codes import ExitCode, of_state
from prsctl.failures import CommandFailed
from prsctl.fleet import Fleet, default_max_workers, fleet_for
from prsctl.options import Format
from prsctl.programs import Daemon, Program
from prsctl.reach import private_folder
from prsctl.run_folders import RUN, HeldFolder, Use, held_for_run
from prsctl.submission import Submission, load

if TYPE_CHECKING:
    from prsctl.client import Client
    from prsd.v1 import jobs_pb2


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the person typed; `max_workers` 0: the default."""

    file: Path
    overrides: tuple[str, ...] = ()
    name: str = ""
    data: Path | None = None
    max_workers: int = 0
    form: Format = Format.TABLE


def run(options: RunOptions) -> ExitCode:
    """Runs the pipeline and reports how it ended."""
    submission = Submission(load(options.file, options.overrides), options.name)
    fleet = fleet_for(submission.loaded.pipeline, options.max_workers or default_max_workers())
    try:
        with held_for_run(options.data, say) as folder:
            return _run_in(folder, submission, fleet, options)
    except KeyboardInterrupt:
        raise CommandFailed("interrupted", ExitCode.INTERRUPTED) from None


def _run_in(folder: HeldFolder, submission: Submission, fleet: Fleet, options: RunOptions) -> ExitCode:
    with _programs(folder, fleet) as crew:
        # Imported only now: the children start faster without gRPC's threads, and beside its import.
        from prsctl.client import Client
        from prsctl.closing import report_end
        from prsctl.documents import state_name

        crew.daemon.wait_until_ready()
        with Client.connected(crew.daemon.address) as client:
            folder.tell(Use(RUN, crew.daemon.address))
            _end_earlier_jobs(client)
            job = _carry_out(client, submission, fleet, crew)
        crew.stop()
    exit_code = of_state(state_name(job.state))
    if crew.interrupts and exit_code is not ExitCode.OK:
        exit_code = ExitCode.INTERRUPTED
    report_end(job, exit_code, options.form, options.data)
    return exit_code


def _carry_out(client: "Client", submission: Submission, fleet: Fleet, crew: "Crew") -> "jobs_pb2.Job":
    from prsctl.following import follow
    from prsctl.progress import progress_on

    submitted = submission.send(client)
    notices = [*submitted.notices, *fleet.notices]
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


class Crew:
    """The programs of a run and the job they are there for: a `following.Keeper`."""

    def __init__(self, daemon: Daemon, agents: list[Program]) -> None:
        self.daemon = daemon
        self.interrupts = 0
        self._agents = agents
        self._running_agents = list(agents)
        self._job = ""
        self._client: Client | None = None

    @property
    def programs(self) -> list[Program]:
        return [*self._agents, self.daemon.program]

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
def _programs(folder: HeldFolder, fleet: Fleet) -> Iterator[Crew]:
    """The daemon and its agents, started at the same time; whatever happens, none is left afterwards."""
    logs = folder.path / "programs"
    with ExitStack() as stack:
        sockets = stack.enter_context(private_folder())
        daemon = Daemon(folder.path, sockets / "prsd.sock", logs, ["--any-compute"])
        started = [daemon.program]
        stack.callback(lambda: programs.kill(started))
        for number in range(fleet.agents):
            data = folder.path / "agents" / str(number)
            started.append(programs.start_agent(number, daemon, data, logs, fleet.slots))
        yield Crew(daemon, started[1:])
