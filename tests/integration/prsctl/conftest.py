"""A peer: JobService and FileService in this process, by the same protocol as the daemon's, with jobs that tests set."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import grpc
import pytest

from prsctl.cli import main
from prsd.v1 import files_pb2 as files
from prsd.v1 import files_pb2_grpc, jobs_pb2_grpc
from prsd.v1 import jobs_pb2 as pb


class PeerJobs(jobs_pb2_grpc.JobServiceServicer):
    """Jobs are what the test puts there; a watch sends every version that `put` gives."""

    def __init__(self) -> None:
        self.jobs: dict[str, pb.Job] = {}
        self.submitted: list[pb.SubmitJobRequest] = []
        self.canceled: list[str] = []
        self.agents: list[pb.Agent] = []
        # What ReadRecords sends, by step.
        self.records: dict[str, list[pb.ReadRecordsResponse]] = {}
        # (code, message, trailing metadata) of the refusal that the next SubmitJob ends with.
        self.refusal: tuple[grpc.StatusCode, str, tuple[tuple[str, bytes], ...]] | None = None
        # Called with the job at a submission, and with the call's context at each GetJob.
        self.at_submission: Callable[[pb.Job], None] = lambda job: None
        self.at_look: Callable[[Any], None] = lambda context: None
        self._changed = threading.Condition()
        self._version = 0

    def put(self, job: pb.Job) -> None:
        """Makes this the newest version of the job."""
        with self._changed:
            self.jobs[job.name] = job
            self._version += 1
            self._changed.notify_all()

    def SubmitJob(self, request, context):  # type: ignore[no-untyped-def]
        self.submitted.append(request)
        if self.refusal is not None:
            code, message, metadata = self.refusal
            context.set_trailing_metadata(metadata)
            context.abort(code, message)
        if request.validate_only:
            return pb.SubmitJobResponse(notices=["checked"])
        job = pb.Job(name=request.name or "made-up-1", state=pb.STATE_QUEUED, notices=["a notice"])
        self.put(job)
        self.at_submission(job)
        return pb.SubmitJobResponse(job=job, notices=job.notices)

    def GetJob(self, request, context):  # type: ignore[no-untyped-def]
        self.at_look(context)
        return pb.GetJobResponse(job=self._find(request.name, context))

    def ListJobs(self, request, context):  # type: ignore[no-untyped-def]
        return pb.ListJobsResponse(jobs=list(self.jobs.values())[: request.page_size or 100])

    def WatchJob(self, request, context):  # type: ignore[no-untyped-def]
        name = self._find(request.name, context).name
        seen = -1
        while context.is_active():
            with self._changed:
                if self._version == seen:
                    self._changed.wait(timeout=0.1)
                changed, seen, job = self._version != seen, self._version, self.jobs[name]
            if changed:
                yield pb.WatchJobResponse(job=job)
            if job.state in (pb.STATE_COMPLETED, pb.STATE_FAILED, pb.STATE_CANCELED):
                return

    def CancelJob(self, request, context):  # type: ignore[no-untyped-def]
        job = pb.Job()
        job.CopyFrom(self._find(request.name, context))
        self.canceled.append(job.name)
        job.state = pb.STATE_CANCELED
        self.put(job)
        return pb.CancelJobResponse(job=job)

    def ReadRecords(self, request, context):  # type: ignore[no-untyped-def]
        self._find(request.name, context)
        yield from self.records[request.step]

    def ListAgents(self, request, context):  # type: ignore[no-untyped-def]
        return pb.ListAgentsResponse(agents=self.agents)

    def GetServerInfo(self, request, context):  # type: ignore[no-untyped-def]
        return pb.GetServerInfoResponse(version="0.0.0")

    def _find(self, name: str, context: Any) -> pb.Job:
        if name not in self.jobs:
            context.abort(grpc.StatusCode.NOT_FOUND, f"there is no job {name!r}")
        return self.jobs[name]


class PeerFiles(files_pb2_grpc.FileServiceServicer):
    """Snapshots in memory; files are those of the test's folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.snapshots: dict[str, bytes] = {}
        self.largest_chunk = 0
        self.extra: list[files.File] = []  # listed although they are not there

    def FindSnapshots(self, request, context):  # type: ignore[no-untyped-def]
        return files.FindSnapshotsResponse(digests=[each for each in request.digests if each in self.snapshots])

    def UploadSnapshot(self, request_iterator, context):  # type: ignore[no-untyped-def]
        digest, data = "", b""
        for message in request_iterator:
            digest, data = digest or message.digest, data + message.data
            self.largest_chunk = max(self.largest_chunk, len(message.data))
        self.snapshots[digest] = data
        return files.UploadSnapshotResponse(size_bytes=len(data))

    def DownloadSnapshot(self, request, context):  # type: ignore[no-untyped-def]
        yield files.DownloadSnapshotResponse(data=self.snapshots[request.digest])

    def ListFiles(self, request, context):  # type: ignore[no-untyped-def]
        path = self._path(request.uri, context)
        if path.is_file():
            return files.ListFilesResponse(files=[files.File(path="", size_bytes=path.stat().st_size)])
        found = [each for each in path.rglob("*") if each.is_file()]
        return files.ListFilesResponse(
            files=[files.File(path=str(each.relative_to(path)), size_bytes=each.stat().st_size) for each in found]
            + self.extra
        )

    def ReadFile(self, request, context):  # type: ignore[no-untyped-def]
        data = self._path(request.uri, context).read_bytes()[request.offset :]
        for start in range(0, len(data), 4):
            yield files.ReadFileResponse(data=data[start : start + 4])

    def _path(self, uri: str, context: Any) -> Path:
        path = Path(unquote(urlsplit(uri).path))
        if not path.is_relative_to(self.root):
            context.abort(grpc.StatusCode.PERMISSION_DENIED, f"{uri} is not in the storage of this daemon")
        return path


