"""Between the agent's words and the daemon's: what the wire does for the real programs, without the bytes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from prs_agent.ledger import commands as agent_commands
from prs_agent.ledger import events as agent_events
from prs_agent.ledger import vocabulary as agent
from prs_agent.ledger.ranges import Range as AgentRange
from prsd.base.columns import Column
from prsd.core import commands, vocabulary
from prsd.core.events import AgentSynced, AttemptsReported, InstanceReported


def to_step(step: tuple[str, str]) -> vocabulary.StepId:
    return vocabulary.StepId(*step)


def to_ranges(ranges: Iterable[AgentRange]) -> tuple[vocabulary.Range, ...]:
    return tuple(vocabulary.Range(each.first, each.count) for each in ranges)


def from_ranges(ranges: Iterable[vocabulary.Range]) -> tuple[AgentRange, ...]:
    return tuple(AgentRange(each.first, each.count) for each in ranges)


def to_held(held: Iterable[agent.HeldLease]) -> tuple[vocabulary.HeldLease, ...]:
    return tuple(
        vocabulary.HeldLease(one.token, to_step(one.step), _to_phase(one.phase), to_ranges(one.ranges)) for one in held
    )


def to_synced(session: str, sync: agent_commands.SendSync) -> AgentSynced:
    wants = tuple(vocabulary.Want(to_step(one.step), one.count, one.ready_workers) for one in sync.wants)
    return AgentSynced(session, sync.held, sync.seen, wants, sync.draining)


def to_instance(session: str, said: agent_commands.SendInstance) -> InstanceReported:
    error = _same(vocabulary.StartError, said.error) if said.error else None
    return InstanceReported(session, to_step(said.step), vocabulary.InstanceState(said.state.value), error)


def to_reported(session: str, report: agent.Report) -> AttemptsReported:
    return AttemptsReported(
        session,
        report.number,
        results=tuple(to_results(one) for one in report.results),
        failures=tuple(_same(vocabulary.Failure, one) for one in report.failures),
        given_back=tuple(vocabulary.GivenBack(one.token, to_ranges(one.ranges)) for one in report.given_back),
        divisions=tuple(_to_progress(one) for one in report.divisions),
        commits=tuple(_same(vocabulary.CommitDone, one) for one in report.commits),
    )


def to_results(results: agent.Results) -> vocabulary.Results:
    count, block = results.count, None
    if results.block is not None:
        lengths = Column.from_bytes(results.block.lengths, count)
        block = vocabulary.Block(results.block.segment, results.block.offset, results.first, lengths, results.block.crc32)
    return vocabulary.Results(
        to_step(results.step),
        results.token,
        results.first,
        Column.from_bytes(results.items_total, count),
        Column.from_bytes(results.items_succeeded, count),
        Column.from_bytes(results.run_us, count),
        block,
        results.empty,
        results.worker,
        results.started_at,
        results.attempt,
    )


def from_grant(grant: commands.Grant) -> agent_events.LeaseGranted:
    lease = grant.lease
    parts = tuple(_same(agent.ManifestPart, part) for part in grant.parts)
    phase = agent.Phase(lease.phase.value)
    step = agent.StepId(*lease.step)
    whole = agent.Lease(lease.token, step, phase, lease.first, lease.count, lease.attempt, parts, grant.publish)
    return agent_events.LeaseGranted(whole)


def _to_phase(phase: agent.Phase) -> vocabulary.Phase:
    return vocabulary.Phase(phase.value)


def _to_progress(progress: agent.DivisionProgress) -> vocabulary.DivisionProgress:
    parts = tuple(_same(vocabulary.ManifestPart, part) for part in progress.parts)
    return vocabulary.DivisionProgress(to_step(progress.step), progress.token, parts, progress.ended, progress.notices)


def _same(kind: Any, value: Any) -> Any:
    """The value of the other vocabulary with equal fields."""
    found = {field.name: getattr(value, field.name) for field in fields(kind)}
    if "step" in found:
        found["step"] = to_step(found["step"])
    if "phase" in found:
        found["phase"] = _to_phase(found["phase"])
    return kind(**found)
