"""Segments: what was appended comes back, and damage is noticed."""

from __future__ import annotations

import os
import resource
import signal
import struct
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import pytest

from prs_agent.outputs.problems import FatalStorageError, SegmentError
from prs_agent.outputs.segments import BlockRef, SegmentReader, SegmentWriter


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "agent.boot.process000.seg"


def test_blocks_come_back_as_they_were_appended(path: Path) -> None:
    writer = SegmentWriter(path)
    first = writer.append(0, 11, 3, b"one two three")
    second = writer.append(2**40, 2**63, 1, b"")
    third = writer.append(5, 12, 2, memoryview(b"x" * 100_000))
    writer.sync()

    reader = SegmentReader(path)
    assert reader.read(first.offset, first.crc32) == (0, 11, 3, b"one two three")
    assert reader.read(second.offset, second.crc32) == (2**40, 2**63, 1, b"")
    assert reader.read(third.offset, third.crc32).payload == b"x" * 100_000
    assert first == BlockRef(path.name, 40, crc32(b"one two three"))
    assert writer.size_bytes == path.stat().st_size


def test_the_layout_is_as_documented(path: Path) -> None:
    SegmentWriter(path).append(7, 9, 2, b"payload")

    header = struct.pack("<IQQIII", 0x4B4C4250, 7, 9, 2, 7, crc32(b"payload"))
    assert path.read_bytes() == b"PRSSEG1\n" + header + b"payload"


def test_a_name_is_never_used_again(path: Path) -> None:
    SegmentWriter(path).close()

    with pytest.raises(FileExistsError):
        SegmentWriter(path)


@pytest.mark.parametrize("position", [8, 12, 30, 36, 39, 45])
def test_one_flipped_bit_in_header_or_payload_is_noticed(path: Path, position: int) -> None:
    ref = SegmentWriter(path).append(0, 1, 1, b"some payload")
    data = bytearray(path.read_bytes())
    data[position] ^= 0x10
    path.write_bytes(data)

    if position in (12, 30):  # First index and count are compared with the plan by the reader of blocks.
        assert SegmentReader(path).read(ref.offset, ref.crc32)[:3] != (0, 1, 1)
        return
    with pytest.raises(SegmentError, match=str(path)):
        SegmentReader(path).read(ref.offset, ref.crc32)


def test_a_block_that_ends_too_early_names_file_and_offset(path: Path) -> None:
    ref = SegmentWriter(path).append(0, 1, 1, b"some payload")
    os.truncate(path, ref.offset + 4)

    with pytest.raises(SegmentError, match=f"{path} ends at {ref.offset + 4}"):
        SegmentReader(path).read(ref.offset, ref.crc32)


def test_what_is_no_segment_is_refused(path: Path) -> None:
    with pytest.raises(SegmentError, match="cannot open"):
        SegmentReader(path)
    path.write_bytes(b"something else")
    with pytest.raises(SegmentError, match="is no segment"):
        SegmentReader(path)
    path.unlink()
    SegmentWriter(path).append(0, 1, 1, b"x" * 100)
    with pytest.raises(SegmentError, match="has no block at 77"):
        SegmentReader(path).read(77, 0)


@pytest.fixture
def file_size_limit() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handled = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handled)


@pytest.mark.usefixtures("file_size_limit")
def test_an_append_that_does_not_fit_leaves_the_segment_as_it_was(path: Path) -> None:
    writer = SegmentWriter(path)
    kept = writer.append(0, 1, 1, b"x" * 500)

    with pytest.raises(SegmentError, match=f"cannot append to {path} at {kept.offset + 500}"):
        writer.append(1, 1, 1, b"y" * 600)

    assert path.stat().st_size == writer.size_bytes == kept.offset + 500
    after = writer.append(2, 1, 1, b"z")
    assert SegmentReader(path).read(after.offset, after.crc32).payload == b"z"


def test_a_failed_sync_is_fatal(path: Path) -> None:
    writer = SegmentWriter(path)
    writer.close()

    with pytest.raises(FatalStorageError, match="durable"):
        writer.sync()
