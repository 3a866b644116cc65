"""Rows of the tables of jobs and steps ⇄ summaries and what queries return."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import fields
from typing import Any
from zlib import crc32

from prsd.core.vocabulary import State, StepId
from prsd.store.codec import decode_terms, encode_terms
from prsd.store.rows import JobDocument, JobRow, ReuseKey
from prsd.store.summaries import JobSummary, StepSummary

_COUNTS = [field.name for field in fields(StepSummary) if field.name not in ("step", "terms", "state", "division_ended")]


def job_columns(document: JobDocument, summary: JobSummary) -> dict[str, Any]:
    """The parameters of insert_job."""
    return {
        "name": document.job,
        "request_id": document.request_id or None,
        "display_name": document.display_name,
        "notices": json.dumps(document.notices),
        "created_at": document.created_at,
        "state": summary.state.value,
        "reason": summary.reason,
    }


def job_update(number: int, summary: JobSummary) -> dict[str, Any]:
    """The parameters of update_job."""
    return {
        "number": number,
        "state": summary.state.value,
        "reason": summary.reason,
        "started_at": summary.started_at,
        "ended_at": summary.ended_at,
    }


def step_columns(summary: StepSummary) -> dict[str, Any]:
    """The parameters of insert_step and update_step but for the numbers."""
    columns = {name: getattr(summary, name) for name in _COUNTS}
    columns["name"] = summary.step.step
    columns["terms"] = encode_terms(summary.terms)
    columns["state"] = summary.state.value
    columns["division_ended"] = int(summary.division_ended)
    return columns


def document_columns(body: bytes) -> dict[str, Any]:
    """What documents and definitions have in common."""
    return {"body": body, "crc32": crc32(body)}


def reuse_columns(reuse: ReuseKey) -> dict[str, Any]:
    """The parameters of insert_reuse_key but for the step."""
    return {"key": reuse.key, "own": int(reuse.own), **document_columns(reuse.parts_json.encode())}


def read_job(row: sqlite3.Row) -> JobRow:
    """A row of the table of jobs."""
    return JobRow(
        row["name"],
        State(row["state"]),
        row["reason"],
        row["created_at"],
        row["started_at"],
        row["ended_at"],
        row["display_name"],
        row["request_id"] or "",
        tuple(json.loads(row["notices"])),
    )


def read_job_summary(row: sqlite3.Row) -> JobSummary:
    """The same as the summary that the writer goes on with."""
    return JobSummary(row["name"], State(row["state"]), row["reason"], row["started_at"], row["ended_at"])


def read_step(row: sqlite3.Row, job: str) -> StepSummary:
    """A row of the table of steps."""
    counts = {name: row[name] for name in _COUNTS}
    return StepSummary(
        step=StepId(job, row["name"]),
        terms=decode_terms(row["terms"]),
        state=State(row["state"]),
        division_ended=bool(row["division_ended"]),
        **counts,
    )
