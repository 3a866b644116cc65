"""Frames survive the way to bytes and back, in whatever pieces they arrive; what is no frame is refused."""

from __future__ import annotations

import contextlib
import os
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prs_agent.host import columns
from prs_agent.host.frames import (
    FROM_AGENT,
    FROM_WORKER,
    MAX_FRAME_BYTES,
    Append,
    Close,
    Closed,
    Failed,
    Frame,
    FrameDecoder,
    FrameError,
    GivenBack,
    Notice,
    Ready,
    Results,
    Run,
    Start,
    StartFailed,
    TakeBack,
    encode,
    read_frame,
)

u64 = st.integers(0, 2**64 - 1)
u32 = st.integers(0, 2**32 - 1)
text = st.text(st.characters(exclude_categories=()))  # lone surrogates, too: undecodable file names
encodable = st.text(max_size=60)


@st.composite
def results(draw: st.DrawFn) -> Results:
    count = draw(st.integers(1, 5))
    payloads = draw(st.lists(st.binary(max_size=9), min_size=count, max_size=count))
    packed = st.lists(u64, min_size=count, max_size=count).map(columns.encode)
    return Results(
        token=draw(u64),
        first=draw(u64),
        count=count,
        attempt=draw(u32),
        started_at=draw(st.floats(0, 4e9)),
        empty=draw(st.booleans()),
        items_total=draw(packed),
        items_succeeded=draw(packed),
        load_us=draw(packed),
        run_us=draw(packed),
        lengths=columns.encode([len(payload) for payload in payloads]),
        payload=b"".join(payloads),
    )


from_agent = st.one_of(
    st.builds(
        Start,
        entry_script=text,
        code_root=text,
        argv=st.lists(text, max_size=3).map(tuple),
        input_kind=st.sampled_from(("files", "tabular", "rank", "none")),
        input_root=text,
        entry_script_log_dir=text,
        user_error_dir=text,
        flush_interval_s=st.just(0.02),
        append=st.builds(Append, st.booleans(), st.sampled_from(("text", "csv")), st.booleans(), st.just({"sep": ","})),
    ),
    st.builds(Run, u64, u64, st.integers(1, 2**32 - 1), u32, encodable),
    st.builds(TakeBack, u64),
    st.just(Close()),
)
from_worker = st.one_of(
    st.builds(Ready, st.floats(0, 1e6), u32, text, st.booleans()),
    st.builds(StartFailed, text, text, text, st.booleans()),
    results(),
    st.builds(
        Failed,
        *(u64, u64, u32, text, text, text),
        started_at=st.floats(0, 4e9),
        directive=st.sampled_from((None, "stop_process", {"sleep_s": 1.5})),
    ),
    st.builds(GivenBack, u64, st.lists(st.tuples(u64, u64), max_size=3).map(tuple)),
    st.builds(Notice, text),
    st.builds(Closed, st.none() | text),
)


@given(st.lists(from_worker, max_size=6), st.data())
def test_what_a_worker_says_arrives_in_any_pieces(frames: list[Frame], data: st.DataObject) -> None:
    stream = b"".join(encode(frame) for frame in frames)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    decoder = FrameDecoder(FROM_WORKER)
    arrived: list[Frame] = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        arrived += decoder.feed(stream[start:end])
    assert arrived == frames
    assert decoder.is_between_frames


@given(st.lists(from_agent, max_size=4))
def test_what_an_agent_says_is_read_frame_by_frame(frames: list[Frame]) -> None:
    reading, writing = os.pipe()
    try:
        os.write(writing, b"".join(encode(frame) for frame in frames))
        os.close(writing)
        assert [read_frame(reading, FROM_AGENT) for _ in frames] == frames
        assert read_frame(reading, FROM_AGENT) is None
    finally:
        os.close(reading)


@given(st.binary(max_size=40), st.sampled_from(sorted(FROM_WORKER)))
def test_damaged_bodies_are_frame_errors_and_nothing_else(body: bytes, tag: bytes) -> None:
    data = struct.pack("<I", len(body) + 1) + tag + body
    with contextlib.suppress(FrameError):
        FrameDecoder(FROM_WORKER).feed(data)


def test_a_frame_of_the_other_direction_is_refused() -> None:
    with pytest.raises(FrameError, match="not expected"):
        FrameDecoder(FROM_WORKER).feed(encode(Close()))


@pytest.mark.parametrize("length", [0, MAX_FRAME_BYTES + 1])
def test_lengths_that_no_frame_has_are_refused_before_anything_is_read(length: int) -> None:
    with pytest.raises(FrameError, match="allowed are"):
        FrameDecoder(FROM_WORKER).feed(struct.pack("<I", length))


def test_a_stream_that_ends_within_a_frame_is_an_error() -> None:
    reading, writing = os.pipe()
    os.write(writing, encode(TakeBack(1))[:-1])
    os.close(writing)
    with pytest.raises(FrameError, match="within a frame"):
        read_frame(reading, FROM_AGENT)
    os.close(reading)


def test_lengths_must_add_up_to_the_payload() -> None:
    one = columns.encode([1])
    with pytest.raises(FrameError, match="add up to 1, not 2"):
        FrameDecoder(FROM_WORKER).feed(encode(Results(1, 0, 1, 1, 0.0, False, one, one, one, one, one, b"ab")))


def test_columns_must_have_a_number_for_each_mini_batch() -> None:
    one, two = columns.encode([1]), columns.encode([1, 2])
    with pytest.raises(FrameError, match="packed column of 1 values"):
        FrameDecoder(FROM_WORKER).feed(encode(Results(1, 0, 1, 1, 0.0, False, two, one, one, one, one, b"a")))
