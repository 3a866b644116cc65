"""Pipeline YAML → checked models → step plans. Shared by the CLI and the daemon.

`load_pipeline` reads a user's file and everything it names, `load_text` does the same from memory; `parse_document` checks a
self-contained document and opens nothing; `plan_steps` decides where a job's data lies. All problems are found at once.

What lives here: the language of the YAML, and nothing that runs it. What may not: input and output other than reading the
user's own files, asyncio, gRPC, pyarrow. Read first: `model` (what comes out), `pipeline` and `steps` (how a document is
read), `bindings` (how expressions are followed), `settings` and `program_arguments` (what is effective in the end).
"""

from prsd.spec.files import LoadedPipeline, load_pipeline, load_text
from prsd.spec.model import (
    DEFAULT_DATASTORE,
    Effective,
    MiniBatchSize,
    ParallelSettings,
    Pipeline,
    PipelineInput,
    PipelineOutput,
    PipelineSettings,
    PlannedEnvironment,
    Step,
    StepInput,
    StepOutput,
)
from prsd.spec.pipeline import parse_document
from prsd.spec.plan import PlannedInput, PlannedOutput, StepPlan, plan_steps
from prsd.spec.problems import InvalidPipeline, Problem

__all__ = [
    "DEFAULT_DATASTORE",
    "Effective",
    "InvalidPipeline",
    "LoadedPipeline",
    "MiniBatchSize",
    "ParallelSettings",
    "Pipeline",
    "PipelineInput",
    "PipelineOutput",
    "PipelineSettings",
    "PlannedEnvironment",
    "PlannedInput",
    "PlannedOutput",
    "Problem",
    "Step",
    "StepInput",
    "StepOutput",
    "StepPlan",
    "load_pipeline",
    "load_text",
    "parse_document",
    "plan_steps",
]
