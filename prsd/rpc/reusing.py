"""Steps of a submission that equal completed ones: chosen, told, and kept for the submissions to come (statement 94)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import replace

from prsd.base.uris import uri_of
from prsd.definitions import PlannedJob
from prsd.reuse.choosing import Choice, choose, is_completed
from prsd.reuse.keys import keys_of
from prsd.reuse.outputs import OutputKeeper
from prsd.rpc.resuming import Former
from prsd.spec import Pipeline
from prsd.spec.problems import Problem
from prsd.storage import DataFolder
from prsd.store.protocol import Queries
from prsd.store.rows import ReuseKey, StepRow
from prsd.v1 import jobs_pb2

# A disk that hangs must not hold up submissions: what has not been looked at by then is run again.
_OUTPUTS_PATIENCE_S = 10.0


class Reusing:
    def __init__(self, store: Queries, folder: DataFolder, outputs: OutputKeeper) -> None:
        self._store = store
        self._folder = folder
        self._outputs = outputs

    async def choice_for(self, pipeline: Pipeline) -> Choice:
        """What of a new job is taken over, with the keys of its steps."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_OUTPUTS_PATIENCE_S):
                await self._outputs.settled()
        # In a thread: it looks at every file of every input.
        return await asyncio.to_thread(choose, self._store, self._folder, pipeline)

    def tell(self, choice: Choice, planned: PlannedJob) -> list[Problem]:
        """Say in the new job what becomes of each step; the notices for people."""
        for step in planned.message.steps:
            if step.name in choice.verdicts:
                step.reuse.CopyFrom(choice.verdicts[step.name])
            if step.name in choice.taken:
                step.logs_uri = uri_of(self._folder.logs(choice.taken[step.name].step))
        told = {name: _notice(row) for name, row in choice.taken.items()} | choice.keys.notices
        told |= {name: _resumed(row) for name, row in choice.resumed.items()}
        return [Problem(path=f"jobs.{name}", message=message) for name, message in told.items()]

    async def keys_of_resumed(self, pipeline: Pipeline, former: Former) -> dict[str, ReuseKey]:
        """What a resumed job takes over rests on the data as its former found it, so it keeps the keys of that."""
        return await asyncio.to_thread(self._keys_of_resumed, pipeline, former)

    def _keys_of_resumed(self, pipeline: Pipeline, former: Former) -> dict[str, ReuseKey]:
        known = {name: self._store.reuse_key_of(row.step) for name, row in former.steps.items()}
        return _recorded(keys_of(pipeline, self._folder.datastore_uri, known).keys, former.steps)


def keys_to_record(choice: Choice) -> dict[str, ReuseKey]:
    """Of every step that has one; what is taken over never stands for another."""
    return _recorded(choice.keys.keys, choice.taken)


def without_taking(choice: Choice, reason: str) -> Choice:
    """The same job when nothing can be taken over after all."""
    verdicts = {
        name: jobs_pb2.Reuse(reason=reason) if name in choice.taken else verdict for name, verdict in choice.verdicts.items()
    }
    return Choice(choice.keys, verdicts=verdicts)


def _recorded(keys: Mapping[str, ReuseKey], taken: Mapping[str, StepRow]) -> dict[str, ReuseKey]:
    return {name: replace(key, own=not (name in taken and is_completed(taken[name]))) for name, key in keys.items()}


def _notice(row: StepRow) -> str:
    failed = f" ({row.counts.failed:,} failed mini-batches among them)" if row.counts.failed else ""
    return (
        f"reused from {row.step.job}/{row.step.step}: the same step with the same inputs completed there, its outputs are "
        f"taken over{failed}; --force-rerun runs it again"
    )


def _resumed(row: StepRow) -> str:
    counts = row.counts
    return (
        f"goes on from {row.step.job}/{row.step.step}: of its {counts.divided:,} mini-batches the results of "
        f"{counts.succeeded + counts.empty:,} are taken over, the others run again"
    )
