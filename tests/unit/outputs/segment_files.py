"""Segments for the tests: payloads in, the ranges of a commit plan out."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

from prs_agent.outputs.plan import CommitRange
from prs_agent.outputs.segments import SegmentWriter
from prsd.base.columns import Column

_U32 = struct.Struct("<I")


def text(*rows: str) -> bytes:
    """The payload of a mini-batch that returned these elements; nothing when there are none."""
    return b"\0" + "".join(f"{row}\n" for row in rows).encode() if rows else b""


def with_header(header: str, *rows: str) -> bytes:
    """A payload of text rows below a header line."""
    line = f"{header}\n".encode()
    return b"\1" + _U32.pack(len(line)) + line + text(*rows)[1:]


def csv(columns: list[str], *rows: str) -> bytes:
    """A payload of CSV rows."""
    return b"\2" + _columns(columns) + text(*rows)[1:]


def jsonl(columns: list[str], *objects: Any) -> bytes:
    """A payload of JSON lines."""
    return b"\3" + _columns(columns) + text(*map(json.dumps, objects))[1:]


def _columns(columns: list[str]) -> bytes:
    names = json.dumps(columns).encode()
    return _U32.pack(len(names)) + names


class Segments:
    """A folder of segments, one writer per worker."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._writers: dict[str, SegmentWriter] = {}

    def add(self, first: int, *payloads: bytes, worker: str = "process000") -> CommitRange:
        """Append one block; the range of all its mini-batches."""
        if worker not in self._writers:
            self._writers[worker] = SegmentWriter(self.folder / f"agent.boot.{worker}.seg")
        ref = self._writers[worker].append(first, 7, len(payloads), b"".join(payloads))
        lengths = Column.of(map(len, payloads)).to_bytes()
        return CommitRange(first, len(payloads), ref, lengths, first)
