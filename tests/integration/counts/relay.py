"""A socket between agent and daemon that counts the gRPC messages and the bytes that cross it."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA = 0
_FRAME_HEADER, _MESSAGE_HEADER = 9, 5


@dataclass
class MessageCounter:
    """Counts the messages of one direction of an HTTP/2 connection, whatever pieces its bytes come in."""

    messages: int = 0
    size_bytes: int = 0
    _received: bytearray = field(default_factory=bytearray)
    _streams: dict[int, bytearray] = field(default_factory=dict)

    def take(self, data: bytes) -> None:
        self.size_bytes += len(data)
        self._received += data
        if self._received.startswith(_PREFACE[:3]):  # as the length of a frame it would be far over what gRPC allows
            if len(self._received) < len(_PREFACE):
                return
            del self._received[: len(_PREFACE)]
        while len(self._received) >= _FRAME_HEADER:
            end = _FRAME_HEADER + int.from_bytes(self._received[:3], "big")
            if len(self._received) < end:
                return
            if self._received[3] == _DATA:
                stream = int.from_bytes(self._received[5:9], "big")
                self._take_payload(self._streams.setdefault(stream, bytearray()), self._received[_FRAME_HEADER:end])
            del self._received[:end]

    def _take_payload(self, waiting: bytearray, payload: bytearray) -> None:
        waiting += payload
        while len(waiting) >= _MESSAGE_HEADER:
            end = _MESSAGE_HEADER + int.from_bytes(waiting[1:5], "big")
            if len(waiting) < end:
                return
            self.messages += 1
            del waiting[:end]


class Relay:
    """Listens at `listen`, connects to `upstream`. `up` is from agent to daemon."""

    def __init__(self, listen: Path, upstream: Path) -> None:
        self.up: list[MessageCounter] = []
        self.down: list[MessageCounter] = []
        self._upstream = upstream
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(listen))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                agent, _ = self._listener.accept()
                daemon = socket.socket(socket.AF_UNIX)
                daemon.connect(str(self._upstream))
                for source, target, counters in ((agent, daemon, self.up), (daemon, agent, self.down)):
                    counters.append(MessageCounter())
                    threading.Thread(target=_carry, args=(source, target, counters[-1]), daemon=True).start()


def _carry(source: socket.socket, target: socket.socket, counter: MessageCounter) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            counter.take(data)
            target.sendall(data)
    for each in (source, target):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
