"""JobService: submit, resume, look, watch, cancel."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import grpc

from prsd.board import Board
from prsd.coordinator import Coordinator
from prsd.core.core import Core
from prsd.core.events import CancelRequested, JobSubmitted
from prsd.core.vocabulary import State, StepId
from prsd.definitions import KeptOutputs, PlannedJob, plan_job
from prsd.disk import DiskSpace
from prsd.reuse.choosing import Choice
from prsd.reuse.outputs import OutputKeeper
from prsd.rpc import errors, resuming
from prsd.rpc.presenting import Presenter
from prsd.rpc.records import range_messages, step_records
from prsd.rpc.reusing import Reusing, keys_to_record, without_taking
from prsd.rpc.sessions import Sessions
from prsd.rpc.unsupported import unsupported
from prsd.spec import DEFAULT_DATASTORE, InvalidPipeline, Pipeline, parse_document
from prsd.spec.problems import Problem
from prsd.storage import DataFolder
from prsd.store.errors import AmbiguousJob, JobExists, UnknownJob, UnknownStep
from prsd.store.protocol import Store
from prsd.store.rows import JobDocument, JobRow, ReuseKey, StepRow
from prsd.v1 import agents_pb2, jobs_pb2_grpc
from prsd.v1 import jobs_pb2 as pb

log = logging.getLogger(__name__)

_MAX_PIPELINE_BYTES = 1 << 20
_MAX_PAGE = 1000
_ADJECTIVES = "amber brave calm clear eager fair gentle happy keen lively mellow noble proud quick quiet swift warm".split()
_NOUNS = "ash bay brook cedar cliff dune elm fern field grove harbor hill lake maple oak pine reef river shore".split()
# A watcher gets at most this many updates a second.
_WATCH_EVERY_S = 0.2


class JobService(jobs_pb2_grpc.JobServiceServicer):
    def __init__(
        self,
        *,
        coordinator: Coordinator,
        core: Core,
        store: Store,
        board: Board,
        sessions: Sessions,
        folder: DataFolder,
        definitions: dict[tuple[str, str], agents_pb2.StepDefinition],
        computes: KnownComputes,
        version: str,
        disk: DiskSpace,
        outputs: OutputKeeper,
    ) -> None:
        self._coordinator = coordinator
        self._core = core
        self._store = store
        self._board = board
        self._sessions = sessions
        self._folder = folder
        self._definitions = definitions
        self._computes = computes
        self._version = version
        self._disk = disk
        self._presenter = Presenter(store, board, disk)
        self._reusing = Reusing(store, folder, outputs)

    async def SubmitJob(
        self, request: pb.SubmitJobRequest, context: grpc.aio.ServicerContext[pb.SubmitJobRequest, pb.SubmitJobResponse]
    ) -> pb.SubmitJobResponse:
        before = await asyncio.to_thread(self._store.job_of_request, request.request_id) if request.request_id else None
        if before is not None:
            return await self._submitted(before, context)
        former = await self._former(request, context) if request.resume_from else None
        text = former.pipeline if former else request.pipeline
        pipeline, notices = await self._checked(text, context)
        name = request.name or _new_name()
        if await asyncio.to_thread(self._is_taken, name):
            await context.abort(grpc.StatusCode.ALREADY_EXISTS, f"there is a job {name!r} already: choose another name")
        if request.validate_only:
            return pb.SubmitJobResponse(notices=_texts(notices))
        wanted = _Wanted(pipeline, name, text, request.request_id, notices)
        if former is None:
            await self._submit(wanted, context)
        else:
            await self._resume(former, wanted, context)
        return await self._submitted(name, context)

    async def _former(self, request: pb.SubmitJobRequest, context: grpc.aio.ServicerContext[Any, Any]) -> resuming.Former:
        if request.pipeline:
            message = f"resume_from {request.resume_from!r} takes that job's own pipeline: leave `pipeline` empty"
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, message)
        row = await self._row(request.resume_from, context)
        try:
            return await asyncio.to_thread(resuming.former_job, self._store, row.name, self._state_of(row))
        except resuming.CannotResume as error:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))

    async def _submit(self, wanted: _Wanted, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        choice = await self._reusing.choice_for(wanted.pipeline)
        try:
            await self._record(await self._submission(wanted, choice, context), choice.taken | choice.resumed)
        except resuming.CannotResume as error:
            log.warning("nothing is reused for job %s: %s", wanted.name, error)
            await self._record(await self._submission(wanted, without_taking(choice, str(error)), context), {})

    async def _submission(self, wanted: _Wanted, choice: Choice, context: grpc.aio.ServicerContext[Any, Any]) -> _Submission:
        kept = await asyncio.to_thread(resuming.kept_outputs, self._store, choice.taken | choice.resumed)
        planned = await self._planned(wanted, kept, context)
        notices = (*wanted.notices, *self._reusing.tell(choice, planned))
        return _Submission(replace(wanted, notices=notices), planned, keys_to_record(choice))

    async def _resume(self, former: resuming.Former, wanted: _Wanted, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        planned = await self._planned(wanted, former.kept_outputs, context)
        notices = (*wanted.notices, *resuming.name_origin(former, planned))
        keys = await self._reusing.keys_of_resumed(wanted.pipeline, former)
        try:
            await self._record(_Submission(replace(wanted, notices=notices), planned, keys), former.steps)
        except resuming.CannotResume as error:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))

    async def _planned(
        self, wanted: _Wanted, kept_outputs: KeptOutputs, context: grpc.aio.ServicerContext[Any, Any]
    ) -> PlannedJob:
        any_compute = self._computes.any
        planned = plan_job(wanted.pipeline, wanted.name, self._folder, any_compute=any_compute, kept_outputs=kept_outputs)
        await self._refuse_missing_snapshots(planned, context)
        return planned

    async def _checked(self, text: str, context: grpc.aio.ServicerContext[Any, Any]) -> tuple[Pipeline, tuple[Problem, ...]]:
        if len(text.encode()) > _MAX_PIPELINE_BYTES:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "a pipeline may have 1 MiB at most")
        try:
            # In a thread: a large document must not hold up heartbeats.
            pipeline, notices = await asyncio.to_thread(parse_document, text)
        except InvalidPipeline as error:
            await errors.refuse_pipeline(context, error.problems, with_lines="\n" in text)
        unknown = self._computes.unknown_in(pipeline)
        if unknown:
            await errors.refuse_pipeline(context, unknown)
        return pipeline, (*notices, *unsupported(pipeline))

    def _is_taken(self, name: str) -> bool:
        try:
            return self._store.find_job(name).name == name
        except (UnknownJob, AmbiguousJob):
            return False

    async def _refuse_missing_snapshots(self, planned: PlannedJob, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        for definition in planned.definitions.values():
            if definition.snapshot and not self._folder.snapshot(definition.snapshot).exists():
                problem = Problem(
                    path=f"jobs.{definition.step.step}.code",
                    message=f"no snapshot {definition.snapshot} is here: upload it with FileService.UploadSnapshot first",
                )
                await errors.refuse_pipeline(context, [problem])

    async def _record(self, submission: _Submission, taken: Mapping[str, StepRow]) -> None:
        """Record the job with what it takes over of earlier steps; CannotResume when something of that is gone."""
        planned = submission.planned
        # In a thread: it reads every recorded result and links files.
        taken_over = await asyncio.to_thread(resuming.taken_over, self._store, self._folder, taken, planned) if taken else {}
        for step, definition in planned.definitions.items():
            self._definitions[planned.name, step] = definition
        event = JobSubmitted(planned.name, planned.terms, planned.continue_on_step_failure, taken_over)
        try:
            await self._coordinator.post_and_record(event, submission.document())
        except JobExists as twin:
            if taken and twin.job != planned.name:
                await asyncio.to_thread(resuming.give_up, self._folder, planned)
            raise

    async def _submitted(self, name: str, context: grpc.aio.ServicerContext[Any, Any]) -> pb.SubmitJobResponse:
        job = await self._presenter.job(await self._row(name, context))
        return pb.SubmitJobResponse(job=job, notices=job.notices)

    async def _row(self, name: str, context: grpc.aio.ServicerContext[Any, Any]) -> JobRow:
        try:
            return await asyncio.to_thread(self._store.find_job, name)
        except UnknownJob as error:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"{error}; prsctl job list shows those there are")
        except AmbiguousJob as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))

    async def GetJob(
        self, request: pb.GetJobRequest, context: grpc.aio.ServicerContext[pb.GetJobRequest, pb.GetJobResponse]
    ) -> pb.GetJobResponse:
        return pb.GetJobResponse(job=await self._presenter.job(await self._row(request.name, context)))

    async def ListJobs(
        self, request: pb.ListJobsRequest, context: grpc.aio.ServicerContext[pb.ListJobsRequest, pb.ListJobsResponse]
    ) -> pb.ListJobsResponse:
        rows = await asyncio.to_thread(self._store.jobs, min(request.page_size or 100, _MAX_PAGE))
        return pb.ListJobsResponse(jobs=[await self._presenter.job(row) for row in rows])

    async def WatchJob(
        self, request: pb.WatchJobRequest, context: grpc.aio.ServicerContext[pb.WatchJobRequest, pb.WatchJobResponse]
    ) -> AsyncIterator[pb.WatchJobResponse]:
        name = (await self._row(request.name, context)).name
        while True:
            view = self._board.view(name)
            row = await self._row(name, context)
            yield pb.WatchJobResponse(job=await self._presenter.job(row))
            if (view.state if view else State(row.state)).is_final:
                return
            await asyncio.sleep(_WATCH_EVERY_S)
            if view is not None:
                await self._board.changed(name, view)

    async def CancelJob(
        self, request: pb.CancelJobRequest, context: grpc.aio.ServicerContext[pb.CancelJobRequest, pb.CancelJobResponse]
    ) -> pb.CancelJobResponse:
        row = await self._row(request.name, context)
        state = self._state_of(row)
        if state.is_final and state is not State.CANCELED:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"the job {row.name} has ended already: {state}")
        if not state.is_final:
            await self._coordinator.post_and_record(CancelRequested(row.name))
        return pb.CancelJobResponse(job=await self._presenter.job(await self._row(row.name, context)))

    async def ReadRecords(
        self,
        request: pb.ReadRecordsRequest,
        context: grpc.aio.ServicerContext[pb.ReadRecordsRequest, pb.ReadRecordsResponse],
    ) -> AsyncIterator[pb.ReadRecordsResponse]:
        row = await self._row(request.name, context)
        state = self._state_of(row)
        if not state.is_final:
            message = f"job {row.name} is {state}: its records can be read when it has ended"
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, message)
        step = StepId(row.name, request.step)
        try:
            yield pb.ReadRecordsResponse(records=await asyncio.to_thread(step_records, self._store, step))
        except UnknownStep as error:
            await context.abort(grpc.StatusCode.NOT_FOUND, str(error))
        chunks = range_messages(self._store, step)
        while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
            yield chunk

    def _state_of(self, row: JobRow) -> State:
        view = self._board.view(row.name)
        return view.state if view else State(row.state)

    async def ListAgents(
        self, request: pb.ListAgentsRequest, context: grpc.aio.ServicerContext[pb.ListAgentsRequest, pb.ListAgentsResponse]
    ) -> pb.ListAgentsResponse:
        now = time.monotonic()
        return pb.ListAgentsResponse(
            agents=[
                pb.Agent(
                    name=view.agent,
                    compute=view.compute,
                    slots=view.slots,
                    free_slots=view.free_slots,
                    heartbeat_age_s=max(0.0, now - view.last_heard_at),
                    version=self._sessions.version_of(view.session),
                    draining=view.draining,
                )
                for view in self._core.agent_views()
            ]
        )

    async def GetServerInfo(
        self,
        request: pb.GetServerInfoRequest,
        context: grpc.aio.ServicerContext[pb.GetServerInfoRequest, pb.GetServerInfoResponse],
    ) -> pb.GetServerInfoResponse:
        return pb.GetServerInfoResponse(
            version=self._version,
            default_datastore=DEFAULT_DATASTORE,
            default_datastore_uri=self._folder.datastore_uri,
            condition=self._disk.reason,
        )


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A checked submission; `text` is what `pipeline` was read from."""

    pipeline: Pipeline
    name: str
    text: str
    request_id: str
    notices: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class _Submission:
    """What is recorded of a job."""

    wanted: _Wanted
    planned: PlannedJob
    reuse_keys: Mapping[str, ReuseKey]

    def document(self) -> JobDocument:
        """What the store keeps of it."""
        planned = self.planned
        return JobDocument(
            job=planned.name,
            request_id=self.wanted.request_id,
            display_name=planned.message.display_name,
            document_json=planned.document(self.wanted.text),
            definitions={step: definition.SerializeToString() for step, definition in planned.definitions.items()},
            notices=tuple(_texts(self.wanted.notices)),
            created_at=time.time(),
            reuse_keys=self.reuse_keys,
        )


