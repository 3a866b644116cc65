"""`prsctl job verify` and `job resume` against a peer."""

import hashlib
import json
import struct
from pathlib import Path
from zlib import crc32

import pytest

from prsctl import stored_files
from prsd.base.columns import Column
from prsd.v1 import jobs_pb2 as pb

ROWS = b"\0a0\nb0\n\0a1\n"
OUTPUT = b"a0\nb0\na1\n"


@pytest.fixture
def recorded(peer, tmp_path: Path) -> Path:  # type: ignore[no-untyped-def]
    """A completed job "j" of two mini-batches; the answer is its output, in the peer's storage."""
    root = tmp_path / "storage"
    (root / "segments").mkdir(parents=True)
    header = struct.pack("<4sQQIII", b"PBLK", 0, 7, 2, len(ROWS), crc32(ROWS))
    (root / "segments/one.seg").write_bytes(b"PRSSEG1\n" + header + ROWS)
    (root / "rows").write_bytes(OUTPUT)
    digest = hashlib.sha256(OUTPUT).hexdigest()
    block = pb.RowBlock(
        segment="one.seg", offset=40, first=0, count=2, lengths=Column.of([7, 4]).to_bytes(), crc32=crc32(ROWS)
    )
    records = pb.StepRecords(
        divided=2,
        division_ended=True,
        row_format="text",
        target_uri=f"file://{root}/rows",
        segments_uri=f"file://{root}/segments",
        commit=pb.Commit(size_bytes=len(OUTPUT), digest=digest, rows=3),
    )
    succeeded = pb.RecordedRange(first=0, count=2, outcome=pb.RecordedRange.OUTCOME_SUCCEEDED, items=3, block=block)
    peer.jobs.records["score"] = [pb.ReadRecordsResponse(records=records), pb.ReadRecordsResponse(ranges=[succeeded])]
    job = pb.Job(name="j", state=pb.STATE_COMPLETED)
    job.steps.add(name="score", type="parallel", state=pb.STATE_COMPLETED)
    peer.jobs.put(job)
    return root / "rows"


@pytest.mark.parametrize("is_here", [True, False], ids=["read_in_place", "copied_through_the_daemon"])
def test_a_job_is_verified_wherever_its_bytes_are(  # type: ignore[no-untyped-def]
    prsctl, recorded: Path, monkeypatch: pytest.MonkeyPatch, is_here: bool
) -> None:
    if not is_here:
        monkeypatch.setattr(stored_files, "_readable_here", lambda uri: None)
    ended = prsctl("job", "verify", "j")
    assert (ended.code, ended.out) == (0, "score: 3 rows of 2 mini-batches, every one exactly once\n")
    recorded.write_bytes(OUTPUT.replace(b"b0", b"b1"))
    ended = prsctl("job", "verify", "j", "-o", "json")
    assert ended.code == 12
    document = json.loads(ended.out)
    assert set(document) == {"name", "state", "ok", "exit_code", "steps"}
    (step,) = document["steps"]
    found = step["discrepancies"][0]
    assert (found["output_offset"], found["output_line"], found["mini_batch"], found["segment_offset"]) == (4, 2, 0, 45)
    assert "2 discrepancies" in ended.err


def test_what_cannot_be_verified_says_why(prsctl, peer, recorded: Path) -> None:  # type: ignore[no-untyped-def]
    assert prsctl("job", "verify", "other").code == 5
    ended = prsctl("job", "verify", "j", "--step", "other")
    assert (ended.code, "its steps are score" in ended.err) == (5, True)
    peer.jobs.put(pb.Job(name="j", state=pb.STATE_RUNNING))
    ended = prsctl("job", "verify", "j")
    assert ended.code == 6
    assert "is Running: wait for its end" in ended.err


def test_resume_names_the_former_job_and_sends_no_pipeline(prsctl, peer) -> None:  # type: ignore[no-untyped-def]
    ended = prsctl("job", "resume", "former", "--new-name", "later", "-o", "json")
    assert ended.code == 0, ended.err
    assert json.loads(ended.out)["name"] == "later"
    (request,) = peer.jobs.submitted
    assert (request.resume_from, request.name, request.pipeline) == ("former", "later", "")
    assert request.request_id
    assert prsctl("submit", "--resume-from", "former", "--dry-run").code == 0
    assert peer.jobs.submitted[-1].validate_only
