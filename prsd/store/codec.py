"""Fact ⇄ bytes: one byte that says the kind, then the packed form of results, or JSON for everything else."""

from __future__ import annotations

import json
from typing import Any

from prsd.core import facts
from prsd.core.facts import Fact, ResultsRecorded
from prsd.core.vocabulary import StepTerms
from prsd.store.kinds import Kind, address_of
from prsd.store.packed import pack_results, unpack_results
from prsd.store.plain import from_plain, to_plain

_JSON = json.JSONEncoder(separators=(",", ":"))

# ResultsRecorded is missing on purpose: it has a form of its own. The round-trip test proves that nothing else is.
_JSON_TYPES: dict[Kind, type[Fact]] = {
    Kind.DAEMON_STARTED: facts.DaemonStarted,
    Kind.JOB_RECORDED: facts.JobRecorded,
    Kind.JOB_CHANGED: facts.JobChanged,
    Kind.STEP_CHANGED: facts.StepChanged,
    Kind.STEP_ENDING: facts.StepEnding,
    Kind.SESSION_OPENED: facts.SessionOpened,
    Kind.SESSION_CLOSED: facts.SessionClosed,
    Kind.DIVISION_RECORDED: facts.DivisionRecorded,
    Kind.INDEXES_RESERVED: facts.IndexesReserved,
    Kind.FAILURE_RECORDED: facts.FailureRecorded,
    Kind.LOSS_RECORDED: facts.LossRecorded,
    Kind.START_FAILURE_RECORDED: facts.StartFailureRecorded,
    Kind.COMMIT_RECORDED: facts.CommitRecorded,
}


def encode(fact: Fact) -> bytes:
    """The stored form; ValueError for a fact whose numbers cannot be stored."""
    kind = bytes((address_of(fact).kind,))
    return kind + (pack_results(fact) if isinstance(fact, ResultsRecorded) else _to_json(fact))


def decode(data: bytes) -> Fact:
    """The fact that `encode` was given; ValueError when the bytes cannot be one, or are of an unknown kind."""
    if not data:
        raise ValueError("there are no bytes")
    if data[0] == Kind.RESULTS_RECORDED:
        return unpack_results(data, 1)
    kind: Any = _JSON_TYPES.get(data[0])  # type: ignore[call-overload]
    if kind is None:
        raise ValueError(f"kind {data[0]} of facts is unknown to this version")
    fact: Fact = from_plain(kind, json.loads(data[1:].decode()))
    return fact


def encode_terms(terms: StepTerms) -> str:
    """The stored form of a step's terms."""
    return _to_json(terms).decode()


def decode_terms(text: str) -> StepTerms:
    """What `encode_terms` was given; ValueError when the text cannot be that."""
    return from_plain(StepTerms, json.loads(text))


def _to_json(value: Any) -> bytes:
    return _JSON.encode(to_plain(value)).encode()
