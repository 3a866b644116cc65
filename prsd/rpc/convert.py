"""Messages of agents.proto to the core's vocabulary and back. Pure; a malformed message raises ValueError."""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from prsd.base.columns import Column
from prsd.core import commands, events
from prsd.core.vocabulary import (
    Block,
    CommitDone,
    DivisionProgress,
    Failure,
    GivenBack,
    HeldLease,
    InstanceState,
    ManifestPart,
    Phase,
    Range,
    Results,
    StartError,
    StepId,
    Want,
)
from prsd.v1 import agents_pb2 as pb

# One Report names at most this many mini-batches in one range: a bound on what a single message may make the daemon hold.
MAX_RANGE_COUNT = 1 << 24

# A sentence for people, which the core keeps as long as the instance is open.
_MAX_REASON = 500

_PHASES = {pb.PHASE_DIVIDE: Phase.DIVIDE, pb.PHASE_RUN: Phase.RUN, pb.PHASE_COMMIT: Phase.COMMIT}
_PHASE_NUMBERS = {phase: number for number, phase in _PHASES.items()}
_INSTANCE_STATES = {
    pb.InstanceReport.STATE_OPENED: InstanceState.OPENED,
    pb.InstanceReport.STATE_READY: InstanceState.READY,
    pb.InstanceReport.STATE_START_FAILED: InstanceState.START_FAILED,
    pb.InstanceReport.STATE_GAVE_UP: InstanceState.GAVE_UP,
    pb.InstanceReport.STATE_CLOSED: InstanceState.CLOSED,
}


def step_id(message: pb.StepRef) -> StepId:
    return StepId(message.job, message.step)


def step_ref(step: StepId) -> pb.StepRef:
    return pb.StepRef(job=step.job, step=step.step)


def _phase(number: pb.Phase.ValueType) -> Phase:
    if number not in _PHASES:
        raise ValueError(f"unknown phase {number}")
    return _PHASES[number]


def _ranges(messages: Iterable[pb.Range]) -> tuple[Range, ...]:
    return tuple(Range(message.first, message.count) for message in messages)


def _range_messages(ranges: Iterable[Range]) -> list[pb.Range]:
    return [pb.Range(first=each.first, count=each.count) for each in ranges]


def joined(session: str, hello: pb.Hello) -> events.AgentJoined:
    return events.AgentJoined(
        session=session,
        agent=hello.agent,
        boot=hello.boot,
        compute=hello.compute,
        slots=hello.slots,
        held=tuple(
            HeldLease(held.token, step_id(held.step), _phase(held.phase), _ranges(held.ranges)) for held in hello.held
        ),
        open_steps=tuple(step_id(each.step) for each in hello.open_steps),
        open_nodes=tuple(each.node for each in hello.open_steps),
        open_workers=tuple(each.workers for each in hello.open_steps),
    )


def synced(session: str, sync: pb.Sync) -> events.AgentSynced:
    return events.AgentSynced(
        session=session,
        held=tuple(sync.held),
        seen=sync.seen,
        wants=tuple(Want(step_id(want.step), want.count, want.ready_workers) for want in sync.wants),
        draining=sync.draining,
    )


def reported(session: str, report: pb.Report) -> events.AttemptsReported:
    return events.AttemptsReported(
        session=session,
        number=report.number,
        results=tuple(_results(each) for each in report.results),
        failures=tuple(_failure(each) for each in report.failures),
        given_back=tuple(GivenBack(each.token, _ranges(each.ranges)) for each in report.given_back),
        divisions=tuple(_division(each) for each in report.divisions),
        commits=tuple(_commit(each) for each in report.commits),
    )


def _results(message: pb.Results) -> Results:
    count = message.count
    if not 0 < count <= MAX_RANGE_COUNT:
        raise ValueError(f"a range of results has 1 to {MAX_RANGE_COUNT} mini-batches, not {count}")
    return Results(
        step=step_id(message.step),
        token=message.token,
        first=message.first,
        items_total=Column.from_bytes(message.items_total, count),
        items_succeeded=Column.from_bytes(message.items_succeeded, count),
        run_us=Column.from_bytes(message.run_us, count),
        block=_block(message) if message.HasField("block") else None,
        empty=message.empty,
        worker=message.worker,
        started_at=message.started_at,
        attempt=message.attempt,
    )


