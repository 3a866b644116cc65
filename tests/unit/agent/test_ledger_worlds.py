"""The ledger in random worlds: workers that die, hang back and fail, a daemon that revokes, takes back and falls silent.

Whatever happens, a mini-batch that was granted is settled exactly once (a result, a failure or given back), unless it was
revoked or lost with a session; and when the world calms down nothing is left.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable
from functools import partial

import pytest

from prs_agent.ledger.commands import (
    AskBack,
    CloseWorker,
    Command,
    DropStream,
    Feed,
    ForgetStep,
    KillIfRunning,
    KillWorker,
    SendInstance,
    SendReport,
    SendSync,
    StartWorker,
)
from prs_agent.ledger.events import (
    Acknowledged,
    AttemptFailed,
    CloseAsked,
    Echoed,
    Event,
    LeaseGranted,
    LeaseRevoked,
    RangeFinished,
    StepOpened,
    StreamLost,
    TakeBackAsked,
    Ticked,
    Welcomed,
    WorkerExited,
    WorkerGaveBack,
    WorkerReady,
)
from prs_agent.ledger.ledger import Ledger
from prs_agent.ledger.ranges import Range
from prs_agent.ledger.vocabulary import Failure, Lease, Phase, Report, Results, StepId
from prsd.base.columns import Column

STEP = StepId("job", "score")


class Worker:
    """What a host does with its frames: one index at a time, in order."""

    def __init__(self) -> None:
        self.is_ready = False
        self.is_closing = False
        self.queue: list[tuple[int, int]] = []  # (token, index)


class World:
    """A ledger, its workers, and a daemon that books what it granted."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.ledger = Ledger()
        self.now = 0.0
        self.workers: dict[int, Worker] = {}
        self.is_connected = True
        self.is_calm = False
        self.token = 0
        self.next_index = 0
        self.granted: dict[int, Range] = {}
        self.revoked: dict[int, set[int]] = defaultdict(set)
        self.settled: Counter[tuple[int, int]] = Counter()
        self.seen_reports: dict[int, Report] = {}
        self.outbox: list[SendSync | SendReport] = []  # on their way to the daemon
        self.is_closed = False
        self.pending: list[Callable[[], None]] = []

    def tell(self, event: Event) -> None:
        for command in self.ledger.handle(event, self.now):
            self.carry_out(command)

    def carry_out(self, command: Command) -> None:  # noqa: C901 - one branch per command
        match command:
            case StartWorker(_, number):
                self.workers[number] = Worker()
            case Feed(_, number, token, first, count):
                self.workers[number].queue += [(token, index) for index in range(first, first + count)]
            case KillWorker(_, number):
                self.later(lambda: self.exit(number, "killed"))
            case KillIfRunning(_, number, token, ranges):
                queue = self.workers[number].queue if number in self.workers else []
                if queue and queue[0][0] == token and any(r.first <= queue[0][1] < r.stop for r in ranges):
                    self.later(lambda: self.exit(number, "killed"))
            case AskBack(_, number, token):
                self.later(lambda: self.give_back(number, token))
            case CloseWorker(_, number):
                self.workers[number].is_closing = True
            case SendSync() | SendReport():
                self.outbox.append(command)
            case DropStream():
                self.is_connected = False
            case ForgetStep():
                self.is_closed = True
            case SendInstance():
                pass
            case _:
                raise AssertionError(f"not expected here: {command}")

    def later(self, act: Callable[[], None]) -> None:
        self.pending.append(act)

    # Workers.

    def give_back(self, number: int, token: int) -> None:
        if (worker := self.workers.get(number)) is None:
            return
        started, rest = worker.queue[:1], worker.queue[1:]
        given = tuple(Range(index, 1) for each, index in rest if each == token)
        worker.queue = started + [pair for pair in rest if pair[0] != token]
        self.tell(WorkerGaveBack(STEP, number, token, given))

    def exit(self, number: int, cause: str) -> None:
        worker = self.workers.pop(number, None)
        if worker is None:
            return
        token, index = worker.queue[0] if worker.queue and worker.is_ready else (0, None)
        self.tell(WorkerExited(STEP, number, "gone", cause, token, index))

    def work(self, number: int) -> None:
        """The next thing that a worker does by itself."""
        worker = self.workers[number]
        if not worker.is_ready:
            worker.is_ready = True
            self.tell(WorkerReady(STEP, number))
        elif not worker.queue:
            if worker.is_closing:
                self.exit(number, "")
        elif not self.is_calm and self.random.random() < 0.03:
            self.exit(number, self.random.choice(["", "timeout"]))
        else:
            self.finish_some(number, worker)

    def finish_some(self, number: int, worker: Worker) -> None:
        token, index = worker.queue[0]
        if not self.is_calm and self.random.random() < 0.1:
            worker.queue.pop(0)
            failure = Failure(STEP, token, Phase.RUN, index, "exception", "no")
            directive = self.random.choice([None, None, None, "restart_process"])
            self.tell(AttemptFailed(number, failure, directive))
            return
        count = 1
        while count < min(len(worker.queue), 5) and worker.queue[count] == (token, index + count):
            count += 1
        del worker.queue[:count]
        ones = Column.repeat(1, count).to_bytes()
        self.tell(RangeFinished(number, Results(STEP, token, index, count, ones, ones, ones)))

    # The daemon.

    def hear(self) -> None:
        """The daemon gets the next message, unless the connection is broken."""
        message = self.outbox.pop(0)
        if not self.is_connected:
            return
        if isinstance(message, SendSync):
            self.tell(Echoed(message.sent_at))
            return
        number = message.report.number
        if number not in self.seen_reports:
            self.seen_reports[number] = message.report
            self.book(message.report)
        assert self.seen_reports[number] == message.report, "a report changed between two sendings"
        self.tell(Acknowledged(number))

    def book(self, report: Report) -> None:
        for results in report.results:
            self.settled.update((results.token, index) for index in range(results.first, results.range.stop))
        self.settled.update((failure.token, failure.index) for failure in report.failures)
        for given in report.given_back:
            self.settled.update((given.token, i) for each in given.ranges for i in range(each.first, each.stop))

    def grant(self) -> None:
        count = self.random.choice([1, 3, 10, 50])
        self.token += 1
        self.granted[self.token] = Range(self.next_index, count)
        lease = Lease(self.token, STEP, Phase.RUN, self.next_index, count)
        self.next_index += count
        self.tell(LeaseGranted(lease))

    def revoke(self) -> None:
        token = self.random.choice(list(self.granted))
        whole = self.granted[token]
        first = self.random.randrange(whole.first, whole.stop)
        part = Range(first, self.random.randint(1, whole.stop - first))
        self.revoked[token].update(range(part.first, part.stop))
        self.tell(LeaseRevoked(token, (part,)))

    def reconnect(self) -> None:
        held = self.ledger.held()
        kept = [each.token for each in held if self.is_calm or self.random.random() < 0.7]
        for each in held:
            if each.token not in kept:
                self.revoked[each.token].update(range(self.granted[each.token].first, self.granted[each.token].stop))
        self.outbox.clear()
        self.is_connected = True
        self.tell(Welcomed(15.0, 2.0, self.now, tuple(kept)))

    def lose_to_the_fence(self) -> None:
        """What the agent held and dropped when it fenced itself is the daemon's to give again."""
        held = {each.token: each.ranges for each in self.ledger.held()}
        for token, whole in self.granted.items():
            kept = {i for each in held.get(token, ()) for i in range(each.first, each.stop)}
            self.revoked[token].update(set(range(whole.first, whole.stop)) - kept)

    def step(self) -> None:
        choices: list[Callable[[], None]] = [self.wait, self.wait]
        choices += [partial(self.work, number) for number in self.workers]
        if self.pending:
            choices += [self.do_pending] * 3
        if self.outbox:
            choices += [self.hear] * 3
        if not self.is_connected:
            choices.append(self.reconnect)
        elif not self.is_calm:
            choices.append(self.grant)
            if self.granted and self.random.random() < 0.1:
                choices += [self.revoke, lambda: self.tell(TakeBackAsked(self.random.choice(list(self.granted))))]
            if self.random.random() < 0.02:
                choices.append(self.cut)
        self.random.choice(choices)()

    def do_pending(self) -> None:
        self.pending.pop(self.random.randrange(len(self.pending)))()

    def cut(self) -> None:
        self.is_connected = False
        self.tell(StreamLost())

    def wait(self) -> None:
        self.now += self.random.choice([0.001, 0.01, 0.1, 0.1 if self.is_calm else 1.0])
        was_fenced = self.ledger.books.is_fenced
        self.tell(Ticked())
        if self.ledger.books.is_fenced and not was_fenced:
            self.lose_to_the_fence()

    def check_end(self) -> None:
        """Every granted index is settled once, or was revoked."""
        twice = [pair for pair, times in self.settled.items() if times > 1]
        assert not twice, f"settled more than once: {twice[:5]}"
        for token, whole in self.granted.items():
            for index in range(whole.first, whole.stop):
                is_settled = bool(self.settled[token, index])
                assert is_settled or index in self.revoked[token], f"mini-batch {index} of lease {token} vanished"


@pytest.mark.parametrize("seed", range(40))
def test_every_mini_batch_is_settled_exactly_once(seed: int) -> None:
    world = World(seed)
    world.tell(Welcomed(15.0, 2.0, 0.0))
    world.tell(StepOpened(STEP, world.random.choice([1, 2, 4]), 0))
    for _ in range(600):
        world.step()
    world.is_calm = True
    for _ in range(20_000):
        if world.is_connected and not world.ledger.held() and not world.outbox:
            break
        world.step()
    assert not world.ledger.held(), f"still held: {world.ledger.held()}"
    world.check_end()
    world.tell(CloseAsked(STEP, kill=False))
    for _ in range(2_000):
        if world.is_closed:
            break
        world.step()
    assert world.is_closed
    assert not world.workers
