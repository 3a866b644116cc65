"""Files of a daemon's storage as plain paths: in place where they can be read here, else copied through the daemon."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from prsctl.exit_codes import ExitCode
from prsctl.failures import CommandFailed
from prsd.base.uris import UnsupportedUri, path_of

Read = Callable[[str], Iterator[bytes]]


class FileGone(Exception):  # noqa: N818  (named for what it says about the file)
    """There is no file of that URI."""


class StoredFiles:
    """Each file is copied at most once, into a folder that the caller removes."""

    def __init__(self, read: Read, scratch: Path) -> None:
        """`read` gives the bytes of a URI as the daemon sends them."""
        self._read = read
        self._scratch = scratch
        self._copies: dict[str, Path] = {}

    def path(self, uri: str) -> Path:
        """Where the file can be read; FileGone when there is none, CommandFailed when the daemon refuses or is away."""
        return _readable_here(uri) or self._copies.get(uri) or self._copied(uri)

    def _copied(self, uri: str) -> Path:
        copy = self._scratch / str(len(self._copies))
        try:
            with copy.open("wb") as stream:
                for data in self._read(uri):
                    stream.write(data)
        except CommandFailed as refused:
            if refused.exit_code is ExitCode.NOT_FOUND:
                raise FileGone(uri) from None
            raise
        self._copies[uri] = copy
        return copy


def _readable_here(uri: str) -> Path | None:
    try:
        path = path_of(uri)
    except UnsupportedUri:
        return None
    return path if path.is_file() and os.access(path, os.R_OK) else None
