"""What operations return: jobs and computes as they were when the daemon was asked, under azure-ai-ml's names."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import yaml

from prsctl.documents import job_document
from prsd.v1 import jobs_pb2


@dataclass(frozen=True, slots=True)
class Output:
    """Where an output lies: a path on the daemon's machine, or a URI."""

    path: str


@dataclass(frozen=True, slots=True)
class CreationContext:
    """When a job was submitted, in RFC 3339."""

    created_at: str | None


@dataclass(frozen=True)
class Job:
    """A job, or a step of one; printing it shows everything that is known. `status` is one of Azure's words."""

    name: str
    display_name: str
    experiment_name: str
    status: str
    type: str
    tags: dict[str, str]
    outputs: dict[str, Output]
    creation_context: CreationContext
    parent_job_name: str | None = None
    document: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def __str__(self) -> str:
        text: str = yaml.safe_dump(self.document, sort_keys=False, allow_unicode=True)
        return text


def view_of(job: jobs_pb2.Job) -> Job:
    """A whole job."""
    document = job_document(job)
    return Job(
        name=document["name"],
        display_name=document["display_name"] or document["name"],
        experiment_name=document["experiment_name"],
        status=document["state"],
        type="pipeline",
        tags=document["tags"],
        outputs=_outputs(document),
        creation_context=CreationContext(document["create_time"]),
        document=document,
    )


def step_views(job: jobs_pb2.Job) -> list[Job]:
    """The steps of a job, which azure-ai-ml calls its children; each is named "job.step"."""
    parent = view_of(job)
    return [
        Job(
            name=f"{parent.name}.{step['name']}",
            display_name=step["name"],
            experiment_name=parent.experiment_name,
            status=step["state"],
            type=step["type"],
            tags={},
            outputs=_outputs(step),
            creation_context=parent.creation_context,
            parent_job_name=parent.name,
            document=step,
        )
        for step in parent.document["steps"]
    ]


def _outputs(document: dict[str, Any]) -> dict[str, Output]:
    return {name: Output(path) for name, path in document["outputs"].items()}


@dataclass(frozen=True, slots=True)
class Compute:
    """The agents that joined under one name."""

    name: str
    agents: tuple[str, ...]
    slots: int
    free_slots: int
    type: str = "agents"
    provisioning_state: str = "Succeeded"


def computes_of(agents: Iterable[jobs_pb2.Agent]) -> dict[str, Compute]:
    """By name, the computes that agents with a session make up."""
    members: dict[str, list[jobs_pb2.Agent]] = {}
    for agent in agents:
        members.setdefault(agent.compute, []).append(agent)
    return {
        name: Compute(
            name,
            tuple(sorted(agent.name for agent in group)),
            sum(agent.slots for agent in group),
            sum(agent.free_slots for agent in group),
        )
        for name, group in sorted(members.items())
    }
