"""The texts that a step leaves under its logs folder, in the layout that Azure's users know (spec section 6).

The daemon writes what follows from its facts: readme.txt, job_result.txt, job_error.txt and the progress overview. What the
workers print and the reports per attempt come from the agents.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from prsd.board import Board
from prsd.core import facts as f
from prsd.core.views import StepView
from prsd.core.vocabulary import State, StepId
from prsd.storage import DataFolder
from prsd.store.error_groups import LOWEST
from prsd.store.notices import notices_of
from prsd.store.protocol import Store
from prsd.store.rows import ErrorGroup, StepRow
from prsd.v1 import agents_pb2

log = logging.getLogger(__name__)

_OVERVIEW_EVERY_S = 10.0
# The original's exit code of a failed parallel job; scripts of users look for it in job_result.txt.
_ORIGINAL_FAILURE_CODE = 42

README = """\
What lies in this folder

job_result.txt                          how the step ended, and why; look here first
job_error.txt                           the distinct errors of the entry script with their counts; only if there were any
job_progress_overview.<date>.txt        progress, a line every ten seconds
user/stdout/<node>/processNNN.stdout.txt  what the entry script printed, by node and worker process
user/stderr/<node>/processNNN.stderr.txt  the same for standard error
user/entry_script_log/<node>/           what EntryScript().logger wrote
user/error/<node>/processNNN.txt        tracebacks of the entry script
sys/job_report/processed_mini-batches.csv  one row per attempt of a mini-batch
sys/job_report/process_summary.csv, node_summary.csv  the same, summed up
sys/node/<node>/_main.txt               the agent: workers started, ended, killed
sys/error/<node>/                       error records of attempts
sys/perf/<node>/                        resource usage at --resource_monitor_interval
"""


class StepReports:
    """Writes the daemon's reports of every step, as facts become durable and as time goes by."""

    def __init__(self, folder: DataFolder, store: Store, board: Board) -> None:
        self._folder = folder
        self._store = store
        self._board = board
        self._started_at: dict[StepId, datetime] = {}

    async def before_showing(self, facts: Sequence[f.Fact]) -> None:
        """Called when facts are durable and nobody has seen them: a step that shows as ended has its reports already."""
        for fact in facts:
            if isinstance(fact, f.StepChanged):
                await self._on_step_changed(fact)

    async def _on_step_changed(self, fact: f.StepChanged) -> None:
        logs = self._folder.logs(fact.step)
        try:
            if fact.state is State.PREPARING:
                self._started_at[fact.step] = datetime.now(UTC)
                await asyncio.to_thread(_write, logs / "readme.txt", README)
            elif fact.state.is_final and fact.state is not State.SKIPPED:
                self._started_at.pop(fact.step, None)
                await asyncio.to_thread(self._write_results, fact.step)
        except OSError as error:
            log.error("the reports of step %s.%s could not be written: %s", *fact.step, error)

    def _write_results(self, step: StepId) -> None:
        logs = self._folder.logs(step)
        row = next(row for row in self._store.steps_of(step.job) if row.step == step)
        groups = self._store.error_groups(step)
        if row.started_at is not None:
            overview = _overview(logs, datetime.fromtimestamp(row.started_at, UTC))
            _append(overview, f"{datetime.now(UTC).isoformat()} {last_line(row)}\n")
        _write(logs / "job_result.txt", result_text(row, groups) + notices_text(self._notices(step)))
        if groups:
            _write(logs / "job_error.txt", error_text(groups))
        if agents_pb2.StepDefinition.FromString(self._store.definition_of(step)).copy_logs_to_parent:
            link_tree(logs, self._folder.job_logs(step.job) / step.step)

    def _notices(self, step: StepId) -> list[str]:
        """Of the step: those of its submission, such as what job it goes on from, then those of agents and workers."""
        prefix = f"jobs.{step.step}: "
        submitted = (each for each in self._store.find_job(step.job).notices if each.startswith(prefix))
        return [*(each.removeprefix(prefix) for each in submitted), *notices_of(self._store, step)]

    async def keep_overviews(self) -> None:
        """Appends a progress line for every running step, until cancelled."""
        while True:
            await asyncio.sleep(_OVERVIEW_EVERY_S)
            for step in list(self._started_at):
                await self._note_progress(step)

    async def _note_progress(self, step: StepId) -> None:
        job = self._board.view(step.job)
        view = next((each for each in job.steps if each.id == step.step), None) if job else None
        if view is None:
            return
        now = datetime.now(UTC)
        started_at = self._started_at.get(step, now)
        path = _overview(self._folder.logs(step), started_at)
        try:
            await asyncio.to_thread(_append, path, f"{now.isoformat()} {progress_line(view, now - started_at)}\n")
        except OSError as error:
            log.error("the progress overview of step %s.%s could not be written: %s", *step, error)


