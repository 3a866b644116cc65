"""Proves of one step, from its records and the bytes on disk, that every mini-batch is in the output once or reported.

What can be proved depends on the step (`Proof.check`): "bytes" when the output was compared with the recorded rows byte by
byte, "digest" when only its size, digest and number of rows say that it is what was published (parquet), "records" when the
step has no output that rows are appended to, or did not complete.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from prsctl.comparison import Comparison, Stretch
from prsctl.discrepancies import Discrepancies, Discrepancy, mini_batches
from prsctl.documents import shown_uri
from prsctl.row_layouts import LateHeader, Layout, LayoutFault, layout_of
from prsctl.segment_files import SegmentFiles
from prsctl.stored_files import FileGone, StoredFiles
from prsd.base.columns import Column
from prsd.v1 import jobs_pb2 as pb

Records = Callable[[], Iterator[pb.ReadRecordsResponse]]
_PARQUET = 4


@dataclass(slots=True)
class Proof:
    """What was looked at, and what was wrong with it. Counts are of mini-batches."""

    check: str = "records"
    succeeded: int = 0
    empty: int = 0
    failed: int = 0
    unprocessed: int = 0
    items: int = 0
    rows: int | None = None
    size_bytes: int | None = None
    digest: str | None = None
    output: str | None = None
    found: Discrepancies = field(default_factory=Discrepancies)

    @property
    def total(self) -> int:
        """Empty ones are in no total."""
        return self.succeeded + self.failed + self.unprocessed


def prove(read: Records, files: StoredFiles, *, is_completed: bool, appends: bool) -> Proof:
    """The proof of a step. `read` may be called twice; `appends`: the step is one that may append rows."""
    try:
        return _Prover(read, files, is_completed=is_completed, appends=appends).prove(b"")
    except LateHeader as late:
        return _Prover(read, files, is_completed=is_completed, appends=appends).prove(late.header)


class _Prover:
    """One pass over the records."""

    def __init__(self, read: Records, files: StoredFiles, *, is_completed: bool, appends: bool) -> None:
        self._messages = read()
        self._files = files
        self._is_completed = is_completed
        self._proof = Proof()
        self._found = self._proof.found
        self._records = next(self._messages).records
        self._publishes = appends and is_completed and bool(self._records.target_uri)
        self._layout: Layout | None = None
        self._parquet_rows = 0

    def prove(self, header: bytes) -> Proof:
        if not self._publishes:
            self._look_at_all(None)
            return self._proof
        records, proof = self._records, self._proof
        proof.output = shown_uri(records.target_uri)
        self._layout = layout_of(records.row_format, header)
        proof.check = "digest" if self._layout is None else "bytes"
        try:
            path = self._files.path(records.target_uri)
        except FileGone:
            self._tell_output(f"{proof.output}: there is no such file")
            self._look_at_all(None)
            return proof
        with path.open("rb") as file:
            comparison = Comparison(file, path.name, self._found)
            comparison.is_comparing = self._layout is not None
            self._look_at_all(comparison)
            comparison.end()
        self._compare_with_commit(comparison, path)
        return proof

    def _look_at_all(self, comparison: Comparison | None) -> None:
        following = 0
        with closing(SegmentFiles(self._files, self._records.segments_uri, self._found)) as segments:
            for message in self._messages:
                for found in message.ranges:
                    following = self._place(found, following)
                    if found.HasField("block"):
                        self._look_at_rows(found, segments, comparison)
        self._end(following)

    def _place(self, found: pb.RecordedRange, following: int) -> int:
        """Count a range in; it must begin where the one before has ended."""
        proof, stop = self._proof, found.first + found.count
        if found.first > following:
            self._miss(following, found.first)
        if found.first < following:
            overlap = mini_batches(found.first, min(stop, following))
            self._tell_records(f"{overlap} recorded twice", found.first)
        match found.outcome:
            case pb.RecordedRange.OUTCOME_SUCCEEDED:
                proof.succeeded += found.count
                proof.items += found.items
            case pb.RecordedRange.OUTCOME_EMPTY:
                proof.empty += found.count
            case _:
                proof.failed += found.count
        return max(following, stop)

    def _end(self, following: int) -> None:
        divided = self._records.divided
        if following > divided:
            beyond = mini_batches(divided, following)
            self._tell_records(f"{beyond} on record, but the input was divided into {divided:,}", divided)
        elif following < divided:
            self._miss(following, divided)
        if self._is_completed and not self._records.division_ended:
            self._tell_records("the division of the input did not come to its end", None)

    def _miss(self, first: int, stop: int) -> None:
        self._proof.unprocessed += stop - first
        if self._is_completed:
            self._tell_records(f"{mini_batches(first, stop)} without a result or a failure on record", first)

    def _look_at_rows(self, found: pb.RecordedRange, segments: SegmentFiles, comparison: Comparison | None) -> None:
        block = found.block
        data, is_whole = segments.payload(block)
        if comparison is None:
            return
        if data is None:
            comparison.is_comparing = False
        elif self._layout is None:
            self._count_parquet(found, data)
        elif comparison.is_comparing or (is_whole and not self._layout.header):
            # After a difference it is only looked on for a header: one that comes late explains the difference.
            stretch = Stretch(block.segment)
            fault = self._lay_out(self._layout, found, data, stretch, is_whole)
            comparison.take(stretch, is_whole)
            if fault is not None and comparison.is_comparing:
                self._found.add(fault)
                comparison.is_comparing = False

    def _lay_out(
        self, layout: Layout, found: pb.RecordedRange, data: bytes, stretch: Stretch, is_whole: bool
    ) -> Discrepancy | None:
        """Add the range's rows to the stretch, up to the first payload that cannot be what was recorded."""
        for index, start, payload in _payloads(found, data):
            try:
                piece = layout.rows(payload)
            except (LayoutFault, ValueError) as fault:
                offset = found.block.offset + start
                message = f"segment {stretch.segment}, byte {offset}: mini-batch {index} does not fit the output: {fault}"
                return Discrepancy("segment", message, index, segment=stretch.segment, segment_offset=offset)
            except LateHeader:
                if is_whole:
                    raise
                return None
            stretch.add(index, found.block.offset + start + max(0, len(payload) - len(piece)), piece)
        return None

    def _count_parquet(self, found: pb.RecordedRange, data: bytes) -> None:
        # Imported here: it takes longer to load than most proofs.
        import pyarrow as pa
        import pyarrow.parquet as pq

        for index, start, payload in _payloads(found, data):
            try:
                if payload[0] != _PARQUET:
                    raise ValueError(f"its rows are of kind {payload[0]}, which is not parquet")
                self._parquet_rows += pq.read_metadata(pa.BufferReader(pa.py_buffer(payload[1:]))).num_rows
            except (ValueError, pa.ArrowException) as fault:
                offset = found.block.offset + start
                message = f"segment {found.block.segment}, byte {offset}: mini-batch {index} has no parquet rows: {fault}"
                self._found.add(Discrepancy("segment", message, index, None, None, found.block.segment, offset))

    def _compare_with_commit(self, comparison: Comparison, path: Path) -> None:
        proof, commit = self._proof, self._records.commit
        proof.size_bytes, proof.digest = comparison.size_bytes, comparison.digest
        proof.rows = self._rows(comparison, path)
        if not self._records.HasField("commit") or not commit.digest:
            self._tell_output(f"{proof.output}: nothing is on record of its publication")
            return
        for name, actual, recorded in (
            ("size in bytes", proof.size_bytes, commit.size_bytes),
            ("sha256", proof.digest, commit.digest),
            ("number of rows", proof.rows, commit.rows),
        ):
            if actual != recorded:
                self._tell_output(f"{path.name}: its {name} is {actual}, recorded is {recorded}")

    def _rows(self, comparison: Comparison, path: Path) -> int:
        if self._layout is not None:
            return comparison.lines - self._layout.header.count(b"\n")
        rows = _rows_of_parquet(path)
        if rows != self._parquet_rows:
            self._tell_output(f"{path.name} has {rows:,} rows, its mini-batches returned {self._parquet_rows:,}")
        return rows

    def _tell_output(self, message: str) -> None:
        self._found.add(Discrepancy("output", message))

    def _tell_records(self, message: str, mini_batch: int | None) -> None:
        self._found.add(Discrepancy("records", f"records: {message}", mini_batch))


def _payloads(found: pb.RecordedRange, data: bytes) -> Iterator[tuple[int, int, memoryview]]:
    """Index, place in the block, and bytes of every payload of the range that there is."""
    block = found.block
    lengths = Column.from_bytes(block.lengths, block.count)
    skipped = found.first - block.first
    start = lengths.slice(0, skipped).total()
    view = memoryview(data)
    for index, length in enumerate(lengths.slice(skipped, found.count), found.first):
        if length:
            yield index, start, view[start : start + length]
        start += length


def _rows_of_parquet(path: Path) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return int(pq.read_metadata(path).num_rows)
    except (pa.ArrowException, OSError):
        return -1
