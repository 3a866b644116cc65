"""Worker processes in the small: they load, run one mini-batch after the other, answer take-backs, hang, and die."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from prs_agent.ledger.events import AttemptFailed, StepBroken, WorkerGaveBack, WorkerReady, WorkerStartFailed
from prs_agent.ledger.ranges import Range
from prs_agent.ledger.vocabulary import Failure, Phase, StartError, worker_name

if TYPE_CHECKING:
    from tests.simulation.pool import Pool

FLUSH_S = 0.02
RUN_LIMIT_S = 30.0
Finished = tuple[int, int, bool]  # token, index, empty


class SimWorker:
    """One process. What it is told and what it tells takes `pipe_s` each way and stays in order."""

    def __init__(self, pool: Pool, number: int) -> None:
        self.pool = pool
        self.agent = pool.agent
        self.world = pool.agent.world
        self.number = number
        self.name = f"{self.agent.name}/{self.agent.boot}/{worker_name(number)}"
        self.is_gone = False
        self.kill_cause = ""
        self.has_run = False
        self.current: tuple[int, int] | None = None  # token, index: what its slot says
        self._queue: deque[tuple[int, int]] = deque()
        self._attempts: dict[int, int] = {}  # by token
        self._finished: list[Finished] = []
        self._flushed_at = 0.0
        self._is_ready = self._is_closing = self._refuses = False
        self._heard_at = self._told_at = 0.0
        self.agent.after(self.agent.options.init_s * (0.5 + self.world.rng.random()), self._init)

    @property
    def is_excused(self) -> bool:
        return self.agent.is_excused

    @property
    def waiting(self) -> tuple[tuple[int, int], ...]:
        """Token and index of what it was fed and has not started."""
        return tuple(self._queue)

    # What the agent says.

    def feed(self, token: int, first: int, count: int, attempt: int) -> None:
        self._attempts[token] = attempt
        self._hear("_on_run", token, first, count)

    def ask_back(self, token: int) -> None:
        self._hear("_give_back", token)

    def close(self) -> None:
        self._hear("_on_close")

    def kill(self, cause: str) -> None:
        """It goes on until the signal takes effect."""
        if not self.kill_cause and not self.is_gone:
            self.kill_cause = cause
            self.agent.after(self.agent.options.exit_s * (0.5 + self.world.rng.random()), self._exit)

    def kill_if_running(self, token: int, ranges: tuple[Range, ...]) -> None:
        """Looks into the slot first."""
        if self.current and self.current[0] == token and any(r.first <= self.current[1] < r.stop for r in ranges):
            self.kill("killed")

    def vanish(self) -> None:
        """Gone this instant, and nobody is told: the node lost power, or the agent died."""
        if not self.is_gone:
            self.is_gone = True
            self._stop()

    def _hear(self, name: str, *arguments: int) -> None:
        self._heard_at = max(self._heard_at, self.world.now + self._pipe_s())
        self.world.at(self._heard_at, self.agent.fire, self._on_frame, name, *arguments)

    def _on_frame(self, name: str, *arguments: int) -> None:
        if not self.is_gone:
            getattr(self, name)(*arguments)

    def _pipe_s(self) -> float:
        return self.agent.options.pipe_s * (0.5 + self.world.rng.random())

    def _on_run(self, token: int, first: int, count: int) -> None:
        if self._refuses:
            self._tell("_on_gave_back", token, (Range(first, count),))
            return
        self._queue += [(token, index) for index in range(first, first + count)]
        self._next()

    def _on_close(self) -> None:
        self._is_closing = True
        self._next()

    def _give_back(self, token: int) -> None:
        """One frame per lease, the last one for the lease that was asked for; 0 means all."""
        back = [pair for pair in self._queue if token in (0, pair[0])]
        self._queue = deque(pair for pair in self._queue if token not in (0, pair[0]))
        for lease in [*sorted({pair[0] for pair in back} - {token}), token]:
            self._tell("_on_gave_back", lease, tuple(Range(index, 1) for under, index in back if under == lease))

    # What it says; `_on_…` happens in the agent.

    def _tell(self, name: str, *arguments: object) -> None:
        self._told_at = max(self._told_at, self.world.now + self._pipe_s())
        self.world.at(self._told_at, self.agent.fire_agent, getattr(self, name), *arguments)

    def _on_gave_back(self, token: int, ranges: tuple[Range, ...]) -> None:
        self.agent.post(WorkerGaveBack(self.pool.step, self.number, token, ranges))

    def _on_ready(self) -> None:
        self.agent.post(WorkerReady(self.pool.step, self.number))

    def _on_start_failed(self, error: StartError) -> None:
        self.agent.post(WorkerStartFailed(self.pool.step, self.number, error))

    def _on_broken(self, error: StartError) -> None:
        self.agent.post(StepBroken(self.pool.step, error))

    def _on_results(self, finished: list[Finished]) -> None:
        self.pool.take_results(self, finished)

    def _on_failed(self, failure: Failure, directive: str | None) -> None:
        self.agent.post(AttemptFailed(self.number, failure, directive))

    # Its life.

    def _init(self) -> None:
        options = self.world.options
        if self.is_gone:
            return
        if self.world.chance(options.start_failure_probability):
            error = StartError("init", "no model", permanent=self.world.chance(0.05))
            if self.world.chance(0.05) and not self.pool.has_been_ready:  # what was prepared once stays so
                self._tell("_on_broken", error)
                self.kill_cause = "killed"
            else:
                self._tell("_on_start_failed", error)
            self._exit()
            return
        self._is_ready = self.pool.has_been_ready = True
        self._tell("_on_ready")
        self._next()

    def _next(self) -> None:
        if self.is_gone or self.current or not self._is_ready:
            return
        if not self._queue:
            self._flush()
            if self._is_closing:
                self._is_ready = False
                self.agent.after(self.world.rng.random(), self._exit)  # shutdown()
            return
        token, index = self._queue.popleft()
        if self._finished and self._finished[0][0] != token:
            self._flush()
        self.current = token, index
        self.has_run = True
        self.agent.cluster.executions.on_started(self.pool.core_step, token, index, self)
        self.world.counts["attempts"] += 1
        self._run()

    def _run(self) -> None:
        options, own = self.world.options, self.agent.options
        slow = 20 if self.world.chance(options.slow_probability) else 1
        run_s = slow * self.agent.run_s * (0.5 + self.world.rng.random())
        if self.world.chance(own.hang_probability) or run_s > RUN_LIMIT_S:
            self.agent.soon(RUN_LIMIT_S, self._on_limit, self.current)
        elif self.world.chance(own.death_probability):
            self.agent.after(run_s, self._exit)
        else:
            self.agent.after(run_s, self._ran)

    def _on_limit(self, running: tuple[int, int] | None) -> None:
        if self.current == running and not self.is_gone:
            self.kill("timeout")

    def _ran(self) -> None:
        if self.is_gone or self.current is None:
            return
        (token, index), step, cluster = self.current, self.pool.core_step, self.agent.cluster
        if cluster.is_poison(step, index):
            self.world.counts["agents_poisoned"] += 1
            cluster.on_poisoned(step, index)
            self.agent.die()
            return
        self._stop()
        if self.world.chance(self.world.options.fail_probability):
            self._fail(token, index)
        else:
            cluster.executions.on_succeeded(step, token, index)
            self._finished.append((token, index, cluster.is_empty(step, index)))
            if self.world.now >= self._flushed_at + FLUSH_S:
                self._flush()
        self._next()

    def _fail(self, token: int, index: int) -> None:
        self._flush()
        permanent = self.world.chance(self.world.options.permanent_probability)
        failure = Failure(
            self.pool.step,
            token,
            Phase.RUN,
            index,
            "exception",
            "bad",
            items_total=4,
            attempt=self._attempts[token],
            permanent=permanent,
            worker=self.name,
        )
        directive = None
        if self.world.chance(self.agent.options.directive_probability):
            directive = self.world.rng.choice(("restart_process", "stop_process"))
        self._tell("_on_failed", failure, directive)
        if directive:
            self._refuses = True
            self._give_back(0)

    def _flush(self) -> None:
        """What is finished goes to the agent, one frame per unbroken range of a kind."""
        self._flushed_at = self.world.now
        finished, self._finished = self._finished, []
        while finished:
            count = 1
            token, first, is_empty = finished[0]
            while count < len(finished) and finished[count] == (token, first + count, is_empty):
                count += 1
            self._tell("_on_results", finished[:count])
            del finished[:count]

    def _stop(self) -> None:
        if self.current:
            self.agent.cluster.executions.on_stopped(self.pool.core_step, self.current[1], self)
            self.current = None

    def _exit(self) -> None:
        """The process ends; the agent learns of it when it has read everything that was said before."""
        if self.is_gone:
            return
        self.is_gone = True
        running = self.current
        self._stop()
        self._told_at = max(self._told_at, self.world.now)
        self.world.at(self._told_at, self.agent.fire_agent, self.pool.bury, self, running)