def _block(message: pb.Results) -> Block:
    block = message.block
    return Block(
        segment=block.segment,
        offset=block.offset,
        first=message.first,
        lengths=Column.from_bytes(block.lengths, message.count),
        crc32=block.crc32,
    )


def _failure(message: pb.Failure) -> Failure:
    return Failure(
        step=step_id(message.step),
        token=message.token,
        phase=_phase(message.phase),
        index=message.index,
        kind=message.kind,
        message=message.message,
        traceback=message.traceback,
        items_total=message.items_total,
        worker=message.worker,
        started_at=message.started_at,
        run_us=message.run_us,
        attempt=message.attempt,
        permanent=message.permanent,
    )


def _part(message: pb.ManifestPart) -> ManifestPart:
    return ManifestPart(message.name, message.first, message.count, message.items, message.digest)


def part_message(part: ManifestPart) -> pb.ManifestPart:
    return pb.ManifestPart(name=part.name, first=part.first, count=part.count, items=part.items, digest=part.digest)


def _division(message: pb.DivisionProgress) -> DivisionProgress:
    return DivisionProgress(
        step=step_id(message.step),
        token=message.token,
        parts=tuple(_part(part) for part in message.parts),
        ended=message.ended,
        notices=tuple(message.notices),
    )


def _commit(message: pb.CommitDone) -> CommitDone:
    return CommitDone(
        step=step_id(message.step),
        token=message.token,
        size_bytes=message.size_bytes,
        digest=message.digest,
        rows=message.rows,
        notices=tuple(message.notices),
    )


def instance_reported(session: str, message: pb.InstanceReport) -> events.InstanceReported:
    state = _INSTANCE_STATES.get(message.state)
    if state is None:
        raise ValueError(f"unknown state {message.state} of an instance")
    error = None
    if state in (InstanceState.START_FAILED, InstanceState.GAVE_UP):
        error = StartError(message.kind, message.message, message.traceback, message.permanent, message.worker)
    return events.InstanceReported(session, step_id(message.step), state, error, message.waiting_reason[:_MAX_REASON])


SessionCommand = (
    commands.Grant
    | commands.Revoke
    | commands.TakeBack
    | commands.Open
    | commands.Close
    | commands.Acknowledge
    | commands.Dismiss
)


def daemon_message(command: SessionCommand, definition: pb.StepDefinition | None) -> pb.DaemonMessage:
    """The message for a command other than Welcome. `definition` goes with Open, and with a Grant that needs one."""
    match command:
        case commands.Grant():
            return pb.DaemonMessage(grant=_grant(command, definition))
        case commands.Revoke():
            revoke = pb.Revoke(token=command.token, ranges=_range_messages(command.ranges))
            return pb.DaemonMessage(revoke=revoke)
        case commands.TakeBack():
            return pb.DaemonMessage(take_back=pb.TakeBack(token=command.token))
        case commands.Open():
            return pb.DaemonMessage(open=pb.Open(definition=definition, workers=command.workers, node=command.node))
        case commands.Close():
            return pb.DaemonMessage(close=pb.Close(step=step_ref(command.step), kill=command.kill))
        case commands.Acknowledge():
            return pb.DaemonMessage(acknowledge=pb.Acknowledge(number=command.number))
        case commands.Dismiss():
            return pb.DaemonMessage(dismiss=pb.Dismiss(reason=command.reason))
        case _:
            assert_never(command)


def _grant(command: commands.Grant, definition: pb.StepDefinition | None) -> pb.Grant:
    lease = command.lease
    return pb.Grant(
        token=lease.token,
        step=step_ref(lease.step),
        phase=_PHASE_NUMBERS[lease.phase],
        first=lease.first,
        count=lease.count,
        attempt=lease.attempt,
        parts=[part_message(part) for part in command.parts],
        publish=command.publish,
        definition=definition,
    )
