"""The frames between the agent and a helper process of ours (division, outputs).

They travel on two inherited descriptors whose numbers are in PRS_HOST_FDS, "read,write". A frame is a u32 length
(little-endian) of what follows, one type byte, and a body: JSON in ASCII with escapes, so that file names that are not UTF-8
survive.
"""

from __future__ import annotations

import json
import os
import struct
from typing import Any

DESCRIPTORS = "PRS_HOST_FDS"
MAX_FRAME_BYTES = 256 * 1024 * 1024

_LENGTH = struct.Struct("<I")
_encode = json.JSONEncoder(separators=(",", ":")).encode


class ChannelError(Exception):
    """The agent is gone, or what arrived is no frame."""


class Channel:
    """Blocking frames on two descriptors."""

    def __init__(self, read_fd: int, write_fd: int) -> None:
        self._read_fd = read_fd
        self._write_fd = write_fd

    @classmethod
    def inherited(cls) -> Channel:
        """The channel that the environment names; ChannelError when it names none."""
        try:
            read_fd, write_fd = (int(number) for number in os.environ[DESCRIPTORS].split(","))
        except (KeyError, ValueError):
            raise ChannelError(f"{DESCRIPTORS} must hold two descriptors: the agent starts this program") from None
        return cls(read_fd, write_fd)

    def receive(self) -> tuple[bytes, Any]:
        """The next frame's type and decoded body (None when it is empty). ChannelError at the end of the stream."""
        (length,) = _LENGTH.unpack(self._read_exactly(_LENGTH.size))
        if not 1 <= length <= MAX_FRAME_BYTES:
            raise ChannelError(f"a frame of {length} bytes is outside 1 to {MAX_FRAME_BYTES}")
        data = self._read_exactly(length)
        return data[:1], json.loads(data[1:]) if length > 1 else None

    def send(self, kind: bytes, body: dict[str, Any]) -> None:
        """Send one frame. ChannelError when the agent does not read any more."""
        data = _encode(body).encode("ascii")
        remaining = memoryview(_LENGTH.pack(len(data) + 1) + kind + data)
        try:
            while remaining:
                remaining = remaining[os.write(self._write_fd, remaining) :]
        except BrokenPipeError:
            raise ChannelError("the agent has closed the channel") from None

    def _read_exactly(self, size_bytes: int) -> bytes:
        pieces = bytearray()
        while len(pieces) < size_bytes:
            piece = os.read(self._read_fd, size_bytes - len(pieces))
            if not piece:
                raise ChannelError("the agent has closed the channel")
            pieces += piece
        return bytes(pieces)
