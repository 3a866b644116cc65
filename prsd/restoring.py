"""Puts a backup in the place of a data folder's state. No daemon may run on the folder. `prsctl admin restore` calls it.

    python -m prsd.restoring BACKUP --data DIR

In this order, so that an interruption at any point leaves the former state, or a folder that no daemon starts on until this
is run again: check every byte of the backup; copy it into DIR/restoring; verify its log and begin a new lineage there; put
the former database aside; put the copy in its place. Jobs' storage and outputs are data, not state: they stay as they are.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from google.protobuf import json_format

from prsd.storage import DataFolder
from prsd.store.errors import StoreError
from prsd.store.folder_lock import FolderLock
from prsd.store.lineage import Lineage, renew
from prsd.store.sqlite import NAME, RESTORING, SqliteStore
from prsd.v1 import admin_pb2 as pb

MANIFEST = "manifest.json"
FORMAT = 1
_CHUNK_BYTES = 1 << 20


class BackupDamaged(StoreError):  # noqa: N818 - the name says what is the case
    """What lies there is not what was backed up, or not all of it."""


@dataclass(frozen=True, slots=True)
class Restored:
    manifest: pb.BackupManifest
    lineage: Lineage
    # Where the former database lies now; None when there was none.
    aside: Path | None


def restore(backup: Path, data: Path) -> Restored:
    """Raises BackupDamaged, StoreInUse or another StoreError, or OSError; the former state is in place then, or the folder
    refuses to be used until this has come to its end."""
    folder = DataFolder(data)
    folder.create()
    with _held(folder.root):
        manifest = read_manifest(backup)
        _check(backup, manifest)
        prepared = folder.root / f".{RESTORING}"
        shutil.rmtree(prepared, ignore_errors=True)
        lineage = _prepare(backup, manifest, prepared, folder)
        stage = _mark(folder.root, prepared)
        aside = _put_aside(folder.root)
        (stage / NAME).replace(folder.database)
        sync_folder(folder.root)
        shutil.rmtree(stage)
        return Restored(manifest, lineage, aside)


def read_manifest(backup: Path) -> pb.BackupManifest:
    """What the backup should hold; BackupDamaged when that is not said."""
    try:
        manifest = json_format.Parse((backup / MANIFEST).read_text(encoding="utf-8"), pb.BackupManifest())
    except FileNotFoundError:
        raise BackupDamaged(f"{backup} is no backup: it has no {MANIFEST}") from None
    except (json_format.ParseError, UnicodeDecodeError) as error:
        raise BackupDamaged(f"{backup / MANIFEST} cannot be read: {error}") from error
    if manifest.format > FORMAT:
        raise BackupDamaged(f"{backup} was made by a newer prs ({manifest.version}): restore it with that version")
    return manifest


def _check(backup: Path, manifest: pb.BackupManifest) -> None:
    if NAME not in {file.path for file in manifest.files}:
        raise BackupDamaged(f"{backup} is damaged: its manifest names no {NAME}")
    for file in manifest.files:
        path = backup / file.path
        if not path.resolve().is_relative_to(backup.resolve()):
            raise BackupDamaged(f"{backup} is damaged: its manifest names {file.path}, which is not in it")
        if not path.is_file():
            raise BackupDamaged(f"{backup} is damaged: {file.path} is missing")
        if digest_of(path) != file.sha256:
            raise BackupDamaged(f"{backup} is damaged: {file.path} is not what was backed up")


def _prepare(backup: Path, manifest: pb.BackupManifest, prepared: Path, folder: DataFolder) -> Lineage:
    """Snapshots into place (named by their digest, so nothing is replaced), and the database ready to be renamed."""
    prepared.mkdir(mode=0o700)
    for file in manifest.files:
        if file.path == NAME:
            _copy(backup / NAME, prepared / NAME)
        elif not (target := folder.snapshots / Path(file.path).name).exists():
            _copy(backup / file.path, target)
    sync_folder(folder.snapshots)
    return asyncio.run(renew(SqliteStore(prepared)))


def _mark(root: Path, prepared: Path) -> Path:
    """From here on no daemon starts on the folder until the restoration has come to its end."""
    stage = root / RESTORING
    if stage.exists():  # an interrupted restoration has marked it already
        (prepared / NAME).replace(stage / NAME)
        shutil.rmtree(prepared)
    else:
        prepared.rename(stage)
    sync_folder(root)
    return stage


def _put_aside(root: Path) -> Path | None:
    """The former database with its log, which would otherwise be taken for that of the new one."""
    parts = [path for path in (root / NAME, root / f"{NAME}-wal", root / f"{NAME}-shm") if path.exists()]
    if not parts:
        return None
    aside = root / f"replaced-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}"
    aside.mkdir(mode=0o700, exist_ok=True)
    for part in parts:
        part.rename(aside / part.name)
    sync_folder(root)
    return aside


@contextlib.contextmanager
def _held(root: Path) -> Iterator[None]:
    lock = FolderLock(root)
    lock.take()
    try:
        yield
    finally:
        lock.release()


def _copy(source: Path, target: Path) -> None:
    partial = target.with_name(f".{target.name}.partial")
    with source.open("rb") as reading, partial.open("wb") as writing:
        shutil.copyfileobj(reading, writing, _CHUNK_BYTES)
        writing.flush()
        os.fsync(writing.fileno())
    partial.replace(target)


def digest_of(path: Path) -> str:
    """sha256 in lower-case hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sync_folder(folder: Path) -> None:
    """Make renames in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="prsd.restoring", description="Restores a backup of a daemon's state.")
    parser.add_argument("backup", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    given = parser.parse_args(argv)
    try:
        restored = restore(given.backup, given.data)
    except (StoreError, OSError) as error:
        sys.exit(str(error))
    made_at = restored.manifest.create_time.ToJsonString()
    print(f"restored the state of {made_at}, {restored.manifest.last_fact} facts, as lineage {restored.lineage.name}")
    if restored.aside is not None:
        print(f"the former database lies in {restored.aside}: delete it when it is not needed any more")


if __name__ == "__main__":
    main()
