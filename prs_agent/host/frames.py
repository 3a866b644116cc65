"""Frames between the agent and the host of a worker; both import this module.

They travel on two inherited descriptors, never on stdin or stdout, because entry scripts print. A frame is

    u32 length of what follows (little-endian, at most MAX_FRAME_BYTES), one type byte, body

and its type is a NamedTuple of `frame_types`. Integers are little-endian; other bodies are JSON in UTF-8.

    encode(frame) -> bytes                      either side
    FrameDecoder(FROM_WORKER).feed(data)        the agent: frames out of whatever bytes have arrived
    read_frame(fd, FROM_AGENT)                  the host: waits for one frame

User code shares the worker's process, so what the agent reads is not trusted: whatever is no frame raises FrameError.
"""

from __future__ import annotations

import json
import os
import struct
from typing import Any, Callable, Dict, FrozenSet, List, Optional, Tuple, Type, Union

from . import columns
from .frame_types import (
    Append,
    Close,
    Closed,
    Failed,
    Frame,
    FrameError,
    GivenBack,
    Notice,
    Ready,
    Results,
    Run,
    Start,
    StartFailed,
    TakeBack,
)

__all__ = [
    "Append",
    "Close",
    "Closed",
    "FROM_AGENT",
    "FROM_WORKER",
    "Failed",
    "Frame",
    "FrameDecoder",
    "FrameError",
    "GivenBack",
    "MAX_FRAME_BYTES",
    "Notice",
    "Ready",
    "Results",
    "Run",
    "Start",
    "StartFailed",
    "TakeBack",
    "decode",
    "encode",
    "read_frame",
]

MAX_FRAME_BYTES = 256 * 1024 * 1024

_LENGTH = struct.Struct("<I")
_RUN = struct.Struct("<QQIIH")
_TOKEN = struct.Struct("<Q")
_RESULTS = struct.Struct("<QQIIdQB")
_GIVEN_BACK = struct.Struct("<QI")
_RANGE = struct.Struct("<QQ")
_EMPTY_FLAG = 1


FROM_AGENT: FrozenSet[bytes] = frozenset((b"S", b"R", b"T", b"C"))
FROM_WORKER: FrozenSet[bytes] = frozenset((b"r", b"x", b"d", b"f", b"g", b"n", b"z"))


def _json(value: object) -> bytes:
    # ASCII: undecodable file names and messages (lone surrogates) survive as escapes.
    return json.dumps(value, separators=(",", ":")).encode("ascii")


def _encode_start(start: Start) -> bytes:
    fields = start._asdict()
    fields["append"] = dict(start.append._asdict())
    fields["input"] = {"kind": fields.pop("input_kind"), "root": start.input_root}
    fields["log_dirs"] = {
        "entry_script_log": fields.pop("entry_script_log_dir"),
        "user_error": fields.pop("user_error_dir"),
    }
    return _json(dict(fields))


def _decode_start(body: bytes) -> Start:
    fields = json.loads(body.decode("utf-8"))
    fields["input_kind"] = fields.pop("input", {}).get("kind", "none")
    directories = fields.pop("log_dirs", {})
    fields["entry_script_log_dir"] = directories.get("entry_script_log", "")
    fields["user_error_dir"] = directories.get("user_error", "")
    fields["append"] = Append(**_known(Append, fields.get("append", {})))
    fields["argv"] = tuple(fields.get("argv", ()))
    return Start(**_known(Start, fields))


def _encode_run(run: Run) -> bytes:
    part = run.part.encode("utf-8")
    return _RUN.pack(run.token, run.first, run.count, run.attempt, len(part)) + part


def _decode_run(body: bytes) -> Run:
    token, first, count, attempt, size = _RUN.unpack_from(body)
    part = body[_RUN.size :]
    if len(part) != size or not count:
        raise FrameError("a Run frame of %d mini-batches with %d bytes of part name, not %d" % (count, len(part), size))
    return Run(token, first, count, attempt, part.decode("utf-8"))


def _encode_results(results: Results) -> bytes:
    payload = results.payload
    flags = _EMPTY_FLAG if results.empty else 0
    pieces = [
        _RESULTS.pack(results.token, results.first, results.count, results.attempt, results.started_at, len(payload), flags)
    ]
    for column in results[6:11]:
        pieces += (_LENGTH.pack(len(column)), column)
    pieces.append(payload)
    return b"".join(pieces)


def _decode_results(body: bytes) -> Results:
    token, first, count, attempt, started_at, payload_bytes, flags = _RESULTS.unpack_from(body)
    position = _RESULTS.size
    packed: List[bytes] = []
    for _ in range(5):
        (size,) = _LENGTH.unpack_from(body, position)
        position += _LENGTH.size
        packed.append(body[position : position + size])
        position += size
    payload = body[position:]
    if len(payload) != payload_bytes or not count:
        raise FrameError("a Results frame of %d mini-batches with %d bytes, not %d" % (count, len(payload), payload_bytes))
    # All five must be columns of `count` numbers; checked here so that their readers need not.
    lengths_total = [columns.total(column, count) for column in packed][-1]
    if lengths_total != payload_bytes:
        raise FrameError("the lengths of a Results frame add up to %d, not %d bytes" % (lengths_total, payload_bytes))
    items_total, items_succeeded, load_us, run_us, lengths = packed
    numbers = (items_total, items_succeeded, load_us, run_us, lengths)
    return Results(token, first, count, attempt, started_at, bool(flags & _EMPTY_FLAG), *numbers, payload)


