"""The daemon as seen from here: one channel, and the daemon's refusals as `CommandFailed`s."""

import os

# Must be set before the import: with fork support, children of this process may crash between fork and exec.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import grpc

from prsctl.exit_codes import of_rpc
from prsctl.failures import CommandFailed, InvalidPipeline, Unreachable
from prsd.v1 import files_pb2, files_pb2_grpc, jobs_pb2, jobs_pb2_grpc

Reply = TypeVar("Reply")

_CALL_TIMEOUT_S = 60.0
_FIRST_CALL_TIMEOUT_S = 15.0
_CHUNK_BYTES = 256 * 1024
_OPTIONS = (
    # A proxy of the environment is for the web; the daemon is reached directly.
    ("grpc.enable_http_proxy", 0),
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
    # Who waits for a job outlives the daemon: by default a new connection would be tried every two minutes in the end.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # A daemon that is frozen, or cut off, ends the watch within seconds only with all of these together.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.ping_timeout_ms", 5_000),
    ("grpc.http2.max_pings_without_data", 0),
)
# How calls end whose daemon is gone; one that stops politely cancels them.
_GONE = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)


class Client:
    """Calls of JobService and FileService on one daemon. Every method raises CommandFailed when the daemon refuses."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._channel = grpc.insecure_channel(address, options=_OPTIONS)
        self._jobs = jobs_pb2_grpc.JobServiceStub(self._channel)
        self._files = files_pb2_grpc.FileServiceStub(self._channel)
        self._pending: object = None

    @classmethod
    @contextmanager
    def connected(cls, address: str) -> Iterator["Client"]:
        """A client whose daemon has answered once; raises Unreachable when it does not within 15 s."""
        client = cls(address)
        try:
            client._say_hello()
            yield client
        finally:
            client._channel.close()

    def submit(
        self, pipeline: str = "", *, name: str = "", request_id: str = "", dry: bool = False, resume_from: str = ""
    ) -> jobs_pb2.SubmitJobResponse:
        """Submits a document; InvalidPipeline when the daemon finds problems. `dry` only checks.

        With `resume_from` there is no document: the new job goes on from that one.
        """
        request = jobs_pb2.SubmitJobRequest(
            pipeline=pipeline, name=name, request_id=request_id, validate_only=dry, resume_from=resume_from
        )
        return self._call(self._jobs.SubmitJob, request)

    def job(self, name: str) -> jobs_pb2.Job:
        """One job by name, unique prefix or `@latest`."""
        return self._call(self._jobs.GetJob, jobs_pb2.GetJobRequest(name=name)).job

    def jobs(self, limit: int = 0) -> list[jobs_pb2.Job]:
        """At most `limit` jobs (0: as many as the daemon gives by default), newest first."""
        return list(self._call(self._jobs.ListJobs, jobs_pb2.ListJobsRequest(page_size=limit)).jobs)

    def watch(self, name: str) -> Iterator[jobs_pb2.Job]:
        """The job now and after each change, up to its final state."""
        with self._translated():
            for reply in self._jobs.WatchJob(jobs_pb2.WatchJobRequest(name=name)):
                yield reply.job

    def cancel(self, name: str) -> jobs_pb2.Job:
        """Asks for the job to be stopped."""
        return self._call(self._jobs.CancelJob, jobs_pb2.CancelJobRequest(name=name)).job

    def begin_cancel(self, name: str) -> None:
        """Asks for the job to be stopped without waiting for the answer: how the job ends tells."""
        # Kept, because a call that nobody refers to any more is itself cancelled.
        self._pending = self._jobs.CancelJob.future(jobs_pb2.CancelJobRequest(name=name), timeout=_CALL_TIMEOUT_S)

    def records(self, name: str, step: str) -> Iterator[jobs_pb2.ReadRecordsResponse]:
        """What is recorded of a step of an ended job; the first message says of the step as a whole."""
        with self._translated():
            yield from self._jobs.ReadRecords(jobs_pb2.ReadRecordsRequest(name=name, step=step))

    def agents(self) -> list[jobs_pb2.Agent]:
        """The agents that have a session."""
        return list(self._call(self._jobs.ListAgents, jobs_pb2.ListAgentsRequest()).agents)

    def missing_snapshots(self, digests: Iterable[str]) -> set[str]:
        """Those of the digests that the daemon does not hold."""
        wanted = set(digests)
        reply = self._call(self._files.FindSnapshots, files_pb2.FindSnapshotsRequest(digests=sorted(wanted)))
        return wanted - set(reply.digests)

    def upload_snapshot(self, digest: str, packed: Path) -> None:
        """Uploads a packed code folder, in chunks."""
        with self._translated():
            self._files.UploadSnapshot(_chunks(digest, packed))

    def files(self, uri: str) -> list[files_pb2.File]:
        """The files below a URI in the daemon's storage, by path."""
        reply = self._call(self._files.ListFiles, files_pb2.ListFilesRequest(uri=uri))
        return sorted(reply.files, key=lambda file: file.path)

    def read(self, uri: str, offset: int = 0) -> Iterator[bytes]:
        """The bytes of one file from an offset to its present end."""
        with self._translated():
            for reply in self._files.ReadFile(files_pb2.ReadFileRequest(uri=uri, offset=offset)):
                yield reply.data

    def _say_hello(self) -> None:
        try:
            self._jobs.GetServerInfo(jobs_pb2.GetServerInfoRequest(), timeout=_FIRST_CALL_TIMEOUT_S)
        except grpc.RpcError as error:
            if error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                raise unreachable(self.address, error.details()) from None
            raise self._failure(error) from None

    def _call(self, method: Callable[..., Reply], request: Any) -> Reply:
        with self._translated():
            return method(request, timeout=_CALL_TIMEOUT_S)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except grpc.RpcError as error:
            raise self._failure(error) from None

    def _failure(self, error: Any) -> CommandFailed:
        code = error.code()
        if code in _GONE:
            return unreachable(self.address, error.details())
        if code is grpc.StatusCode.INVALID_ARGUMENT:
            from prsctl.violations import problems_of

            return InvalidPipeline(problems_of(error))
        return CommandFailed(error.details() or code.name, of_rpc(code.name))


def unreachable(address: str, reason: str | None) -> Unreachable:
    """No daemon answers there, and what to do about it."""
    return Unreachable(
        f"no daemon answers at {address} ({reason or 'no reason given'}): start one with "
        f"`prsd --data DIR --listen {address}`, name another with --server or PRS_SERVER, "
        "or use `prsctl run FILE`, which needs none"
    )


def _chunks(digest: str, packed: Path) -> Iterator[files_pb2.UploadSnapshotRequest]:
    with packed.open("rb") as stream:
        yield files_pb2.UploadSnapshotRequest(digest=digest, data=stream.read(_CHUNK_BYTES))
        while data := stream.read(_CHUNK_BYTES):
            yield files_pb2.UploadSnapshotRequest(data=data)
