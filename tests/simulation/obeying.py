"""How the simulated shell carries out the ledger's commands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, assert_never

from prs_agent.ledger.commands import (
    AskBack,
    CloseWorker,
    Command,
    DropStream,
    Feed,
    ForgetStep,
    KillIfRunning,
    KillWorker,
    Leave,
    SendInstance,
    SendReport,
    SendSync,
    StartAttempt,
    StartWorker,
    StopAttempt,
)
from prs_agent.ledger.vocabulary import Report, StepId
from tests.simulation.attempts import SimAttempt
from tests.simulation.translate import to_instance, to_reported, to_synced

if TYPE_CHECKING:
    from tests.simulation.options import NodeOptions
    from tests.simulation.pool import Pool
    from tests.simulation.streams import Stream
    from tests.simulation.world import World


class Obeying:
    """The part of the agent that obeys."""

    world: World
    options: NodeOptions
    stream: Stream | None
    pools: dict[StepId, Pool]
    attempts: dict[int, SimAttempt]
    sent: dict[int, Report]

    def drop_stream(self) -> None:
        raise NotImplementedError

    def cut_off(self) -> None:
        raise NotImplementedError

    def finish(self) -> None:
        raise NotImplementedError

    def obey(self, command: Command) -> None:  # noqa: C901, PLR0912 - one branch per command
        """Carry out one command."""
        match command:
            case SendSync():
                if self.stream:
                    self.stream.send_sync((to_synced(self.stream.session, command), command.sent_at))
            case SendReport(report):
                self._send_report(report)
            case SendInstance():
                if self.stream:
                    self.stream.send(to_instance(self.stream.session, command))
            case DropStream():
                self.world.counts["self_fence"] += bool(self.pools)
                self.drop_stream()
            case StartWorker(step, number):
                self.pools[step].start(number)
            case Feed():
                self.pools[command.step].note_fed(command.token, command.first, command.count)
                self._tell(
                    command.step, command.worker, "feed", command.token, command.first, command.count, command.attempt
                )
            case AskBack(step, number, token):
                self._tell(step, number, "ask_back", token)
            case CloseWorker(step, number):
                self._tell(step, number, "close")
            case KillWorker(step, number):
                self._tell(step, number, "kill", "killed")
            case KillIfRunning(step, number, token, ranges):
                self._tell(step, number, "kill_if_running", token, ranges)
            case StartAttempt(lease):
                self.attempts[lease.token] = SimAttempt(self, lease)  # type: ignore[arg-type]
            case StopAttempt(token):
                if token in self.attempts:
                    self.attempts[token].stop()
            case ForgetStep(step):
                assert not self.pools[step].is_running, f"{step} is forgotten while a worker runs"
                del self.pools[step]
            case Leave():
                self.finish()
            case _:
                assert_never(command)

    def end_attempt(self, token: int) -> None:
        """Its process is gone."""
        del self.attempts[token]

    def _tell(self, step: StepId, number: int, what: str, *arguments: Any) -> None:
        worker = self.pools[step].workers.get(number)
        if worker is not None:
            getattr(worker, what)(*arguments)

    def _send_report(self, report: Report) -> None:
        if self.stream:
            self.world.counts["report_resent"] += report.number in self.sent
            self.sent[report.number] = report
            if self.world.chance(self.options.cut_off_probability):
                self.cut_off()
            self.stream.send(to_reported(self.stream.session, report), lambda: self._durable(report))

    def _durable(self, report: Report) -> float:
        """When the bytes that a report refers to are durable."""
        segments: dict[StepId, set[str]] = {}
        for results in report.results:
            if results.block is not None:
                segments.setdefault(results.step, set()).add(results.block.segment)
        done = [self.pools[step].make_durable(names) for step, names in segments.items() if step in self.pools]
        return max(done, default=self.world.now)
