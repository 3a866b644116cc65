"""Files as bytes, compressed ones too: the end of its name says gzip, bz2 or zstd, and offsets are of what is in it."""

from __future__ import annotations

import io
import os
from importlib import import_module
from typing import Any, Tuple

from .failures import LoadError

_SUFFIXES = (".gz", ".gzip", ".bz2", ".zst", ".zstd")
_PIECE_BYTES = 1 << 20


def is_compressed(path: str) -> bool:
    """Whether the name says so."""
    return path.lower().endswith(_SUFFIXES)


def open_bytes(path: str, offset: int = 0) -> Any:
    """The file as a stream at `offset`; LoadError where nothing here can decompress it, else OSError."""
    if not is_compressed(path):
        plain = open(path, "rb")  # noqa: SIM115  the caller closes it
        plain.seek(offset)
        return plain
    stream = _decompressed(path)
    _pass_over(stream, offset)
    return stream


def read_failures() -> Tuple[Any, ...]:
    """What reading a damaged or vanished file raises."""
    return (OSError, EOFError, import_module("zlib").error)


class RangeReader:
    """Reads ranges of bytes; what was opened last stays open, so that ranges in ascending order cost one pass."""

    def __init__(self) -> None:
        self._path = ""
        self._stream: Any = None
        self._position = 0

    def read(self, path: str, start: int, end: int) -> bytes:
        """The bytes from `start` to `end` (-1: all that follow), fewer when the file is shorter; LoadError."""
        try:
            self._open(path, start)
            data: bytes = self._stream.read() if end < 0 else self._stream.read(end - start)
        except read_failures() as error:
            self.close()
            raise LoadError("cannot read %s: %s" % (path, getattr(error, "strerror", None) or error)) from error
        self._position = start + len(data)
        return data

    def _open(self, path: str, start: int) -> None:
        if self._path == path and self._position == start:
            return
        if self._path == path and not is_compressed(path):
            self._stream.seek(start)
        elif self._path == path and self._position < start:
            _pass_over(self._stream, start - self._position)
        else:
            self.close()
            self._stream = open_bytes(path, start)
            self._path = path

    def close(self) -> None:
        """Closes what is open."""
        if self._stream is not None:
            self._stream.close()
        self._path, self._stream = "", None


def _pass_over(stream: Any, size_bytes: int) -> None:
    while size_bytes > 0:
        piece = stream.read(min(size_bytes, _PIECE_BYTES))
        if not piece:
            return
        size_bytes -= len(piece)


def _decompressed(path: str) -> Any:
    lower = path.lower()
    if lower.endswith(".bz2"):
        return import_module("bz2").open(path, "rb")
    if lower.endswith((".gz", ".gzip")):
        return import_module("gzip").open(path, "rb")
    os.stat(path)  # so that a missing file is named as such by all readers
    for module, opener in (("pyarrow", _arrow_zstd), ("compression.zstd", _standard_zstd), ("zstandard", _zstandard)):
        try:
            found = import_module(module)
        except ImportError:
            continue
        return io.BufferedReader(opener(found, path), _PIECE_BYTES)
    raise LoadError(
        "%s is compressed with zstd: install pyarrow in the environment of the entry script" % path, permanent=True
    )


def _arrow_zstd(pyarrow: Any, path: str) -> Any:
    return pyarrow.CompressedInputStream(pyarrow.OSFile(path), "zstd")


def _standard_zstd(zstd: Any, path: str) -> Any:
    return zstd.open(path, "rb")


def _zstandard(zstandard: Any, path: str) -> Any:
    return zstandard.open(path, "rb")
