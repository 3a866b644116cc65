"""What a completed step left: kept as a file in the step's storage, so that a later job sees whether it is still there.

The file is written after the step has completed and before the next submission is looked at. A daemon that is killed between
leaves none, and then the step is run again: no more than time is lost.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path

from prsd.core.facts import Fact, StepChanged
from prsd.core.vocabulary import State, StepId
from prsd.reuse.fingerprints import Unseen, fingerprint
from prsd.reuse.keys import inputs_are_unchanged
from prsd.storage import DataFolder
from prsd.store.errors import StoreError
from prsd.store.protocol import Queries
from prsd.v1 import agents_pb2

log = logging.getLogger(__name__)

_FILE = "reuse.json"


class OutputKeeper:
    """Looks at what completed steps left, one after the other, beside everything else that the daemon does."""

    def __init__(self, store: Queries, folder: DataFolder) -> None:
        self._store = store
        self._folder = folder
        self._ended: asyncio.Queue[StepId] = asyncio.Queue()

    def note(self, facts: Sequence[Fact]) -> None:
        """To be called with facts that are durable, before anybody is shown them."""
        for fact in facts:
            if isinstance(fact, StepChanged) and fact.state is State.COMPLETED:
                self._ended.put_nowait(fact.step)

    async def keep(self) -> None:
        """Until cancelled."""
        while True:
            step = await self._ended.get()
            try:
                await asyncio.to_thread(keep_outputs, self._store, self._folder, step)
            except (OSError, Unseen, StoreError) as error:
                log.warning("step %s.%s cannot be reused: %s", *step, error)
            finally:
                self._ended.task_done()

    async def settled(self) -> None:
        """Returns when every step that was noted so far has been looked at."""
        await self._ended.join()


def keep_outputs(store: Queries, folder: DataFolder, step: StepId) -> None:
    """Note what lies at a step's outputs now, unless it was taken over itself, or what it read has changed meanwhile."""
    reuse = store.reuse_key_of(step)
    if reuse is None or not reuse.own:
        return
    if not inputs_are_unchanged(reuse.parts_json):
        raise Unseen("its input has changed since it was submitted")
    _write(folder.step(step) / _FILE, json.dumps({"outputs": _seen(store, step)}))


def changed_outputs(store: Queries, folder: DataFolder, step: StepId) -> str:
    """Why an earlier step cannot stand for one of the same key; empty when its outputs are what it left."""
    name = f"{step.job}/{step.step}"
    try:
        kept = json.loads((folder.step(step) / _FILE).read_text())["outputs"]
    except (OSError, ValueError, KeyError):
        return f"what {name} left was not noted when it completed, or its storage is gone"
    try:
        seen = _seen(store, step)
    except Unseen as unseen:
        return f"the outputs of {name} cannot be looked at: {unseen}"
    changed = sorted(output for output in kept.keys() | seen.keys() if kept.get(output) != seen.get(output))
    return f"outputs of {name} are gone or were changed: {', '.join(changed)}" if changed else ""


def _seen(store: Queries, step: StepId) -> dict[str, str]:
    definition = agents_pb2.StepDefinition.FromString(store.definition_of(step))
    return {output.name: fingerprint(output.uri, output.type) for output in definition.outputs}


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text)
    os.replace(partial, path)  # noqa: PTH105
