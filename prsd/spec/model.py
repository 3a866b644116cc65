"""The checked pipeline: frozen, plain data with every literal resolved.

Plain dataclasses: whoever builds them has checked every value, and daemon and CLI start 0.2 s sooner than with pydantic.

Only where things will lie is still open, because that depends on the job's name: `prsd.spec.plan` decides it.
Words are those of the YAML; units are in the names.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

T = TypeVar("T")

StepKind = Literal["parallel", "command"]
Origin = Literal["default", "step", "component", "program_arguments", "computed"]

DEFAULT_DATASTORE = "workspaceblobstore"


@dataclass(frozen=True, slots=True, kw_only=True)
class MiniBatchSize:
    """How much one mini-batch holds, as written: a bare count means files of a file list, bytes of a table.

    "default" is 10 files or 1 MiB (spec section 2.2); its value is 0.
    """

    unit: Literal["default", "files_or_bytes", "bytes", "rows"] = "default"
    value: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Effective(Generic[T]):
    """The value a setting has in the end, and who decided it."""

    value: T
    origin: Origin = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class ParallelSettings:
    """Every setting of a parallel step (spec section 2.1) with its effective value; -1 means no limit."""

    instance_count: Effective[int]
    # None: as many as the node has cores.
    max_concurrency_per_instance: Effective[int | None]
    max_retries: Effective[int]
    run_timeout_s: Effective[float]
    error_threshold: Effective[int]
    mini_batch_error_threshold: Effective[int]
    allowed_failed_percent: Effective[float]
    task_overhead_timeout_s: Effective[float]
    progress_update_timeout_s: Effective[float]
    first_task_creation_timeout_s: Effective[float]
    logging_level: Effective[Literal["DEBUG", "INFO", "WARNING"]]
    copy_logs_to_parent: Effective[bool]
    # 0: off.
    resource_monitor_interval_s: Effective[int]
    append_row_file_name: Effective[str]
    append_row_dataframe_header: Effective[bool]
    append_row_format: Effective[Literal["text", "csv", "jsonl", "parquet"]]
    append_row_safe_output: Effective[bool]
    strict_types: Effective[bool]
    infer_schema: Effective[Literal["sample", "full"]]
    mixed_types: Effective[bool]
    rank_mini_batch_count: Effective[int]
    profiling_module: Effective[Literal["cProfile", "profile"] | None]
    metrics_name_prefix: Effective[str]
    push_metrics_to_parent: Effective[bool]
    # The job whose finished mini-batches are taken over.
    resume_from: Effective[str | None]
    async_mode: Effective[bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedEnvironment:
    """Where the entry script runs: so far always the agent's own interpreter, whatever was asked for."""

    kind: Literal["host"] = "host"
    requested: str = ""
    notice: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineInput:
    """An input of the pipeline: a literal, or data at a path."""

    name: str
    type: str
    mode: str
    literal: str | None = None
    path: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineOutput:
    """An output of the pipeline, and the step output ("step.output") that produces it."""

    name: str
    type: str | None = None
    mode: str | None = None
    path: str | None = None
    bound_to: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineSettings:
    """`settings` of the pipeline (spec section 1.2)."""

    default_compute: str | None = None
    default_datastore: str = DEFAULT_DATASTORE
    continue_on_step_failure: bool = True
    force_rerun: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StepInput:
    """An input of a step with its bindings followed: exactly one of literal, path, producer, or optional and unset."""

    name: str
    type: str
    mode: str
    literal: str | None = None
    path: str | None = None
    # (step, output) that writes it.
    producer: tuple[str, str] | None = None
    optional_unset: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StepOutput:
    """An output of a step; `path` may hold `${{name}}`, `${{output_name}}` and `${{default_datastore}}`."""

    name: str
    type: str
    mode: str
    path: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepBody:
    """What a step says about itself, wherever its data will lie."""

    name: str
    kind: StepKind
    display_name: str
    description: str = ""
    # Steps that must have completed before, in the order of the bindings to them.
    depends_on: tuple[str, ...] = ()
    # Its component's word: the same step with the same inputs need not run again.
    is_deterministic: bool = True
    # "": any agent.
    compute: str = ""
    # An absolute local folder, or "snapshot:<sha256>".
    code: str | None = None
    environment: PlannedEnvironment = PlannedEnvironment()
    environment_variables: Mapping[str, str] = field(default_factory=dict)
    # Command steps: one text, with data expressions left in.
    command: str | None = None
    command_timeout_s: float | None = None
    command_retries: int = 0
    # Parallel steps.
    entry_script: str | None = None
    arguments: tuple[str, ...] = ()
    input_data: str | None = None
    partition_keys: tuple[str, ...] = ()
    mini_batch_size: MiniBatchSize = MiniBatchSize()
    append_row_to: str | None = None
    settings: ParallelSettings | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step(StepBody):
    """A checked step."""

    inputs: Mapping[str, StepInput] = field(default_factory=dict)
    outputs: Mapping[str, StepOutput] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """A checked pipeline; `steps` in the order of the file."""

    name: str | None = None
    display_name: str | None = None
    experiment_name: str | None = None
    description: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    settings: PipelineSettings = PipelineSettings()
    inputs: Mapping[str, PipelineInput] = field(default_factory=dict)
    outputs: Mapping[str, PipelineOutput] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()
