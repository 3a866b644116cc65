"""The proof of a step, over segments and outputs that the agent's own code has written."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from prs_agent.outputs.merge import Output, Progress, merge
from prs_agent.outputs.plan import CommitRange
from prs_agent.outputs.segments import BlockRef, SegmentWriter
from prsctl import discrepancies
from prsctl.comparison import first_difference
from prsctl.step_proof import Proof, prove
from prsctl.stored_files import StoredFiles
from prsd.base.columns import Column
from prsd.base.uris import uri_of
from prsd.v1 import jobs_pb2 as pb

SUCCEEDED, EMPTY, FAILED = (
    pb.RecordedRange.OUTCOME_SUCCEEDED,
    pb.RecordedRange.OUTCOME_EMPTY,
    pb.RecordedRange.OUTCOME_FAILED,
)


def text(*rows: str) -> bytes:
    return b"\0" + "".join(f"{row}\n" for row in rows).encode()


def with_header(header: str, *rows: str) -> bytes:
    line = f"{header}\n".encode()
    return b"\1" + struct.pack("<I", len(line)) + line + text(*rows)[1:]


def csv_rows(columns: list[str], *rows: str) -> bytes:
    names = json.dumps(columns).encode()
    return b"\2" + struct.pack("<I", len(names)) + names + text(*rows)[1:]


@dataclass
class Step:
    """A recorded step: `add` writes a block and records its mini-batches, `publish` merges."""

    folder: Path
    row_format: str = "text"
    ranges: list[pb.RecordedRange] = field(default_factory=list)
    records: pb.StepRecords = field(default_factory=pb.StepRecords)
    writers: dict[str, SegmentWriter] = field(default_factory=dict)

    @property
    def output(self) -> Path:
        return self.folder / "rows.txt"

    def segment(self, name: str = "one") -> Path:
        return self.folder / "segments" / name

    def add(self, first: int, *payloads: bytes, segment: str = "one") -> pb.RecordedRange:
        self.segment().parent.mkdir(exist_ok=True)
        writer = self.writers.get(segment) or SegmentWriter(self.segment(segment))
        self.writers[segment] = writer
        ref = writer.append(first, 7, len(payloads), b"".join(payloads))
        lengths = Column.of(map(len, payloads)).to_bytes()
        block = pb.RowBlock(
            segment=segment, offset=ref.offset, first=first, lengths=lengths, count=len(payloads), crc32=ref.crc32
        )
        return self.note(first, len(payloads), block=block)

    def note(
        self,
        first: int,
        count: int,
        outcome: pb.RecordedRange.Outcome.ValueType = SUCCEEDED,
        block: pb.RowBlock | None = None,
    ) -> pb.RecordedRange:
        found = pb.RecordedRange(first=first, count=count, outcome=outcome, items=count, block=block)
        self.ranges.append(found)
        return found

    def publish(self) -> None:
        self.ranges.sort(key=lambda each: each.first)
        done = [_commit_range(each) for each in self.ranges if each.outcome == SUCCEEDED]
        output = Output(self.output, self.row_format, 1)
        merged = merge(iter(done), self.segment().parent, output, Progress(lambda _: None))
        divided = max(each.first + each.count for each in self.ranges)
        self.records = pb.StepRecords(
            divided=divided,
            division_ended=True,
            row_format=self.row_format,
            target_uri=uri_of(self.output),
            segments_uri=uri_of(self.segment().parent),
            commit=pb.Commit(size_bytes=merged.file.size_bytes, digest=merged.file.digest, rows=merged.rows),
        )

    def read(self) -> Iterator[pb.ReadRecordsResponse]:
        yield pb.ReadRecordsResponse(records=self.records)
        for found in self.ranges:
            yield pb.ReadRecordsResponse(ranges=[found])

    def prove(self, *, is_completed: bool = True) -> Proof:
        return prove(self.read, StoredFiles(_nothing, self.folder), is_completed=is_completed, appends=True)

    def wrong(self) -> list[str]:
        return [found.message for found in self.prove().found.listed]


def _commit_range(found: pb.RecordedRange) -> CommitRange:
    if not found.HasField("block"):
        return CommitRange(found.first, found.count)
    block = found.block
    ref = BlockRef(block.segment, block.offset, block.crc32)
    return CommitRange(found.first, found.count, ref, block.lengths, block.first)


def _nothing(uri: str) -> Iterator[bytes]:
    from prsctl.exit_codes import ExitCode
    from prsctl.failures import CommandFailed

    raise CommandFailed(f"there is no file {uri}", ExitCode.NOT_FOUND)


@pytest.fixture
def step(tmp_path: Path) -> Step:
    return Step(tmp_path)


@pytest.fixture
def published(step: Step) -> Step:
    """Ten mini-batches: two segments, one shared block, one empty, one failed, one that returned nothing."""
    step.add(0, text("a0", "b0"), text("a1"))
    step.add(2, text("a2"), b"", text("a4"), segment="two")
    step.note(5, 1, EMPTY)
    step.note(6, 1, FAILED)
    shared = step.add(7, text("a7"), text("never"), text("a9"))
    shared.count = 1
    step.add(8, text("a8"), segment="two")
    step.note(9, 1, block=shared.block)
    step.publish()
    return step


def test_what_is_right_is_proved(published: Step) -> None:
    proof = published.prove()
    assert proof.found.listed == []
    assert published.output.read_text().split() == ["a0", "b0", "a1", "a2", "a4", "a7", "a8", "a9"]
    assert (proof.check, proof.rows, proof.succeeded, proof.empty, proof.failed) == ("bytes", 8, 8, 1, 1)
    assert (proof.unprocessed, proof.total) == (0, 9)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda data: data.replace(b"a2", b"a3"), ["byte 10, line 4: expected 'a2', found 'a3' (mini-batch 2, segment two"]),
        (lambda data: data[:-2], ["byte 22, line 8: it ends before 'a9' (mini-batch 9, segment one", "size in bytes"]),
        (lambda data: data[:-3], ["byte 21, line 8: it ends before 'a9' (mini-batch 9, segment one"]),
        (
            lambda data: data + b"z\nz\n",
            ["byte 24, line 9: 'z' follows, which no mini-batch has returned", "number of rows"],
        ),
        (lambda data: b"", ["byte 0, line 1: it ends before 'a0' (mini-batch 0"]),
    ],
)
def test_a_changed_output_is_named(published: Step, change: Callable[[bytes], bytes], expected: list[str]) -> None:
    published.output.write_bytes(change(published.output.read_bytes()))
    wrong = published.wrong()
    assert expected[0] in wrong[0]
    for part in [*expected[1:], "sha256"]:
        assert any(part in each for each in wrong), wrong


def test_every_byte_of_the_output_counts(published: Step) -> None:
    before = published.output.read_bytes()
    for at in range(len(before)):
        published.output.write_bytes(before[:at] + bytes([before[at] ^ 1]) + before[at + 1 :])
        assert published.prove().found.listed[0].output_offset == at


def test_every_byte_of_a_recorded_block_counts(published: Step) -> None:
    path = published.segment("two")
    before = path.read_bytes()
    headers = (8, len(before) - len(text("a8")) - 32)
    tokens = {header + 12 + place for header in headers for place in range(8)}  # nothing depends on them
    for at in sorted(set(range(len(before))) - tokens):
        path.write_bytes(before[:at] + bytes([before[at] ^ 1]) + before[at + 1 :])
        found = published.prove().found.listed
        assert found, f"byte {at} does not count"
        assert found[0].segment == "two", found


def test_a_segment_that_is_cut_short_or_gone_is_named(published: Step) -> None:
    path = published.segment("two")
    path.write_bytes(path.read_bytes()[:-1])
    assert "ends 1 bytes before the block" in published.wrong()[0]
    path.unlink()
    assert "segment two is gone" in published.wrong()[0]


def test_records_must_tile_the_input(published: Step) -> None:
    ranges = list(published.ranges)
    del published.ranges[2]  # the empty one
    assert published.wrong() == ["records: mini-batch 5 without a result or a failure on record"]
    published.ranges[:] = sorted([*ranges, ranges[0]], key=lambda each: each.first)
    assert published.wrong()[0] == "records: mini-batches 0 to 1 recorded twice"
    published.ranges[:] = ranges
    published.records.divided = 12
    assert published.wrong() == ["records: mini-batches 10 to 11 without a result or a failure on record"]
    published.records.divided = 9
    assert published.wrong() == ["records: mini-batch 9 on record, but the input was divided into 9"]


def test_a_step_that_did_not_complete_may_have_gaps_but_no_damage(published: Step) -> None:
    del published.ranges[4]
    published.output.unlink()
    proof = published.prove(is_completed=False)
    assert (proof.found.listed, proof.unprocessed, proof.check) == ([], 1, "records")
    path = published.segment("two")
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    assert [each.kind for each in published.prove(is_completed=False).found.listed] == ["segment"]


def test_a_header_may_come_first_or_late_and_counts_for_no_row(step: Step) -> None:
    step.add(0, text("plain"), with_header("n", "1"), with_header("m", "2"))
    step.publish()
    assert step.output.read_text().split() == ["n", "plain", "1", "2"]
    proof = step.prove()
    assert (proof.found.listed, proof.rows) == ([], 3)
    step.output.write_text("plain\n1\n2\n")
    assert "line 1: expected 'n', found 'plain'" in step.wrong()[0]


def test_csv_columns_may_come_in_another_order(tmp_path: Path) -> None:
    step = Step(tmp_path, "csv")
    step.add(0, csv_rows(["a", "b"], "1,2", '"x,y",4'), csv_rows(["b", "a"], "6,5", '"l\n2",7'))
    step.publish()
    assert step.output.read_text() == 'a,b\n1,2\n"x,y",4\n5,6\n7,"l\n2"\n'
    assert step.wrong() == []
    step.output.write_text(step.output.read_text().replace("5,6", "6,5"))
    assert "line 4: expected '5,6', found '6,5' (mini-batch 1" in step.wrong()[0]


def test_only_the_first_discrepancies_are_listed_and_all_are_counted(
    published: Step, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discrepancies, "MOST_LISTED", 2)
    published.ranges.clear()
    published.records.divided = 0
    published.output.write_text("x\n")
    proof = published.prove()
    assert len(proof.found.listed) == 2
    assert proof.found.count == 4


@pytest.mark.parametrize("at", [0, 1, 2, 63, 64, 65, 99])
def test_first_difference(at: int) -> None:
    one = bytes(100)
    other = one[:at] + b"x" + one[at + 1 :]
    assert first_difference(one, other) == at
    assert first_difference(one, one[:at]) == at
