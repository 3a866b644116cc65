"""A step on this node: its definition, its folders, and what must be there before anything of it can start."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from secrets import token_hex

from prs_agent.arguments import UnknownExpressionError, substitute, worker_arguments
from prs_agent.host import frames
from prs_agent.inputs import InputMissingError, expression_values, resolve_input, resolve_inputs, resolve_outputs
from prs_agent.ledger.vocabulary import StartError, StepId
from prs_agent.logs import StepLogs
from prs_agent.patience import patiently
from prsd.base import uris
from prsd.v1 import agents_pb2 as pb

FetchSnapshot = Callable[[str], Awaitable[Path]]

# Variables of the agent that user code never sees: credentials, and what configures the agent itself.
_SECRET_WORDS = ("TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL", "API_KEY", "ACCESS_KEY", "PRIVATE_KEY")
_OWN_PREFIXES = ("PRS_", "GRPC_")


class StepBrokenError(Exception):
    """Nothing of the step can be started on this node; `error` says why in users' words."""

    def __init__(self, error: StartError) -> None:
        super().__init__(error.message)
        self.error = error


@dataclass(frozen=True, slots=True)
class Preparation:
    """What a worker or a command needs: where the code lies, what expressions stand for, `sys.argv[1:]`."""

    code_root: Path
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    arguments: tuple[str, ...]
    command: str
    input_kind: str  # "files", "tabular", "rank" or "none"
    input_root: str

    def output_dir(self, definition: pb.StepDefinition) -> str:
        """What `EntryScript().output_dir` shows: the folder of the appended output, or of the first one."""
        outputs = list(definition.outputs)
        chosen = next(
            (each for each in outputs if each.name == definition.append_row.output), outputs[0] if outputs else None
        )
        if chosen is None:
            return ""
        path = self.outputs[chosen.name]
        return os.path.dirname(path) if chosen.type == "uri_file" else path  # noqa: PTH120 - stays text