def _encode_given_back(given: GivenBack) -> bytes:
    ranges = (_RANGE.pack(first, count) for first, count in given.ranges)
    return _GIVEN_BACK.pack(given.token, len(given.ranges)) + b"".join(ranges)


def _decode_given_back(body: bytes) -> GivenBack:
    token, count = _GIVEN_BACK.unpack_from(body)
    rest = body[_GIVEN_BACK.size :]
    if len(rest) != count * _RANGE.size:
        raise FrameError("a GivenBack frame of %d ranges with %d bytes" % (count, len(rest)))
    return GivenBack(token, tuple((first, length) for first, length in _RANGE.iter_unpack(rest)))


def _known(kind: Any, fields: Dict[str, Any]) -> Dict[str, Any]:
    return {name: fields[name] for name in kind._fields if name in fields}


def _encode_fields(frame: Any) -> bytes:
    return _json(dict(frame._asdict()))


def _decode_fields(kind: Any) -> Callable[[bytes], Any]:
    def decode_body(body: bytes) -> Any:
        return kind(**_known(kind, json.loads(body.decode("utf-8"))))

    return decode_body


_ENCODERS: Dict[Type[Any], Tuple[bytes, Callable[[Any], bytes]]] = {
    Start: (b"S", _encode_start),
    Run: (b"R", _encode_run),
    TakeBack: (b"T", lambda frame: _TOKEN.pack(frame.token)),
    Close: (b"C", lambda frame: b""),
    Ready: (b"r", _encode_fields),
    StartFailed: (b"x", _encode_fields),
    Results: (b"d", _encode_results),
    Failed: (b"f", _encode_fields),
    GivenBack: (b"g", _encode_given_back),
    Notice: (b"n", _encode_fields),
    Closed: (b"z", _encode_fields),
}
_DECODERS: Dict[bytes, Callable[[bytes], Any]] = {
    b"S": _decode_start,
    b"R": _decode_run,
    b"T": lambda body: TakeBack(_TOKEN.unpack(body)[0]),
    b"C": lambda body: Close(),
    b"r": _decode_fields(Ready),
    b"x": _decode_fields(StartFailed),
    b"d": _decode_results,
    b"f": _decode_fields(Failed),
    b"g": _decode_given_back,
    b"n": _decode_fields(Notice),
    b"z": _decode_fields(Closed),
}


def encode(frame: Frame) -> bytes:
    """The whole frame, length first; FrameError when it is larger than MAX_FRAME_BYTES."""
    tag, encode_body = _ENCODERS[type(frame)]
    body = encode_body(frame)
    if len(body) >= MAX_FRAME_BYTES:
        raise FrameError("a %s frame of %d bytes is over the limit" % (type(frame).__name__, len(body)))
    return _LENGTH.pack(len(body) + 1) + tag + body


def decode(tag: bytes, body: bytes, accepted: FrozenSet[bytes]) -> Frame:
    """The frame of this type byte and body; FrameError when it is none of `accepted`."""
    if tag not in accepted:
        raise FrameError("a frame of type %r was not expected" % tag)
    try:
        frame: Frame = _DECODERS[tag](body)
    except (struct.error, TypeError, AttributeError, ValueError) as error:
        raise FrameError("a damaged frame of type %r: %s" % (tag, error)) from error
    return frame


def _checked_length(header: Union[bytes, bytearray], offset: int = 0) -> int:
    length = int(_LENGTH.unpack_from(header, offset)[0])
    if not 1 <= length <= MAX_FRAME_BYTES:
        raise FrameError("a frame of %d bytes: allowed are 1 to %d" % (length, MAX_FRAME_BYTES))
    return length


class FrameDecoder:
    """Frames out of a stream of bytes that arrive in pieces."""

    def __init__(self, accepted: FrozenSet[bytes]) -> None:
        self._accepted = accepted
        self._received = bytearray()

    def feed(self, data: bytes) -> List[Frame]:
        """The frames that are complete with `data`; FrameError at the first that is none, and at every call after it."""
        received = self._received
        received += data
        position = 0
        found: List[Frame] = []
        while len(received) - position >= _LENGTH.size:
            body_start = position + _LENGTH.size + 1
            end = body_start - 1 + _checked_length(received, position)
            if len(received) < end:
                break
            tag = bytes(received[body_start - 1 : body_start])
            found.append(decode(tag, bytes(received[body_start:end]), self._accepted))
            position = end
        del received[:position]
        return found

    @property
    def is_between_frames(self) -> bool:
        """False when the stream has ended within a frame, if it has ended now."""
        return not self._received


def read_frame(fd: int, accepted: FrozenSet[bytes]) -> Optional[Frame]:
    """Waits for one frame; None at the end of the stream, FrameError when that comes within a frame."""
    header = _read_exactly(fd, _LENGTH.size)
    if not header:
        return None
    content = _read_exactly(fd, _checked_length(header))
    if not content:
        raise FrameError("the stream ended after the length of a frame")
    return decode(content[:1], content[1:], accepted)


def _read_exactly(fd: int, size_bytes: int) -> bytes:
    data = bytearray()
    while len(data) < size_bytes:
        piece = os.read(fd, min(size_bytes - len(data), 1 << 20))
        if not piece:
            if data:
                raise FrameError("the stream ended within a frame")
            return b""
        data += piece
    return bytes(data)
