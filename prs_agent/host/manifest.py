"""Reading one part of the manifest in place: a header, an offset table, and UTF-8 JSON records.

    b"PRSMAN1\\n", u32 length of the header JSON, the header JSON; then, when header["records"] is true,
    (count + 1) u64 offsets from the start of the record area, and the records

Integers are little-endian. A part is immutable, so it is mapped and nothing is read before it is asked for.
"""

from __future__ import annotations

import json
import mmap
import struct
from typing import Any, Dict

from .failures import LoadError

MAGIC = b"PRSMAN1\n"
_U32 = struct.Struct("<I")
_U64 = struct.Struct("<Q")
_OFFSET_PAIR = struct.Struct("<QQ")


class ManifestPart:
    """A part of the manifest: `count` mini-batches from `first`; LoadError when the file is no such part."""

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            with open(path, "rb") as file:
                self._memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            self.header = self._read_header()
            self.kind = str(self.header["kind"])
            self.first = int(self.header["first"])
            self.count = int(self.header["count"])
        except (OSError, ValueError, KeyError, struct.error) as error:
            raise LoadError("cannot read the manifest part %s: %s: %s" % (path, type(error).__name__, error)) from error

    def _read_header(self) -> Dict[str, Any]:
        start = len(MAGIC) + _U32.size
        if self._memory[: len(MAGIC)] != MAGIC:
            raise ValueError("it does not start with %r" % MAGIC)
        (size,) = _U32.unpack_from(self._memory, len(MAGIC))
        self._offsets = start + size
        header: Dict[str, Any] = json.loads(self._memory[start : self._offsets].decode("utf-8"))
        return header

    @property
    def has_records(self) -> bool:
        """False when the header alone says where every mini-batch lies."""
        return bool(self.header.get("records"))

    def record(self, index: int) -> Any:
        """The record of a mini-batch; LoadError when this part does not hold it."""
        position = index - self.first
        if not 0 <= position < self.count:
            raise LoadError("mini-batch %d is not in the manifest part %s" % (index, self.path), permanent=True)
        area = self._offsets + (self.count + 1) * _U64.size
        try:
            start, end = _OFFSET_PAIR.unpack_from(self._memory, self._offsets + position * _U64.size)
            return json.loads(self._memory[area + start : area + end].decode("utf-8"))
        except (ValueError, struct.error) as error:
            raise LoadError("the record of mini-batch %d in %s is damaged: %s" % (index, self.path, error)) from error
