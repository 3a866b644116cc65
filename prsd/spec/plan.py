"""A checked pipeline → step plans: everything resolved, locations decided, ready for the core and the agents."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from prsd.spec.expressions import Expression, substitute
from prsd.spec.locations import join, to_uri
from prsd.spec.model import Pipeline, Step, StepBody, StepInput, StepOutput


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedInput:
    """An input as the agent gets it: a literal, data at a URI, or neither when it is optional and unset."""

    name: str
    type: str
    mode: str
    uri: str | None = None
    literal: str | None = None
    optional_unset: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedOutput:
    """An output and where it is written; for a `uri_file` the URI is the file itself."""

    name: str
    type: str
    mode: str
    uri: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepPlan(StepBody):
    """A step of one job."""

    # "<job>.<step>", the value of ${{name}}.
    job_name: str
    inputs: Mapping[str, PlannedInput] = field(default_factory=dict)
    outputs: Mapping[str, PlannedOutput] = field(default_factory=dict)


def plan_steps(pipeline: Pipeline, *, job: str, default_datastore: str, datastore_uri: str) -> tuple[StepPlan, ...]:
    """The steps of `pipeline` as job `job`, with the default datastore's root at `datastore_uri`."""
    planner = _Planner(job, default_datastore, datastore_uri)
    outputs = {step.name: planner.outputs(step) for step in pipeline.steps}
    return tuple(planner.step(step, outputs) for step in pipeline.steps)


class _Planner:
    """Knows the job's name and where its data lies."""

    def __init__(self, job: str, default_datastore: str, datastore_uri: str) -> None:
        self._job = job
        self._default_datastore = default_datastore
        self._datastore_uri = datastore_uri

    def step(self, step: Step, outputs: Mapping[str, Mapping[str, PlannedOutput]]) -> StepPlan:
        body = {each.name: getattr(step, each.name) for each in fields(StepBody)}
        return StepPlan(
            **body,
            job_name=self._job_name(step),
            inputs={name: self._input(given, outputs) for name, given in step.inputs.items()},
            outputs=outputs[step.name],
        )

    def outputs(self, step: Step) -> dict[str, PlannedOutput]:
        return {
            name: PlannedOutput(name=name, type=output.type, mode=output.mode, uri=self._output_uri(step, output))
            for name, output in step.outputs.items()
        }

    def _job_name(self, step: Step) -> str:
        return f"{self._job}.{step.name}"

    def _input(self, given: StepInput, outputs: Mapping[str, Mapping[str, PlannedOutput]]) -> PlannedInput:
        return PlannedInput(
            name=given.name,
            type=given.type,
            mode=given.mode,
            uri=self._input_uri(given, outputs),
            literal=given.literal,
            optional_unset=given.optional_unset,
        )

    def _input_uri(self, given: StepInput, outputs: Mapping[str, Mapping[str, PlannedOutput]]) -> str | None:
        if given.producer is not None:
            step, output = given.producer
            return outputs[step][output].uri
        return to_uri(given.path, self._datastore_uri) if given.path is not None else None

    def _output_uri(self, step: Step, output: StepOutput) -> str:
        """`<datastore>/azureml/<step's job name>/<output name>` where nothing else is written (spec section 1.6)."""
        if output.path is None:
            return join(self._datastore_uri, f"azureml/{self._job_name(step)}/{output.name}")
        values = {
            "name": self._job_name(step),
            "output_name": output.name,
            "default_datastore": self._default_datastore,
        }

        def value(expression: Expression) -> str:
            return values[expression.kind]

        return to_uri(substitute(output.path, value), self._datastore_uri)
