"""What is recorded of a step, as `JobService.ReadRecords` sends it: in the order of mini-batches, in bounded messages."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import merge
from itertools import chain

from prsd.base.uris import join
from prsd.core.vocabulary import Block, Failure, Results, StepId
from prsd.store.protocol import Queries
from prsd.v1 import agents_pb2
from prsd.v1 import jobs_pb2 as pb

DEFAULT_ROW_FILE = "parallel_run_step.txt"
_MAX_RANGES = 512
_MAX_BYTES = 512 * 1024


def step_records(store: Queries, step: StepId) -> pb.StepRecords:
    """What is recorded of the step as a whole. Blocks on the disk."""
    definition = agents_pb2.StepDefinition.FromString(store.definition_of(step))
    row = next(row for row in store.steps_of(step.job) if row.step == step)
    target = _target_uri(definition)
    records = pb.StepRecords(
        divided=row.counts.divided,
        division_ended=row.division_ended,
        row_format=(definition.append_row.format or "text") if target else "",
        target_uri=target,
        segments_uri=join(definition.storage_uri, "segments"),
    )
    done = store.commit_of(step)
    if done is not None:
        records.commit.CopyFrom(pb.Commit(size_bytes=done.size_bytes, digest=done.digest, rows=done.rows))
    return records


def range_messages(store: Queries, step: StepId) -> Iterator[pb.ReadRecordsResponse]:
    """Every recorded outcome of the step, some hundred kilobytes at a time. Blocks on the disk."""
    message, size_bytes = pb.ReadRecordsResponse(), 0
    for found in _ranges(store, step):
        message.ranges.append(found)
        size_bytes += found.ByteSize()
        if len(message.ranges) >= _MAX_RANGES or size_bytes >= _MAX_BYTES:
            yield message
            message, size_bytes = pb.ReadRecordsResponse(), 0
    if message.ranges:
        yield message


def _ranges(store: Queries, step: StepId) -> Iterator[pb.RecordedRange]:
    """Results and final failures in one line. What overlaps stays so: to find it is the reader's purpose."""
    results = map(_of_results, chain.from_iterable(store.results_of(step)))
    failures = map(_of_failure, chain.from_iterable(store.failed_of(step)))
    return merge(results, failures, key=lambda found: found.first)


def _of_results(results: Results) -> pb.RecordedRange:
    return pb.RecordedRange(
        first=results.first,
        count=results.count,
        outcome=pb.RecordedRange.OUTCOME_EMPTY if results.empty else pb.RecordedRange.OUTCOME_SUCCEEDED,
        items=results.items_succeeded.total(),
        block=None if results.block is None else _block(results.block),
    )


def _of_failure(failure: Failure) -> pb.RecordedRange:
    return pb.RecordedRange(first=failure.index, count=1, outcome=pb.RecordedRange.OUTCOME_FAILED)


def _block(block: Block) -> pb.RowBlock:
    return pb.RowBlock(
        segment=block.segment,
        offset=block.offset,
        first=block.first,
        lengths=block.lengths.to_bytes(),
        count=len(block.lengths),
        crc32=block.crc32,
    )


def _target_uri(definition: agents_pb2.StepDefinition) -> str:
    """Where the commit attempt publishes the rows: the output itself, or a file in it."""
    append = definition.append_row
    output = next((each for each in definition.outputs if append.output and each.name == append.output), None)
    if output is None:
        return ""
    return output.uri if output.type == "uri_file" else join(output.uri, append.file_name or DEFAULT_ROW_FILE)
