"""What becomes of worker processes, and of the mini-batches that they had."""

from __future__ import annotations

from prs_agent.ledger import giving_back
from prs_agent.ledger.books import Books
from prs_agent.ledger.commands import AskBack, CloseWorker, KillIfRunning, KillWorker
from prs_agent.ledger.events import AttemptFailed, RangeFinished, WorkerExited, WorkerGaveBack
from prs_agent.ledger.instance import Instance, Piece, Worker, WorkerState
from prs_agent.ledger.outbox import Item
from prs_agent.ledger.ranges import Range
from prs_agent.ledger.vocabulary import Failure, InstanceState, Phase, StartError, StepId, worker_name


def kill(books: Books, instance: Instance, worker: Worker) -> None:
    worker.state = WorkerState.FAILED
    books.emit(KillWorker(instance.step, worker.number))


def close(books: Books, instance: Instance, worker: Worker) -> None:
    """What it has not started goes to others; then shutdown() and exit."""
    for token in sorted({frame.lease.token for frame in worker.frames}):
        books.emit(AskBack(instance.step, worker.number, token))
    worker.state = WorkerState.CLOSING
    books.emit(CloseWorker(instance.step, worker.number))


def finish(books: Books, token: int, finished: Range, item: Item) -> None:
    """Takes up a result or a failure, unless all of it was revoked meanwhile."""
    held = books.leases.get(token)
    if held is not None and held.unfinished.remove(finished):
        books.report(item, urgent=isinstance(item, Failure))


def on_ready(books: Books, step: StepId, number: int) -> None:
    instance, worker = books.find(step, number)
    if instance is None or worker is None:
        return
    instance.init_failures = 0
    if worker.state is WorkerState.STARTING:
        worker.state = WorkerState.READY
    if not instance.was_ready or instance.waiting_reason:
        instance.was_ready, instance.waiting_reason = True, ""
        books.tell_state(instance, InstanceState.READY)


def on_start_failed(books: Books, step: StepId, number: int, error: StartError) -> None:
    instance, worker = books.find(step, number)
    if instance is None or worker is None or worker.state is WorkerState.FAILED:
        return
    worker.state = WorkerState.FAILED
    _note_start_failure(books, instance, error)


def on_range_finished(books: Books, event: RangeFinished, now: float) -> None:
    results = event.results
    if event.worker is None:
        books.attempts.pop(results.token, None)
    elif (found := books.find(results.step, event.worker)) and found[0] and found[1]:
        found[0].settle(found[1], results.token, results.range, now)
    finish(books, results.token, results.range, results)


def on_attempt_failed(books: Books, event: AttemptFailed, now: float) -> None:
    failure = event.failure
    settled = Range(failure.index, 1)
    instance, worker = None, None
    if event.worker is None:
        books.attempts.pop(failure.token, None)
    else:
        instance, worker = books.find(failure.step, event.worker)
        if instance is not None and worker is not None:
            instance.settle(worker, failure.token, settled, now)
    finish(books, failure.token, settled, failure)
    if instance is not None and worker is not None and event.directive is not None:
        if event.directive == "stop_process":
            instance.target = max(instance.target - 1, 0)
        close(books, instance, worker)


def on_gave_back(books: Books, event: WorkerGaveBack) -> None:
    instance, worker = books.find(event.step, event.worker)
    if instance is None or worker is None:
        return
    pieces = [Piece(*each) for given in event.ranges for each in worker.take_out(event.token, given)]
    revoked = worker.revoked.pop(event.token, None)
    if revoked:
        books.emit(KillIfRunning(event.step, event.worker, event.token, tuple(revoked)))
    giving_back.put_back(books, instance, pieces)
    if (held := books.leases.get(event.token)) is not None:
        giving_back.note_answer(books, held, event.worker)


def on_exited(books: Books, event: WorkerExited) -> None:
    instance, worker = books.find(event.step, event.worker)
    if instance is None or worker is None:
        return
    charged = _charge(books, instance, worker, event)
    giving_back.put_back(books, instance, reversed(worker.empty()))
    for held in books.leases:
        giving_back.note_answer(books, held, event.worker)
    del instance.workers[event.worker]
    name = worker_name(event.worker)
    if event.cause != "killed" and worker.state is WorkerState.STARTING and not instance.is_closing:
        _note_start_failure(books, instance, StartError("init", event.detail, worker=name))
    elif event.cause != "killed" and worker.state is WorkerState.READY and not charged and not worker.has_settled:
        instance.barren_deaths += 1
    _give_up_when_nobody_is_left(books, instance, StartError("start", event.detail, worker=name))


def _charge(books: Books, instance: Instance, worker: Worker, event: WorkerExited) -> bool:
    """A worker's death is the failure of the mini-batch that it was running, and of no other."""
    if event.index is None or event.cause == "killed":
        return False
    running = Range(event.index, 1)
    if not worker.take_out(event.token, running):
        return False
    held = books.leases.get(event.token)
    failure = Failure(
        step=instance.step,
        token=event.token,
        phase=Phase.RUN,
        index=event.index,
        kind=event.cause or "worker died",
        message=event.detail,
        started_at=event.started_at,
        run_us=event.run_us,
        worker=worker_name(event.worker),
        attempt=held.lease.attempt if held else 1,
    )
    instance.barren_deaths = 0
    finish(books, event.token, running, failure)
    return True


def _note_start_failure(books: Books, instance: Instance, error: StartError) -> None:
    instance.init_failures += 1
    books.tell_state(instance, InstanceState.START_FAILED, error)
    nobody_left = not instance.live(WorkerState.READY, WorkerState.STARTING)
    if not instance.gave_up and (error.permanent or (instance.failures_are_too_many and nobody_left)):
        give_up(books, instance, error)


def _give_up_when_nobody_is_left(books: Books, instance: Instance, error: StartError) -> None:
    if instance.starts_workers and not instance.workers and (instance.failures_are_too_many or instance.target == 0):
        give_up(books, instance, error)


def give_up(books: Books, instance: Instance, error: StartError) -> None:
    instance.gave_up, instance.error = True, error
    books.tell_state(instance, InstanceState.GAVE_UP, error)
    giving_back.put_back(books, instance, instance.withdraw(None))