@dataclass(slots=True)
class Peer:
    address: str
    jobs: PeerJobs
    files: PeerFiles
    server: grpc.Server = field(repr=False)


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[Peer]:
    """A peer on a port of its own."""
    server = grpc.server(ThreadPoolExecutor(8))
    jobs, stored = PeerJobs(), PeerFiles(tmp_path / "storage")
    jobs_pb2_grpc.add_JobServiceServicer_to_server(jobs, server)
    files_pb2_grpc.add_FileServiceServicer_to_server(stored, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield Peer(f"127.0.0.1:{port}", jobs, stored, server)
    server.stop(0).wait()


@dataclass(frozen=True, slots=True)
class Ended:
    """How a prsctl ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def prsctl(peer: Peer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Runs prsctl in this process against the peer."""
    monkeypatch.setenv("PRS_SERVER", peer.address)

    def call(*words: str) -> Ended:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(words)
        captured = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Ended(ended.value.code, captured.out, captured.err)

    return call


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    """A pipeline file of one parallel step with a code folder."""
    folder = tmp_path / "pipeline"
    (folder / "src").mkdir(parents=True)
    (folder / "data").mkdir()
    (folder / "data" / "a.txt").write_text("1\n")
    (folder / "src" / "score.py").write_text("def run(mini_batch):\n    return list(mini_batch)\n")
    (folder / "src" / "weights.bin").write_bytes(bytes(600_000))
    (folder / "pipeline.yml").write_text(
        """\
type: pipeline
jobs:
  score:
    type: parallel
    compute: azureml:cpu-cluster
    mini_batch_size: "1"
    inputs:
      images:
        type: uri_folder
        path: ./data
    outputs:
      rows:
        type: uri_file
    input_data: ${{inputs.images}}
    task:
      type: run_function
      code: ./src
      entry_script: score.py
      environment: azureml:any@latest
      append_row_to: ${{outputs.rows}}
"""
    )
    return folder / "pipeline.yml"
