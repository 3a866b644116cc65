"""Checks an append before anything of it is stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from prsd.core.facts import Fact, JobRecorded
from prsd.store.rows import JobDocument


def check_documents(facts: Sequence[Fact], documents: Sequence[JobDocument]) -> None:
    """ValueError unless each document is that of a job recorded here, once, and defines steps of that job only."""
    recorded = [fact for fact in facts if isinstance(fact, JobRecorded)]
    if not recorded and not documents:
        return
    for name, times in Counter(fact.job for fact in recorded).items():
        if times > 1:
            raise ValueError(f"job {name!r} is recorded {times} times in one append")
    steps = {fact.job: {terms.name for terms in fact.steps} for fact in recorded}
    for name, times in Counter(document.job for document in documents).items():
        if name not in steps or times > 1:
            raise ValueError(f"a document of job {name!r} must come once, with the fact that records the job")
    for document in documents:
        if undefined := document.definitions.keys() - steps[document.job]:
            raise ValueError(f"job {document.job!r} has no step {min(undefined)!r} to define")
        if unknown := document.reuse_keys.keys() - steps[document.job]:
            raise ValueError(f"job {document.job!r} has no step {min(unknown)!r} to have a reuse key")
    requests = Counter(document.request_id for document in documents if document.request_id)
    if any(times > 1 for times in requests.values()):
        raise ValueError("two jobs of one append have the same request")


def document_of(fact: JobRecorded, documents: Sequence[JobDocument], recorded_at: float) -> JobDocument:
    """The document that came with the fact, or an empty one."""
    for document in documents:
        if document.job == fact.job:
            return document
    return JobDocument(fact.job, "{}", created_at=recorded_at)