class Site:
    """One per step that this agent knows. `prepared` may be awaited by many; the work is done once."""

    def __init__(
        self,
        definition: pb.StepDefinition,
        data: Path,
        fetch_snapshot: FetchSnapshot,
        note_delay: Callable[[StepId, str], None],
    ) -> None:
        """`data`: the agent's own folder. `note_delay` is told what the step waits for on this node, "" when it is over."""
        self.definition = definition
        self.step = StepId(definition.step.job, definition.step.step)
        self.node = 0
        self.workers = 1
        self.storage = uris.path_of(definition.storage_uri)
        self.manifest_dir = self.storage / "manifest"
        self.segments_dir = self.storage / "segments"
        self.attempts_dir = self.storage / "attempts"
        self.scratch = data / "work" / definition.step.job / definition.step.step
        self._downloads = data / "downloads" / definition.step.job / definition.step.step
        self._trash = data / "trash"
        self._fetch_snapshot = fetch_snapshot
        self.note_delay = partial(note_delay, self.step)
        self._preparing: asyncio.Task[Preparation] | None = None
        self._logs: StepLogs | None = None

    def place(self, node: int, workers: int) -> None:
        """The instance's number and size; known once the step is opened here."""
        self.node, self.workers = node, workers
        self._logs = None

    @property
    def logs(self) -> StepLogs:
        if self._logs is None:
            self._logs = StepLogs(self.storage / "logs", self.node)
        return self._logs

    async def prepared(self) -> Preparation:
        """Snapshot, inputs and output folders are there. StepBrokenError when they cannot be; what passes is waited for."""
        if self._preparing is None:
            self._preparing = asyncio.create_task(self._prepare(), name=f"prepare {self.step}")
        return await asyncio.shield(self._preparing)

    async def _prepare(self) -> Preparation:
        try:
            return await patiently(self._prepare_once, self.note_delay)
        except (InputMissingError, UnknownExpressionError) as error:
            raise StepBrokenError(StartError("start", str(error), permanent=True)) from error
        except Exception as error:
            self._preparing = None  # it may go better at the next try
            raise StepBrokenError(StartError("start", f"the step cannot be prepared on this node: {error}")) from error

    async def _prepare_once(self) -> Preparation:
        code_root = await self._fetch_snapshot(self.definition.snapshot) if self.definition.snapshot else self.scratch
        return await asyncio.to_thread(self._prepare_folders, code_root)

    def _prepare_folders(self, code_root: Path) -> Preparation:
        for folder in (self.scratch, self.segments_dir, self.attempts_dir):
            folder.mkdir(parents=True, exist_ok=True)
        inputs = resolve_inputs(self.definition, self._downloads)
        outputs = resolve_outputs(self.definition)
        values = expression_values(inputs, outputs)
        arguments = worker_arguments(self.definition, values, self.workers)
        # A command's outputs are redirected for each attempt: commands.py substitutes them.
        command_values = {name: value for name, value in values.items() if name.startswith("inputs.")}
        command_values |= {f"outputs.{name}": f"${{{{outputs.{name}}}}}" for name in outputs}
        command = substitute(self.definition.command, command_values)
        return Preparation(code_root, inputs, outputs, arguments, command, *_divided_input(self.definition, inputs))

    def start_frame(self, preparation: Preparation, worker: str, slot_path: str) -> frames.Start:
        """The first frame for a worker."""
        definition = self.definition
        append = definition.append_row
        return frames.Start(
            entry_script=definition.entry_script,
            code_root=str(preparation.code_root),
            argv=preparation.arguments,
            slot_path=slot_path,
            worker=worker,
            node=self.node,
            input_kind=preparation.input_kind,
            input_root=preparation.input_root,
            manifest_dir=str(self.manifest_dir),
            logging_level=definition.logging_level or "INFO",
            entry_script_log_dir=str(self.logs.entry_script_log_dir),
            user_error_dir=str(self.logs.user_error_dir),
            output_dir=preparation.output_dir(definition),
            append=frames.Append(bool(append.output), append.format or "text", append.dataframe_header),
            strict_types=definition.division.strict_types,
            run_id=self.run_id,
            job=self.step.job,
            step=self.step.step,
            profiling_module=definition.profiling_module,
            profile_path=str(self.logs.node_dir / f"{worker}.profile"),
        )

    @property
    def run_id(self) -> str:
        return f"{self.step.job}_{self.step.step}"

    async def divided_input(self) -> tuple[pb.Input, str]:
        """The input that is divided, and its path here, copied where that is its mode. InputMissingError."""
        return await patiently(lambda: asyncio.to_thread(self._resolve_divided), self.note_delay)

    def _resolve_divided(self) -> tuple[pb.Input, str]:
        name = self.definition.input_data
        divided = next((each for each in self.definition.inputs if each.name == name), None)
        if divided is None:
            raise InputMissingError(f"the step has no input {name!r} that could be divided")
        return divided, resolve_input(divided, self._downloads)

    def clear(self) -> list[Path]:
        """Sets aside what this node kept for the step; the folders that are returned may be removed at leisure."""
        if self._preparing is not None:
            self._preparing.cancel()
            self._preparing = None
        self._trash.mkdir(exist_ok=True)
        aside = []
        for folder in (self.scratch, self._downloads):
            if folder.exists():
                aside.append(folder.rename(self._trash / token_hex(8)))
        return aside

    def environment(self) -> dict[str, str]:
        """Environment of a process of user code: the agent's without its secrets, then the step's own variables."""
        inherited = {key: value for key, value in os.environ.items() if not _is_private(key)}
        # `python` in a command step is this interpreter, as it is for entry scripts, whatever the agent was started from.
        path = os.pathsep.join([str(Path(sys.executable).parent), inherited.get("PATH", os.defpath)])
        own = {
            "PATH": path,
            "AZUREML_RUN_ID": self.run_id,
            "PYTHONUNBUFFERED": "1",
            "PRS_JOB": self.step.job,
            "PRS_STEP": self.step.step,
            "PRS_NODE": str(self.node),
        }
        return inherited | own | dict(self.definition.environment_variables)


def _is_private(key: str) -> bool:
    return key.startswith(_OWN_PREFIXES) or any(word in key.upper() for word in _SECRET_WORDS)


def _divided_input(definition: pb.StepDefinition, inputs: Mapping[str, str]) -> tuple[str, str]:
    """The kind of mini-batches, and what paths in the manifest are relative to on this node."""
    if definition.division.rank_mini_batch_count:
        return "rank", ""
    divided = next((each for each in definition.inputs if each.name == definition.input_data), None)
    if divided is None:
        return "none", ""
    path = inputs[divided.name]
    if divided.type == "uri_file":
        return "files", os.path.dirname(path)  # noqa: PTH120 - stays text
    if divided.type != "mltable":
        return "files", path
    # PyYAML is for tables alone.
    from prs_agent.division.mltable import load_mltable
    from prs_agent.division.problems import DivisionError

    try:
        return ("tabular" if load_mltable(path).read is not None else "files"), path
    except DivisionError:
        return "files", path  # the divide attempt says what is wrong with it
