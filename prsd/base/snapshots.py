"""Snapshots: a code folder as one tar file whose bytes depend on nothing but names, contents and the executable bit.

The digest (sha256 of the tar, lower-case hexadecimal) is the snapshot's name everywhere, so the same code is uploaded and
unpacked once. A snapshot holds regular files and relative symbolic links that stay inside; empty folders are not kept.

`pack` trusts its folder, `unpack` trusts nothing: who can submit a job can upload any tar.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
import shutil
import stat
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple

from prsd.base.ignore_rules import RULE_FILES, IgnoreRules

LIMIT_BYTES = 300 * 1024 * 1024
LIMIT_FILES = 20_000

_BLOCK = 1 << 20
_DIGEST = re.compile(r"[0-9a-f]{64}")


class SnapshotError(Exception):
    """A folder that cannot be packed, or a tar that is refused; the message names the path and the reason."""


class Snapshot(NamedTuple):
    """A packed folder."""

    digest: str
    path: Path


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    path: Path
    size_bytes: int
    # Of a symbolic link; None for a file.
    target: str | None = None


def is_digest(text: str) -> bool:
    """Whether this can be the digest of a snapshot: 64 lower-case hexadecimal digits."""
    return _DIGEST.fullmatch(text) is not None


# Packing


def pack(folder: Path, into: Path, *, limit_bytes: int = LIMIT_BYTES, limit_files: int = LIMIT_FILES) -> Snapshot:
    """Pack a code folder into `into/DIGEST.tar`. What the rules of `.amlignore`, or else `.gitignore`, name stays out, and
    so do `__pycache__`, `*.pyc` and `.git`. SnapshotError when the folder is too large, cannot be read, or holds what no
    snapshot can."""
    try:
        entries = sorted(_entries(folder.resolve(strict=True)), key=lambda entry: os.fsencode(entry.name))
        _check_limits(folder, entries, limit_bytes, limit_files)
        with tempfile.NamedTemporaryFile(dir=into, prefix=".packing-", delete=False) as output:
            temporary = Path(output.name)
            try:
                digest = _write(entries, output)
                path = temporary.replace(into / f"{digest}.tar")
            except BaseException:
                temporary.unlink()
                raise
    except OSError as error:
        raise SnapshotError(f"{error.filename or folder} cannot be packed: {error.strerror or error}") from error
    return Snapshot(digest, path)


def _entries(top: Path) -> Iterator[_Entry]:
    rules = IgnoreRules.of_folder(top)
    folders = [(top, "")]
    while folders:
        folder, prefix = folders.pop()
        with os.scandir(folder) as content:
            for item in content:
                name = prefix + item.name
                is_folder = item.is_dir(follow_symlinks=False)
                if rules.leave_out(name, is_folder):
                    continue
                if is_folder:
                    folders.append((Path(item.path), name + "/"))
                else:
                    yield _entry(item, name)


def _entry(item: os.DirEntry[str], name: str) -> _Entry:
    path = Path(item.path)
    if item.is_symlink():
        target = str(path.readlink())
        if reason := _why_leaving(name, target):
            raise SnapshotError(
                f"{path} is a symbolic link to {target!r}: {reason}; copy what it names, or add it to {RULE_FILES[0]}"
            )
        return _Entry(name, path, 0, target)
    if not item.is_file(follow_symlinks=False):
        raise SnapshotError(f"{path} is neither a file nor a folder nor a link; remove it or add it to {RULE_FILES[0]}")
    return _Entry(name, path, item.stat(follow_symlinks=False).st_size)


def _why_leaving(name: str, target: str) -> str | None:
    """Why a link `name` to `target` may leave the folder; None when it cannot. Folders above a link are real ones, so
    leading `..` are exact; a `..` after a name is not, because that name may be a link too."""
    if not target or target.startswith("/"):
        return "it is not relative"
    parts = target.split("/")
    climbs = next((position for position, part in enumerate(parts) if part != ".."), len(parts))
    if ".." in parts[climbs:]:
        return "it climbs with '..' after a name"
    if climbs > name.count("/"):
        return "it leaves the folder"
    return None


def _check_limits(folder: Path, entries: list[_Entry], limit_bytes: int, limit_files: int) -> None:
    if len(entries) > limit_files:
        raise SnapshotError(
            f"{folder} holds {len(entries)} files, more than {limit_files}; "
            f"name what the code does not need in {RULE_FILES[0]}"
        )
    total = sum(entry.size_bytes for entry in entries)
    if total > limit_bytes:
        largest = sorted(entries, key=lambda entry: -entry.size_bytes)[:5]
        names = ", ".join(f"{entry.name} ({_mebibytes(entry.size_bytes)})" for entry in largest)
        raise SnapshotError(
            f"{folder} holds {_mebibytes(total)}, more than {_mebibytes(limit_bytes)}; the largest files are {names}. "
            f"Pass data as an input of the step, or name it in {RULE_FILES[0]}"
        )


def _mebibytes(size_bytes: int) -> str:
    return f"{size_bytes / (1 << 20):.1f} MiB"


class _Digesting:
    """A file to write to that computes the digest of what went through it."""

    def __init__(self, output: IO[bytes]) -> None:
        self._output = output
        self.sha256 = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.sha256.update(data)
        return self._output.write(data)


def _write(entries: list[_Entry], output: IO[bytes]) -> str:
    digesting = _Digesting(output)
    with tarfile.open(
        fileobj=digesting, mode="w|", format=tarfile.GNU_FORMAT, encoding="utf-8", errors="surrogateescape"
    ) as tar:  # type: ignore[call-overload]
        for entry in entries:
            _add(tar, entry)
    output.flush()
    return digesting.sha256.hexdigest()


def _add(tar: tarfile.TarFile, entry: _Entry) -> None:
    member = tarfile.TarInfo(entry.name)
    if entry.target is not None:
        member.type, member.linkname, member.mode = tarfile.SYMTYPE, entry.target, 0o644
        tar.addfile(member)
        return
    # Neither a link nor a pipe that has taken the file's place since it was listed.
    descriptor = os.open(entry.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as content:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size != entry.size_bytes:
            raise SnapshotError(f"{entry.path} changed while it was packed; pack again when nothing writes to it")
        member.size = found.st_size
        member.mode = 0o755 if found.st_mode & stat.S_IXUSR else 0o644
        try:
            tar.addfile(member, content)
        except OSError as error:
            raise SnapshotError(f"{entry.path} cannot be packed: {error}") from error


# Unpacking


def unpack(
    tar_path: Path, digest: str, folder: Path, *, limit_bytes: int = LIMIT_BYTES, limit_files: int = LIMIT_FILES
) -> None:
    """Unpack a snapshot as `folder`, which appears complete and durable or not at all. A folder that is there already is
    taken for the same snapshot, so any number of processes may do this at once. SnapshotError when the file has not the
    digest, or holds anything but regular files, folders and links that stay inside, each once, within the limits."""
    if folder.is_dir():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tar_path.open("rb") as file:
        if (found := hashlib.file_digest(file, "sha256").hexdigest()) != digest:
            raise SnapshotError(f"{tar_path} has the digest {found}, not {digest}: it is damaged; fetch it again")
        file.seek(0)
        temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".unpacking-"))
        try:
            _Unpacking(temporary, limit_bytes, limit_files).read(file)
            temporary.chmod(0o755)
            _publish(temporary, folder)
        except OSError as error:
            raise SnapshotError(f"snapshot {digest} cannot be unpacked: {error}") from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _publish(temporary: Path, folder: Path) -> None:
    for path, _, _ in os.walk(temporary):
        _sync_folder(Path(path))
    try:
        temporary.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class _Unpacking:
    """One pass over a tar, into an empty folder."""

    def __init__(self, top: Path, limit_bytes: int, limit_files: int) -> None:
        self._top = top
        self._left_bytes = limit_bytes
        self._limit_files = limit_files
        self._limit_bytes = limit_bytes
        self._names: set[str] = set()
        self._folders: set[str] = {""}

    def read(self, file: IO[bytes]) -> None:
        try:
            # As a stream: nothing in the file can send the reader backwards.
            with tarfile.open(fileobj=file, mode="r|", encoding="utf-8", errors="surrogateescape") as tar:
                for member in tar:
                    self._check(member)
                    self._make(tar, member)
        except (tarfile.TarError, ValueError, OverflowError, EOFError) as error:
            raise SnapshotError(f"the snapshot is no readable tar file: {error}") from error

    def _check(self, member: tarfile.TarInfo) -> None:
        name = member.name
        if not name or "\0" in name or any(part in ("", ".", "..") for part in name.split("/")):
            raise SnapshotError(f"the snapshot names {name!r}, which is no plain relative path")
        if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE) or member.issparse():
            raise SnapshotError(f"{name!r} in the snapshot is neither a file nor a folder nor a symbolic link")
        if name in self._names or (name in self._folders and not member.isdir()):
            raise SnapshotError(f"the snapshot holds {name!r} twice")
        if member.issym() and (reason := _why_leaving(name, member.linkname)):
            raise SnapshotError(f"{name!r} in the snapshot is a symbolic link to {member.linkname!r}: {reason}")
        self._names.add(name)
        self._check_limits(member)

    def _check_limits(self, member: tarfile.TarInfo) -> None:
        if len(self._names) > self._limit_files:
            raise SnapshotError(f"the snapshot holds more than {self._limit_files} files")
        if member.size < 0:
            raise SnapshotError(f"{member.name!r} in the snapshot has a negative size")
        self._left_bytes -= member.size
        if self._left_bytes < 0:
            raise SnapshotError(f"the snapshot holds more than {_mebibytes(self._limit_bytes)}, with {member.name!r}")

    def _make(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        self._make_folder(member.name if member.isdir() else posixpath.dirname(member.name))
        path = self._top / member.name
        if member.issym():
            path.symlink_to(member.linkname)
        elif not member.isdir():
            self._make_file(tar, member, path)

    def _make_folder(self, name: str) -> None:
        """The folder and those above it. One whose name is a file or a link is refused: nothing is written through."""
        missing = []
        while name not in self._folders:
            missing.append(name)
            name = posixpath.dirname(name)
        for folder in reversed(missing):
            if os.path.lexists(self._top / folder):
                raise SnapshotError(f"the snapshot holds {folder!r} as a folder and as something else")
            (self._top / folder).mkdir(mode=0o755)
            self._folders.add(folder)

    def _make_file(self, tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
        content = tar.extractfile(member)
        assert content is not None
        mode = 0o755 if member.mode & stat.S_IXUSR else 0o644
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "wb") as output:
            shutil.copyfileobj(content, output, _BLOCK)
            output.flush()
            if output.tell() != member.size:
                raise SnapshotError(f"{member.name!r} in the snapshot is cut short")
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
