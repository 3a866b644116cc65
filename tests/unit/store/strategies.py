"""Hypothesis strategies for every kind of fact, within the numbers that can be stored."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from prsd.base.columns import Column
from prsd.core import facts as core_facts
from prsd.core.facts import Fact
from prsd.core.vocabulary import Block, Results, StepId
from prsd.store.kinds import Kind

U32 = st.integers(0, 2**32 - 1)
U63 = st.integers(0, 2**63 - 1)
U64 = st.integers(0, 2**64 - 1)
TEXT = st.text(st.characters(exclude_categories=()), max_size=20)  # lone surrogates too: file names come with them
TIMES = st.floats(allow_nan=False, allow_infinity=False)
STEPS = st.builds(StepId, TEXT, TEXT)


def columns(count: int) -> SearchStrategy[Column]:
    """Repeated values and packed ones of every width."""
    packed = st.integers(0, 64).flatmap(
        lambda bits: st.lists(st.integers(0, 2**bits - 1), min_size=count, max_size=count).map(Column.of)
    )
    return U64.map(lambda value: Column.repeat(value, count)) | packed


BLOCKS = st.integers(1, 20).flatmap(lambda count: st.builds(Block, TEXT, U64, U64, columns(count), U32))


def _results(count: int) -> SearchStrategy[Results]:
    column = columns(count)
    return st.builds(Results, STEPS, U64, U63, column, column, column, st.none() | BLOCKS, st.booleans(), TEXT, TIMES, U32)


RESULTS = st.integers(1, 20).flatmap(_results)
TYPES: dict[Kind, type[Fact]] = {
    Kind.DAEMON_STARTED: core_facts.DaemonStarted,
    Kind.JOB_RECORDED: core_facts.JobRecorded,
    Kind.JOB_CHANGED: core_facts.JobChanged,
    Kind.STEP_CHANGED: core_facts.StepChanged,
    Kind.STEP_ENDING: core_facts.StepEnding,
    Kind.SESSION_OPENED: core_facts.SessionOpened,
    Kind.SESSION_CLOSED: core_facts.SessionClosed,
    Kind.DIVISION_RECORDED: core_facts.DivisionRecorded,
    Kind.INDEXES_RESERVED: core_facts.IndexesReserved,
    Kind.RESULTS_RECORDED: core_facts.ResultsRecorded,
    Kind.FAILURE_RECORDED: core_facts.FailureRecorded,
    Kind.LOSS_RECORDED: core_facts.LossRecorded,
    Kind.START_FAILURE_RECORDED: core_facts.StartFailureRecorded,
    Kind.COMMIT_RECORDED: core_facts.CommitRecorded,
}


def facts_of(kind: Kind) -> SearchStrategy[Fact]:
    """Any fact of this kind."""
    if kind is Kind.RESULTS_RECORDED:
        return st.builds(core_facts.ResultsRecorded, RESULTS, TEXT)
    st.register_type_strategy(float, TIMES)
    st.register_type_strategy(str, TEXT)
    st.register_type_strategy(StepId, STEPS)
    return st.from_type(TYPES[kind])


def facts() -> SearchStrategy[Fact]:
    """Any fact."""
    return st.sampled_from(Kind).flatmap(facts_of)