class KnownComputes:
    """The computes that a job may name: those declared, and those of agents that have joined."""

    def __init__(self, core: Core, declared: tuple[str, ...], *, any_compute: bool) -> None:
        self._core = core
        self._declared = declared
        self.any = any_compute

    def unknown_in(self, pipeline: Pipeline) -> list[Problem]:
        """A problem for each step on a compute that nobody has; none while no compute is known at all."""
        known = {*self._declared, *(view.compute for view in self._core.agent_views())}
        if self.any or not known:
            return []
        return [
            Problem(
                path=f"jobs.{name}.compute",
                message=f"unknown compute {compute!r}; there are {', '.join(sorted(known))}. Start an agent with "
                f"--compute {compute}, or declare it with prsd --compute {compute}",
            )
            for name, compute in _computes_of(pipeline).items()
            if compute and compute not in known
        ]


def _computes_of(pipeline: Pipeline) -> Mapping[str, str]:
    return {step.name: step.compute for step in pipeline.steps}


def _texts(notices: tuple[Problem, ...]) -> list[str]:
    """Notices without line numbers: those of the text that a client sent say nothing about the user's file."""
    return [f"{notice.path}: {notice.message}" for notice in notices]


def _new_name() -> str:
    """Easy to say and to tell apart, with enough chance in it never to meet again."""
    return f"{secrets.choice(_ADJECTIVES)}-{secrets.choice(_NOUNS)}-{secrets.token_hex(3)}"
