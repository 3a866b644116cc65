"""Whether what lies at a URI is what lay there: a digest of the names, sizes and times of change of its files."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from prsd.base.uris import UnsupportedUri, path_of

# Paths are plain strings: there may be a hundred thousand of them.
# ruff: noqa: PTH116, PTH118

MOST_FILES = 100_000
ABSENT = "absent"
_MOST_MLTABLE_BYTES = 1 << 20
_ELSEWHERE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
_WILD = re.compile(r"[*?\[]")


class Unseen(Exception):  # noqa: N818  (named for what it says about the data)
    """Nobody here can say whether the data has changed; the message says why."""


class TooManyFiles(Unseen):
    """There are more files than are looked at before every job."""


def fingerprint(uri: str, type_: str, most_files: int = MOST_FILES) -> str:
    """The digest of a file, of a folder with all below it, or of an MLTable with the files that it names; ABSENT when
    nothing is there.

    Raises Unseen for what is not on a file system of this machine.
    """
    try:
        path = path_of(uri)
    except UnsupportedUri as error:
        raise Unseen(str(error)) from None
    seen = _Seen(most_files, uri)
    try:
        for place in [str(path), *(_outside(path) if type_ == "mltable" else ())]:
            seen.look_at(place)
    except FileNotFoundError:
        return ABSENT
    except OSError as error:
        raise Unseen(f"{error.filename or path} cannot be looked at: {error.strerror}") from None
    return seen.digest.hexdigest()


class _Seen:
    """Collects what is seen of files, in an order that depends on their names alone."""

    def __init__(self, most_files: int, uri: str) -> None:
        self.digest = hashlib.sha256()
        self._left = most_files
        self._uri = uri
        self._most_files = most_files
        self._folders: set[tuple[int, int]] = set()

    def look_at(self, place: str) -> None:
        """FileNotFoundError when nothing is there."""
        self._note("", place, os.stat(place))
        folders = [place] if os.path.isdir(place) else []  # noqa: PTH112
        while folders:
            folder = folders.pop()
            known = os.stat(folder)
            if (known.st_dev, known.st_ino) in self._folders:
                continue  # by a link, or twice: what is below is seen already
            self._folders.add((known.st_dev, known.st_ino))
            folders += self._look_into(folder, place)

    def _look_into(self, folder: str, place: str) -> list[str]:
        below = []
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: os.fsencode(entry.name))
        for entry in found:
            name = os.path.relpath(entry.path, place)
            try:
                seen = entry.stat()
            except FileNotFoundError:  # a link that leads nowhere
                seen = entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(seen.st_mode):
                below.append(entry.path)
            else:
                self._note(name, entry.path, seen)
        return below[::-1]

    def _note(self, name: str, path: str, seen: os.stat_result) -> None:
        if stat.S_ISDIR(seen.st_mode):
            self.digest.update(b"folder\0")
            return
        self._left -= 1
        if self._left < 0:
            raise TooManyFiles(f"{self._uri} has more than {self._most_files:,} files: it is not looked at for changes")
        shown = os.fsencode(name or os.path.basename(path))  # noqa: PTH119
        self.digest.update(b"%d %d %d " % (len(shown), seen.st_size, seen.st_mtime_ns) + shown)


def _outside(folder: Path) -> Iterator[str]:
    """Where an MLTable reads outside its own folder: files, folders, and what patterns begin with."""
    from prsd.base.mltable.load import FILE_NAME, parse_mltable
    from prsd.base.mltable.words import MLTableError

    try:
        with (folder / FILE_NAME).open("rb") as file:
            text = file.read(_MOST_MLTABLE_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return
    if len(text) > _MOST_MLTABLE_BYTES:
        raise Unseen(f"{folder / FILE_NAME} is larger than 1 MiB")
    try:
        entries = parse_mltable(str(folder), text).paths
    except MLTableError as error:
        raise Unseen(str(error)) from None
    places = {_place(str(folder), entry.kind, entry.value) for entry in entries}
    yield from sorted(place for place in places if not Path(place).is_relative_to(folder))


def _place(folder: str, kind: str, value: str) -> str:
    if value.startswith("file:"):
        try:
            value = str(path_of(value))
        except UnsupportedUri as error:
            raise Unseen(str(error)) from None
    elif _ELSEWHERE.match(value):
        raise Unseen(f"{value} is not on a file system of the daemon's machine")
    if kind == "pattern":
        parts = value.split("/")
        fixed = next((at for at, part in enumerate(parts) if _WILD.search(part)), len(parts))
        value = "/".join(parts[:fixed]) or ("/" if value.startswith("/") else ".")
    return os.path.normpath(os.path.join(folder, value))
