"""What a new job takes over from a failed or canceled one, or from steps that equal its own: facts out of the store, files
linked into its own storage.

The files are linked before the job is recorded, so that a job that is recorded has the bytes that its results refer to,
whatever becomes of the earlier one. Everything here blocks on the disk.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from prsd.base.uris import path_of
from prsd.core import succession
from prsd.core.vocabulary import Results, State, StepId, StepKind, StepTerms, TakenOver
from prsd.definitions import KeptOutputs, PlannedJob
from prsd.reuse.choosing import is_completed
from prsd.spec.problems import Problem
from prsd.storage import DataFolder
from prsd.store.protocol import Queries
from prsd.store.rows import StepRow
from prsd.v1 import agents_pb2

_OWN_SEGMENT = ".seg"


class CannotResume(Exception):  # noqa: N818  (named for what it says about the job)
    """The job cannot be gone on from; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Former:
    """The job that a new one goes on from. `steps`: those of its steps that bring something along."""

    name: str
    pipeline: str
    steps: Mapping[str, StepRow]
    kept_outputs: KeptOutputs
    logs_uris: Mapping[str, str]


def former_job(store: Queries, name: str, state: State) -> Former:
    """The job as far as it can be gone on from; CannotResume when it goes on itself or has nothing left to do."""
    if state is State.COMPLETED:
        raise CannotResume(f"job {name} has completed: there is nothing to resume")
    if not state.is_final:
        raise CannotResume(f"job {name} is {state}: cancel it or wait for its end before resuming it")
    document = json.loads(store.document_of(name))
    steps = {row.step.step: row for row in store.steps_of(name) if _brings_something(row)}
    return Former(
        name,
        document["pipeline"],
        steps,
        kept_outputs(store, steps),
        {step["name"]: step.get("logsUri", "") for step in document["job"].get("steps", ())},
    )


def name_origin(former: Former, planned: PlannedJob) -> list[Problem]:
    """Say in the new job where it comes from; the notices that tell what it takes over."""
    planned.message.resumed_from = former.name
    for step in planned.message.steps:
        if step.name in former.steps and is_completed(former.steps[step.name]):
            step.logs_uri = former.logs_uris[step.name]
    return [Problem(path=f"jobs.{name}", message=_notice(former, row)) for name, row in former.steps.items()]


def kept_outputs(store: Queries, steps: Mapping[str, StepRow]) -> KeptOutputs:
    """By step of the new job and by output: where what earlier steps have written stays."""
    return {name: _kept_outputs(store, row) for name, row in steps.items()}


def taken_over(
    store: Queries, folder: DataFolder, steps: Mapping[str, StepRow], planned: PlannedJob
) -> dict[str, TakenOver]:
    """By step: what the new job takes over, its files linked; CannotResume leaves nothing behind.

    `steps`: by step of the new job, the earlier step that it goes on from or that stands for it.
    """
    own = folder.jobs / planned.name
    try:
        own.mkdir()
    except FileExistsError:
        raise CannotResume(f"{own} is in the way: choose another name for the new job") from None
    try:
        terms = {each.name: each for each in planned.terms}
        return {
            name: _step_taken_over(store, folder, row, StepId(planned.name, name), terms[name])
            for name, row in steps.items()
        }
    except BaseException:
        give_up(folder, planned)
        raise


def give_up(folder: DataFolder, planned: PlannedJob) -> None:
    """Remove what was linked for a job that is certainly not recorded."""
    shutil.rmtree(folder.jobs / planned.name, ignore_errors=True)


def _brings_something(row: StepRow) -> bool:
    if is_completed(row):
        return True
    counts = row.counts
    return row.terms.kind is StepKind.PARALLEL and counts.divided > 0


def _kept_outputs(store: Queries, row: StepRow) -> dict[str, str]:
    """Where outputs stay: all of a completed step; else those that scripts of succeeded mini-batches may have written to.

    The file that rows are appended to was never published, so the new job publishes one of its own.
    """
    definition = agents_pb2.StepDefinition.FromString(store.definition_of(row.step))
    if is_completed(row):
        return {output.name: output.uri for output in definition.outputs}
    if not row.counts.succeeded:
        return {}
    appended = definition.append_row.output
    return {each.name: each.uri for each in definition.outputs if each.name != appended or each.type != "uri_file"}


def _notice(former: Former, row: StepRow) -> str:
    if is_completed(row):
        return f"completed in job {former.name}: taken over with its outputs"
    counts = row.counts
    return (
        f"resumed from job {former.name}: of its {counts.divided:,} mini-batches the results of "
        f"{counts.succeeded + counts.empty:,} are taken over, the others run again; the attempts before are in the reports "
        f"of that job ({path_of(former.logs_uris[row.step.step])})"
    )


def _step_taken_over(store: Queries, folder: DataFolder, row: StepRow, step: StepId, terms: StepTerms) -> TakenOver:
    is_whole = is_completed(row)
    division = store.division_of(row.step)
    recorded = chain.from_iterable(store.results_of(row.step))
    if not is_whole:
        recorded = chain.from_iterable(succession.counting(each, terms) for each in recorded)
    names: dict[str, str] = {}
    results = tuple(_renamed(each, step, names) for each in recorded)
    old, new = folder.step(row.step), folder.step(step)
    _link_all(old / "manifest", new / "manifest", {part.name: part.name for part in division.parts})
    _link_all(old / "segments", new / "segments", names)
    taken = TakenOver(division.parts, division.ended, results, division.notices)
    if not is_whole:
        return taken
    failures = tuple(replace(failure, step=step) for failure in chain.from_iterable(store.failed_of(row.step)))
    done = store.commit_of(row.step)
    committed = replace(done, step=step) if done else None
    return replace(taken, is_completed=True, failures=failures, committed=committed)


def _renamed(results: Results, step: StepId, names: dict[str, str]) -> Results:
    """The same results as those of the new step; `names` collects what its segments were called and are called now."""
    block = results.block
    if block is None:
        return replace(results, step=step)
    new = names.setdefault(block.segment, _segment_name(block.segment, results.step.job))
    return replace(results, step=step, block=replace(block, segment=new))


def _segment_name(name: str, job: str) -> str:
    """An agent that is still the same process would use the very name again: workers' own segments end in .seg."""
    return f"{name}.of-{job}" if name.endswith(_OWN_SEGMENT) else name


def _link_all(source: Path, target: Path, names: Mapping[str, str]) -> None:
    """Link these files under their new names, durably; CannotResume when one is gone."""
    if not names:
        return
    target.mkdir(parents=True, exist_ok=True)
    for old, new in names.items():
        try:
            _link(source / old, target / new)
        except FileNotFoundError:
            raise CannotResume(f"{source / old} is gone, and with it recorded results: submit the pipeline anew") from None
        except OSError as error:
            raise CannotResume(f"cannot take over {source / old}: {error.strerror or error}") from error
    for folder in (target, target.parent, target.parent.parent, target.parent.parent.parent):
        _sync(folder)


def _link(source: Path, target: Path) -> None:
    """A hard link, or a copy where the file system has none."""
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:
        with source.open("rb") as read, target.open("xb") as written:
            shutil.copyfileobj(read, written, 1 << 20)
            written.flush()
            os.fsync(written.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
