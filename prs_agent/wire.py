"""Between the ledger's values and the messages of prsd.v1.agents."""

from __future__ import annotations

from collections.abc import Iterable

from prs_agent.ledger.commands import SendInstance, SendSync
from prs_agent.ledger.ranges import Range
from prs_agent.ledger.vocabulary import (
    Block,
    CommitDone,
    DivisionProgress,
    Failure,
    GivenBack,
    HeldLease,
    InstanceState,
    Lease,
    ManifestPart,
    Phase,
    Report,
    Results,
    StepId,
)
from prsd.v1 import agents_pb2 as pb

_PHASES = {Phase.DIVIDE: pb.PHASE_DIVIDE, Phase.RUN: pb.PHASE_RUN, Phase.COMMIT: pb.PHASE_COMMIT}
_PHASES_BACK = {number: phase for phase, number in _PHASES.items()}
_STATES = {
    InstanceState.OPENED: pb.InstanceReport.STATE_OPENED,
    InstanceState.READY: pb.InstanceReport.STATE_READY,
    InstanceState.START_FAILED: pb.InstanceReport.STATE_START_FAILED,
    InstanceState.GAVE_UP: pb.InstanceReport.STATE_GAVE_UP,
    InstanceState.CLOSED: pb.InstanceReport.STATE_CLOSED,
}


def step_id(step: pb.StepRef) -> StepId:
    return StepId(step.job, step.step)


def step_ref(step: StepId) -> pb.StepRef:
    return pb.StepRef(job=step.job, step=step.step)


def ranges(messages: Iterable[pb.Range]) -> tuple[Range, ...]:
    return tuple(Range(each.first, each.count) for each in messages)


def _ranges(values: Iterable[Range]) -> list[pb.Range]:
    return [pb.Range(first=each.first, count=each.count) for each in values]


def lease(grant: pb.Grant) -> Lease:
    """The lease that a Grant gives; ValueError for a phase that this release does not know."""
    if grant.phase not in _PHASES_BACK:
        raise ValueError(f"the daemon granted a lease of unknown phase {grant.phase}")
    return Lease(
        token=grant.token,
        step=step_id(grant.step),
        phase=_PHASES_BACK[grant.phase],
        first=grant.first,
        count=grant.count,
        attempt=grant.attempt,
        parts=tuple(ManifestPart(p.name, p.first, p.count, p.items, p.digest) for p in grant.parts),
        publish=grant.publish,
    )


def held_lease(held: HeldLease) -> pb.HeldLease:
    return pb.HeldLease(token=held.token, step=step_ref(held.step), phase=_PHASES[held.phase], ranges=_ranges(held.ranges))


def sync(command: SendSync) -> pb.AgentMessage:
    wants = [pb.Want(step=step_ref(want.step), count=want.count, ready_workers=want.ready_workers) for want in command.wants]
    return pb.AgentMessage(
        sync=pb.Sync(held=command.held, seen=command.seen, wants=wants, sent_at=command.sent_at, draining=command.draining)
    )


def instance(command: SendInstance) -> pb.AgentMessage:
    step, state = step_ref(command.step), _STATES[command.state]
    message = pb.InstanceReport(step=step, state=state, waiting_reason=command.waiting_reason)
    if (error := command.error) is not None:
        message.kind, message.message, message.traceback = error.kind, error.message, error.traceback
        message.permanent, message.worker = error.permanent, error.worker
    return pb.AgentMessage(instance=message)


def report(value: Report) -> pb.AgentMessage:
    return pb.AgentMessage(
        report=pb.Report(
            number=value.number,
            results=[_results(each) for each in value.results],
            failures=[_failure(each) for each in value.failures],
            given_back=[_given_back(each) for each in value.given_back],
            divisions=[_division(each) for each in value.divisions],
            commits=[_commit(each) for each in value.commits],
        )
    )


def _results(value: Results) -> pb.Results:
    return pb.Results(
        step=step_ref(value.step),
        token=value.token,
        first=value.first,
        count=value.count,
        items_total=value.items_total,
        items_succeeded=value.items_succeeded,
        run_us=value.run_us,
        block=_block(value.block) if value.block is not None else None,
        empty=value.empty,
        started_at=value.started_at,
        worker=value.worker,
        attempt=value.attempt,
    )


def _block(value: Block) -> pb.Block:
    return pb.Block(segment=value.segment, offset=value.offset, lengths=value.lengths, crc32=value.crc32)


def _failure(value: Failure) -> pb.Failure:
    return pb.Failure(
        step=step_ref(value.step),
        token=value.token,
        phase=_PHASES[value.phase],
        index=value.index,
        kind=value.kind,
        message=value.message,
        traceback=value.traceback,
        started_at=value.started_at,
        run_us=value.run_us,
        worker=value.worker,
        items_total=value.items_total,
        attempt=value.attempt,
        permanent=value.permanent,
    )


def _given_back(value: GivenBack) -> pb.GivenBack:
    return pb.GivenBack(token=value.token, ranges=_ranges(value.ranges))


def _division(value: DivisionProgress) -> pb.DivisionProgress:
    parts = [pb.ManifestPart(name=p.name, first=p.first, count=p.count, items=p.items, digest=p.digest) for p in value.parts]
    return pb.DivisionProgress(
        step=step_ref(value.step), token=value.token, parts=parts, ended=value.ended, notices=value.notices
    )


def _commit(value: CommitDone) -> pb.CommitDone:
    return pb.CommitDone(
        step=step_ref(value.step),
        token=value.token,
        size_bytes=value.size_bytes,
        digest=value.digest,
        rows=value.rows,
        notices=value.notices,
    )
