"""Steps that are opened, closed, held up or broken on this node."""

from __future__ import annotations

from prs_agent.ledger import giving_back, workers
from prs_agent.ledger.books import Books
from prs_agent.ledger.commands import ForgetStep, SendInstance, StopAttempt
from prs_agent.ledger.events import StepOpened
from prs_agent.ledger.instance import Instance, WorkerState
from prs_agent.ledger.vocabulary import InstanceState, Phase, StartError, StepId


def on_opened(books: Books, event: StepOpened) -> None:
    instance = books.instances.get(event.step)
    if instance is None:
        instance = Instance(event.step, event.workers, event.is_command, event.gpus, books.emit)
        instance.is_paused = books.is_draining
        books.instances[event.step] = instance
        books.tell_state(instance, InstanceState.OPENED)
        if event.is_command:
            instance.was_ready = True
            books.tell_state(instance, InstanceState.READY)
    else:
        books.tell(instance)


def on_close_asked(books: Books, step: StepId, kill: bool) -> None:
    instance = books.instances.get(step)
    if instance is None:  # asked twice: CLOSED is on its way, and a second one could meet a new Open
        return
    instance.is_closing = True
    unfed = instance.withdraw(None)
    if not kill:
        giving_back.put_back(books, instance, unfed)
    for worker in list(instance.workers.values()):
        if kill:
            workers.kill(books, instance, worker)
        elif worker.state in (WorkerState.READY, WorkerState.STARTING):
            workers.close(books, instance, worker)
    if kill:
        _drop_step(books, step)


def _drop_step(books: Books, step: StepId) -> None:
    for token, lease in books.attempts.items():
        if lease.step == step and lease.phase is Phase.RUN:
            books.emit(StopAttempt(token))
    books.leases.abandon_runs(step)


def on_broken(books: Books, step: StepId, error: StartError) -> None:
    instance = books.instances.get(step)
    if instance is None or instance.gave_up:
        return
    books.tell_state(instance, InstanceState.START_FAILED, error)
    workers.give_up(books, instance, error)


def on_delayed(books: Books, step: StepId, reason: str) -> None:
    instance = books.instances.get(step)
    if instance is not None and instance.waiting_reason != reason:
        instance.waiting_reason = reason
        books.tell(instance)


def close_instances(books: Books) -> None:
    """CLOSED is said once: on a new session Hello tells what is open, and a repetition could meet a second Open."""
    if books.outbox.has_pending:  # what the instance did is told before that it is closed
        return
    for step, instance in list(books.instances.items()):
        is_busy = instance.workers or any(
            lease.step == step and lease.phase is Phase.RUN for lease in books.attempts.values()
        )
        if instance.is_closing and not is_busy:
            del books.instances[step]
            books.emit(SendInstance(step, InstanceState.CLOSED))
            books.emit(ForgetStep(step))
