"""Writes manifest parts: numbered, immutable files that the workers read in place.

Layout of a part: the magic; a u32 (little-endian) length and a header in JSON; then, when the header says `records`,
count + 1 offsets (u64, relative to the first record) and the records, each a JSON text. A part gets its name only when it
is durable: temporary name, fsync, rename, fsync of the folder.
"""

# Paths here are plain strings: there may be millions of them, and pathlib would cost start-up time.
# ruff: noqa: PTH103, PTH104, PTH118, PTH123
from __future__ import annotations

import hashlib
import json
import os
import struct
import sys
from array import array
from collections.abc import Callable, Iterable
from typing import Any

from prs_agent.division.job import DivideJob, Part
from prs_agent.division.problems import InputChangedError, StorageError

MAGIC = b"PRSMAN1\n"
_U32 = struct.Struct("<I")
# A copy of the input lies elsewhere on another machine, and a part that is written again has another name.
_VOLATILE = frozenset({"root", "previous"})

encode_json = json.JSONEncoder(separators=(",", ":")).encode


class ManifestWriter:
    """Writes the parts of one divide attempt and announces each when it is durable.

    Parts that an earlier attempt recorded are derived again, compared and not written: the manifest that workers are using
    cannot change under them.
    """

    def __init__(self, job: DivideJob, announce: Callable[[Part], None]) -> None:
        self._folder = os.path.join(job.storage, "manifest")
        self._token = job.token
        self._limits = job.limits
        self._recorded = list(reversed(job.recorded))
        self._announce = announce
        self._limit = job.limits.first_part
        self.next_index = 0
        self._previous = ""
        try:
            os.makedirs(self._folder, exist_ok=True)
        except OSError as error:
            raise StorageError(f"cannot create {self._folder}: {error.strerror}", permanent=False) from error

    def is_full(self, units: int, count: int, size_bytes: int) -> bool:
        """Whether a part of that many units (see `Limits`), mini-batches and record bytes should be written now."""
        if self._recorded:
            return count >= self._recorded[-1].mini_batches
        return units >= self._limit or size_bytes >= self._limits.largest_part_bytes

    def write(self, header: dict[str, Any], count: int, items: int, records: list[bytes] | None = None) -> None:
        """Write the next part; `header` lacks what is the same for all kinds, such as the name of the `previous` part.

        Raises InputChangedError when a recorded part says something else, StorageError when the disk refuses.
        """
        header = {**header, "first": self.next_index, "count": count, "records": records is not None}
        header["previous"] = self._previous
        body = b"" if records is None else _record_area(records)
        digest = _digest(header, body)
        self._limit = min(self._limit * self._limits.growth, self._limits.largest_part)
        name = f"part-{self.next_index:010d}-{self._token}.prsm"
        part = Part(name, self.next_index, count, items, digest)
        self.next_index += count
        if self._recorded:
            recorded = self._recorded.pop()
            _compare(recorded, part)
            self._previous = recorded.name
            return
        self._previous = name
        text = encode_json(header).encode("ascii")
        self._publish(name, (MAGIC, _U32.pack(len(text)), text, body))
        self._announce(part)

    def end(self) -> None:
        """The input is divided; InputChangedError when recorded parts are left."""
        if self._recorded:
            left = sum(part.mini_batches for part in self._recorded)
            raise InputChangedError(f"{_CHANGED}: {left} mini-batches that had been recorded are missing now. {_ADVICE}")

    def _publish(self, name: str, pieces: Iterable[bytes]) -> None:
        path = os.path.join(self._folder, name)
        temporary = os.path.join(self._folder, f".{name}.tmp")
        try:
            with open(temporary, "wb") as file:
                file.writelines(pieces)
                file.flush()
                os.fsync(file.fileno())
            os.rename(temporary, path)
            _sync_folder(self._folder)
        except OSError as error:
            raise StorageError(f"cannot write {path}: {error.strerror or error}", permanent=False) from error


_CHANGED = "the input changed while it was divided"
_ADVICE = "Submit the job again over an input that nobody writes to"


def _compare(recorded: Part, now: Part) -> None:
    if recorded[1:3] == now[1:3] and recorded.digest == now.digest:
        return
    last = recorded.first + recorded.mini_batches - 1
    raise InputChangedError(f"{_CHANGED}: mini-batches {recorded.first} to {last} were recorded from other files. {_ADVICE}")


def _record_area(records: list[bytes]) -> bytes:
    offsets = array("Q", [0])
    position = 0
    for record in records:
        position += len(record)
        offsets.append(position)
    if sys.byteorder == "big":
        offsets.byteswap()
    return offsets.tobytes() + b"".join(records)


def _digest(header: dict[str, Any], body: bytes) -> str:
    lasting = {key: value for key, value in header.items() if key not in _VOLATILE}
    digest = hashlib.sha256(json.dumps(lasting, sort_keys=True, separators=(",", ":")).encode("ascii"))
    digest.update(b"\n" + body)
    return digest.hexdigest()


def _sync_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
