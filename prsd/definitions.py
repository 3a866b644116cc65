"""From a checked pipeline to what its parties need: terms for the core, definitions for agents, a job for people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TypeVar

from google.protobuf.json_format import MessageToDict

from prsd.base.uris import uri_of
from prsd.core.vocabulary import StepId, StepKind, StepTerms
from prsd.spec import DEFAULT_DATASTORE, MiniBatchSize, Pipeline, PlannedInput, PlannedOutput, StepPlan, plan_steps
from prsd.spec.model import ParallelSettings
from prsd.storage import DataFolder
from prsd.v1 import agents_pb2, jobs_pb2

_UNITS = {
    "default": agents_pb2.Division.UNIT_DEFAULT,
    "files_or_bytes": agents_pb2.Division.UNIT_PLAIN,
    "bytes": agents_pb2.Division.UNIT_BYTES,
    "rows": agents_pb2.Division.UNIT_ROWS,
}
_SNAPSHOT = "snapshot:"

KeptOutputs = Mapping[str, Mapping[str, str]]
_NONE_KEPT: KeptOutputs = {}
Place = TypeVar("Place", PlannedInput, PlannedOutput)


@dataclass(frozen=True, slots=True)
class PlannedJob:
    """A job ready to be recorded. `definitions` and `terms` name the same steps."""

    name: str
    terms: tuple[StepTerms, ...]
    definitions: Mapping[str, agents_pb2.StepDefinition]
    message: jobs_pb2.Job
    continue_on_step_failure: bool

    def document(self, pipeline: str) -> str:
        """What the store keeps of the job: the pipeline as it was submitted, and the job as it was planned."""
        return json.dumps({"pipeline": pipeline, "job": MessageToDict(self.message)})


def plan_job(
    pipeline: Pipeline, name: str, folder: DataFolder, *, any_compute: bool, kept_outputs: KeptOutputs = _NONE_KEPT
) -> PlannedJob:
    """Plan all steps of a checked pipeline under a job's name. `any_compute`: agents take steps of every compute.

    `kept_outputs`: by step and output, the URIs at which a resumed job finds what an earlier one has written.
    """
    plans = plan_steps(pipeline, job=name, default_datastore=DEFAULT_DATASTORE, datastore_uri=folder.datastore_uri)
    plans = _rebound(plans, kept_outputs)
    return PlannedJob(
        name=name,
        terms=tuple(_terms(plan, any_compute=any_compute) for plan in plans),
        definitions={plan.name: _definition(plan, StepId(name, plan.name), folder) for plan in plans},
        message=_job_message(pipeline, name, plans, folder),
        continue_on_step_failure=pipeline.settings.continue_on_step_failure,
    )


def _rebound(plans: tuple[StepPlan, ...], kept: KeptOutputs) -> tuple[StepPlan, ...]:
    """The same plans with these outputs where they are kept, and the inputs that are bound to them there too."""
    outputs = [(plan.name, output) for plan in plans for output in plan.outputs.values()]
    moved = {output.uri: kept[step][output.name] for step, output in outputs if output.name in kept.get(step, {})}
    if not moved:
        return plans
    return tuple(
        replace(
            plan,
            inputs={name: _moved(each, moved) for name, each in plan.inputs.items()},
            outputs={name: _moved(each, moved) for name, each in plan.outputs.items()},
        )
        for plan in plans
    )


def _moved(place: Place, moved: Mapping[str, str]) -> Place:
    uri = moved.get(place.uri or "")
    return place if uri is None else replace(place, uri=uri)


def _terms(plan: StepPlan, *, any_compute: bool) -> StepTerms:
    compute = "" if any_compute else plan.compute
    settings = plan.settings
    if settings is None:
        return StepTerms(
            name=plan.name,
            kind=StepKind.COMMAND,
            depends_on=plan.depends_on,
            compute=compute,
            workers_per_instance=1,
            max_retries=plan.command_retries,
            mini_batch_error_threshold=0,
        )
    return StepTerms(
        name=plan.name,
        kind=StepKind.PARALLEL,
        depends_on=plan.depends_on,
        compute=compute,
        instance_count=settings.instance_count.value,
        workers_per_instance=settings.max_concurrency_per_instance.value or 0,
        max_retries=settings.max_retries.value,
        error_threshold=settings.error_threshold.value,
        mini_batch_error_threshold=settings.mini_batch_error_threshold.value,
        allowed_failed_percent=settings.allowed_failed_percent.value,
        first_task_creation_timeout_s=settings.first_task_creation_timeout_s.value,
        progress_update_timeout_s=settings.progress_update_timeout_s.value,
        appends_rows=plan.append_row_to is not None,
        rank_mini_batch_count=settings.rank_mini_batch_count.value,
    )


def _definition(plan: StepPlan, step: StepId, folder: DataFolder) -> agents_pb2.StepDefinition:
    definition = agents_pb2.StepDefinition(
        step=agents_pb2.StepRef(job=step.job, step=step.step),
        type=plan.kind,
        snapshot=(plan.code or "").removeprefix(_SNAPSHOT),
        entry_script=plan.entry_script or "",
        command=plan.command or "",
        arguments=plan.arguments,
        environment_variables=plan.environment_variables,
        inputs=[_input(each) for each in plan.inputs.values() if not each.optional_unset],
        outputs=[
            agents_pb2.Output(name=each.name, type=each.type, mode=each.mode, uri=each.uri) for each in plan.outputs.values()
        ],
        input_data=plan.input_data or "",
        run_timeout_s=plan.command_timeout_s or 0.0,
        storage_uri=uri_of(folder.step(step)),
        display_name=plan.display_name,
        environment=plan.environment.requested,
        max_retries=plan.command_retries,
    )
    if plan.settings is not None:
        _add_parallel(definition, plan, plan.settings)
    return definition


def _input(planned: PlannedInput) -> agents_pb2.Input:
    if planned.literal is not None:
        return agents_pb2.Input(name=planned.name, type="literal", value=planned.literal)
    return agents_pb2.Input(name=planned.name, type=planned.type, mode=planned.mode, uri=planned.uri or "")


def _add_parallel(definition: agents_pb2.StepDefinition, plan: StepPlan, settings: ParallelSettings) -> None:
    definition.run_timeout_s = settings.run_timeout_s.value
    definition.task_overhead_timeout_s = settings.task_overhead_timeout_s.value
    definition.resource_monitor_interval_s = settings.resource_monitor_interval_s.value
    definition.logging_level = settings.logging_level.value
    definition.max_retries = settings.max_retries.value
    definition.error_threshold = settings.error_threshold.value
    definition.profiling_module = settings.profiling_module.value or ""
    definition.copy_logs_to_parent = settings.copy_logs_to_parent.value
    definition.workers_per_instance = settings.max_concurrency_per_instance.value or 0
    definition.division.CopyFrom(_division(plan.mini_batch_size, plan, settings))
    definition.append_row.CopyFrom(
        agents_pb2.AppendRow(
            output=plan.append_row_to or "",
            file_name=settings.append_row_file_name.value,
            format=settings.append_row_format.value,
            dataframe_header=settings.append_row_dataframe_header.value,
        )
    )


def _division(size: MiniBatchSize, plan: StepPlan, settings: ParallelSettings) -> agents_pb2.Division:
    return agents_pb2.Division(
        unit=_UNITS[size.unit],
        size=size.value,
        partition_keys=plan.partition_keys,
        rank_mini_batch_count=settings.rank_mini_batch_count.value,
        infer_schema=settings.infer_schema.value,
        strict_types=settings.strict_types.value,
    )


def _job_message(pipeline: Pipeline, name: str, plans: tuple[StepPlan, ...], folder: DataFolder) -> jobs_pb2.Job:
    outputs = {f"{plan.name}.{output.name}": output.uri for plan in plans for output in plan.outputs.values()}
    return jobs_pb2.Job(
        name=name,
        display_name=pipeline.display_name or "",
        experiment_name=pipeline.experiment_name or "",
        tags=pipeline.tags,
        outputs={
            output.name: outputs[output.bound_to] for output in pipeline.outputs.values() if output.bound_to in outputs
        },
        steps=[_step_message(plan, StepId(name, plan.name), folder) for plan in plans],
        logs_uri=uri_of(folder.job_logs(name)) if any(map(_copies_logs, plans)) else "",
    )


def _copies_logs(plan: StepPlan) -> bool:
    return plan.settings is not None and plan.settings.copy_logs_to_parent.value


def _step_message(plan: StepPlan, step: StepId, folder: DataFolder) -> jobs_pb2.Step:
    return jobs_pb2.Step(
        name=plan.name,
        type=plan.kind,
        state=jobs_pb2.STATE_QUEUED,
        outputs={output.name: output.uri for output in plan.outputs.values()},
        logs_uri=uri_of(folder.logs(step)),
        depends_on=plan.depends_on,
        settings=_settings(plan),
    )


def _settings(plan: StepPlan) -> list[jobs_pb2.Setting]:
    if plan.settings is None:
        return []
    size = plan.mini_batch_size
    mini_batch_size = jobs_pb2.Setting(
        name="mini_batch_size",
        value="10 files or 1 MiB" if size.unit == "default" else f"{size.value} {size.unit.replace('_', ' ')}",
        origin="default" if size.unit == "default" else "step",
    )
    effective = {each.name: getattr(plan.settings, each.name) for each in fields(plan.settings)}
    return [mini_batch_size] + [
        jobs_pb2.Setting(name=name, value="" if each.value is None else str(each.value), origin=each.origin)
        for name, each in effective.items()
    ]