def progress_line(step: StepView, elapsed: timedelta) -> str:
    """One line for people: how far the step is, and how long the rest will take at the pace so far."""
    settled = step.succeeded + step.failed
    if not settled:
        return "No mini-batch has been processed yet." + (f" {step.waiting_reason}" if step.waiting_reason else "")
    elapsed_s = timedelta(seconds=round(elapsed.total_seconds()))
    line = f"Processed {settled} of {step.total} mini-batches in {elapsed_s}."
    if not step.division_ended:
        return line + " The input is still being divided."
    left = timedelta(seconds=round(elapsed.total_seconds() / settled * (step.total - settled)))
    return f"{line} {step.failed} failed. Estimated remaining time {left}."


def last_line(ended: StepRow) -> str:
    """The end of the progress overview, which a step of a few seconds has nothing else of."""
    counts = ended.counts
    elapsed_s = timedelta(seconds=round((ended.ended_at or 0) - (ended.started_at or 0)))
    settled = counts.succeeded + counts.failed
    processed = f"Processed {settled} of {counts.total} mini-batches in {elapsed_s}. {counts.failed} failed."
    return f"{processed} The step ended as {ended.state}."


def result_text(ended: StepRow, groups: Sequence[ErrorGroup]) -> str:
    """job_result.txt: the state, the reason, and the first distinct error before anything else that one could look at."""
    if ended.state is State.COMPLETED:
        tolerated = "; job_error.txt has the errors that its thresholds tolerated" if groups else ""
        return f"The step {ended.step.step} completed{tolerated}.\n"
    lines = [f"The step {ended.step.step} ended as {ended.state}.", "", ended.reason or "No reason was recorded.", ""]
    if ended.state is State.FAILED:
        lines.append(f"Exit code {_ORIGINAL_FAILURE_CODE}.")
    if groups:
        first = groups[0]
        lines += ["", f"The most frequent error ({first.count} times, {_mini_batches(first)}):", "", first.message]
        lines += [first.traceback.rstrip()] if first.traceback else []
        lines += ["", "All distinct errors are in job_error.txt; what the script printed is under user/."]
    return "\n".join(lines) + "\n"


def notices_text(notices: Sequence[str]) -> str:
    """The end of job_result.txt: what agents and workers want a person to know; empty when that is nothing."""
    return "".join(["\nNotices:\n", *(f"- {notice}\n" for notice in notices)]) if notices else ""


def error_text(groups: Iterable[ErrorGroup]) -> str:
    """job_error.txt: the distinct errors, most frequent first."""
    blocks = []
    for group in groups:
        heading = f"{group.count} x {group.kind}: {group.message} ({_mini_batches(group)})"
        blocks.append(heading + ("\n" + group.traceback.rstrip() if group.traceback else ""))
    return "\n\n".join(blocks) + "\n"


def _mini_batches(group: ErrorGroup) -> str:
    if not group.mini_batches:
        return "while workers started"
    more = ", …" if len(group.mini_batches) >= LOWEST else ""
    plural = "es" if len(group.mini_batches) > 1 else ""
    return f"mini-batch{plural} " + ", ".join(str(index) for index in group.mini_batches) + more


def _overview(logs: Path, started_at: datetime) -> Path:
    return logs / f"job_progress_overview.{started_at:%Y%m%d%H}.txt"


def link_tree(source: Path, target: Path) -> None:
    """Hard links to all files below `source` under the same names, which cost no room; copies where there are no links."""

    def link(old: str, new: str) -> None:
        Path(new).unlink(missing_ok=True)
        try:
            os.link(old, new)
        except OSError:
            shutil.copy2(old, new)

    shutil.copytree(source, target, copy_function=link, dirs_exist_ok=True)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", errors="backslashreplace")


def _append(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8", errors="backslashreplace") as stream:
        stream.write(text)
