from __future__ import annotations

from contextlib import suppress
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prsd.base.columns import Column
from prsd.core.facts import Fact, FailureRecorded, IndexesReserved, JobRecorded, ResultsRecorded
from prsd.core.vocabulary import Failure, Phase, Results, StepId, StepKind, StepTerms
from prsd.store.codec import decode, decode_terms, encode, encode_terms
from prsd.store.kinds import Kind, address_of
from tests.unit.store.strategies import TYPES, facts, facts_of

STEP = StepId("job", "score")
ONES = Column.repeat(1, 3)


@settings(max_examples=500, deadline=None)
@given(fact=facts())
def test_every_fact_comes_back_as_it_was(fact: Fact) -> None:
    stored = encode(fact)
    assert decode(stored) == fact
    assert stored[0] == address_of(fact).kind


def test_every_type_of_fact_has_a_kind_of_its_own() -> None:
    assert {TYPES[kind] for kind in Kind} == set(get_args(Fact))


@pytest.mark.parametrize("kind", Kind)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_facts_of_each_kind_come_back(kind: Kind, data: st.DataObject) -> None:
    fact = data.draw(facts_of(kind))
    assert decode(encode(fact)) == fact
    assert encode(fact)[0] == kind


@settings(max_examples=300, deadline=None)
@given(stored=st.binary(max_size=200))
def test_arbitrary_bytes_are_a_fact_or_refused(stored: bytes) -> None:
    with suppress(ValueError):  # anything else would be a bug
        assert decode(encode(decode(stored)))


@given(fact=facts(), cut=st.integers(1, 30))
@settings(max_examples=200, deadline=None)
def test_a_cut_fact_is_refused(fact: Fact, cut: int) -> None:
    with pytest.raises(ValueError, match=r".+"):
        decode(encode(fact)[:-cut])


@pytest.mark.parametrize("kind", [0, max(Kind) + 1, 255])
def test_an_unknown_kind_is_refused_by_its_number(kind: int) -> None:
    with pytest.raises(ValueError, match=f"kind {kind} of facts is unknown"):
        decode(bytes((kind,)) + b"{}")


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b'{"step":["job","score"],"stop":5,"colour":"red"}', "IndexesReserved has no field 'colour'"),
        (b'{"step":["job","score"]}', "IndexesReserved lacks 'stop'"),
        (b'{"step":["job","score"],"stop":"5"}', "'5' is no int"),
        (b'{"step":["job","score"],"stop":true}', "True is no int"),
        (b'{"step":["job"],"stop":5}', "shorter"),
        (b"[]", r"\[\] is no dict"),
    ],
)
def test_json_that_is_not_the_fact_is_refused(body: bytes, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        decode(bytes((Kind.INDEXES_RESERVED,)) + body)


def test_a_field_with_a_default_may_be_missing_in_what_an_older_version_wrote() -> None:
    stored = bytes((Kind.JOB_RECORDED,)) + (
        b'{"job":"j","steps":[{"name":"s","kind":"command"}],"continue_on_step_failure":true}'
    )
    assert decode(stored) == JobRecorded("j", (StepTerms("s", StepKind.COMMAND),), True)


def test_a_thousand_uniform_mini_batches_are_a_few_bytes_and_widths_are_kept() -> None:
    thousand = Column.repeat(1, 1000)
    durations = Column.of(range(1000))
    fact = ResultsRecorded(Results(STEP, 1, 0, thousand, thousand, durations), "session")
    assert len(encode(fact)) < 2_150


@pytest.mark.parametrize(
    "results",
    [
        Results(STEP, 1, 0, Column.of([]), Column.of([]), Column.of([])),
        Results(STEP, 1, 0, ONES, ONES, Column.repeat(1, 2)),
        Results(STEP, 2**64, 0, ONES, ONES, ONES),
        Results(STEP, 1, 0, ONES, ONES, ONES, worker="w" * 70_000),
    ],
)
def test_results_that_cannot_be_stored_are_refused(results: Results) -> None:
    with pytest.raises(ValueError, match="results"):
        encode(ResultsRecorded(results, "session"))


def test_addresses_say_what_the_log_is_searched_by() -> None:
    failure = Failure(STEP, 1, Phase.RUN, 7, "exception", "no")
    assert address_of(FailureRecorded(failure, False)) == (Kind.FAILURE_RECORDED, "job", STEP, 7)
    assert address_of(IndexesReserved(STEP, 9)) == (Kind.INDEXES_RESERVED, "job", STEP, None)


def test_terms_come_back_as_they_were() -> None:
    terms = StepTerms("s", StepKind.PARALLEL, ("a", "b"), error_threshold=3, allowed_failed_percent=12.5)
    assert decode_terms(encode_terms(terms)) == terms
