"""What `prsctl admin` does: a daemon's condition, and copies of its state out of it and back."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import grpc
from google.protobuf import json_format

from prsctl.client import unreachable
from prsctl.consoles import print_data, say
from prsctl.exit_codes import ExitCode, of_rpc
from prsctl.failures import CommandFailed
from prsctl.options import Format, Whereabouts
from prsctl.reach import live_daemon
from prsd.v1 import admin_pb2, admin_pb2_grpc

MANIFEST = "manifest.json"
_CALL_TIMEOUT_S = 60.0
_WORDS = {
    admin_pb2.GetConditionResponse.CONDITION_SERVING: "serving",
    admin_pb2.GetConditionResponse.CONDITION_DISK_FULL: "disk full",
}


def show_condition(where: Whereabouts, form: Format) -> ExitCode:
    """Shows how the daemon is."""
    with _service(where) as stub:
        reply = stub.GetCondition(admin_pb2.GetConditionRequest(), timeout=_CALL_TIMEOUT_S)
    document = {
        "condition": _WORDS.get(reply.condition, "unknown"),
        "reason": reply.reason,
        "disk_free_bytes": reply.disk_free_bytes,
        "disk_reserve_bytes": reply.disk_reserve_bytes,
        "lineage": reply.lineage,
        "last_fact": reply.last_fact,
        "version": reply.version,
    }
    if form in (Format.JSON, Format.JSONL):
        print_data(json.dumps(document))
    else:
        print_data("\n".join(f"{key}: {value}" for key, value in document.items() if value != ""))
    return ExitCode.OK


def backup(to: Path, where: Whereabouts) -> ExitCode:
    """Makes the folder `to` with a copy of the daemon's state; nothing is left of one that did not come to its end."""
    if to.exists():
        raise CommandFailed(f"{to} exists: name a folder that does not, one for each backup", ExitCode.CONFLICT)
    partial = to.with_name(f".{to.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(mode=0o700, parents=True)
        with _service(where) as stub:
            manifest = _receive(stub.Backup(admin_pb2.BackupRequest()), partial)
        partial.rename(to)
        _sync_folder(to.absolute().parent)
    except OSError as error:
        raise CommandFailed(f"the backup cannot be written: {error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    size_mb = sum(file.size_bytes for file in manifest.files) / 1e6
    say(f"{to}: {manifest.last_fact} facts and {len(manifest.files) - 1} snapshots, {size_mb:.1f} MB")
    say("outputs, segments and logs of jobs are data, not state: they are not in it")
    return ExitCode.OK


def restore(source: Path, data: Path) -> ExitCode:
    """Has the daemon's own program put a backup in the place of a data folder's state."""
    # The CLI knows nothing of the store, so this is a program of the daemon's.
    command = [sys.executable, "-m", "prsd.restoring", str(source), "--data", str(data)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        raise CommandFailed(ended.stderr.strip() or "the backup was not restored", ExitCode.CONFLICT)
    say(ended.stdout.strip())
    say("what was recorded since then runs again; agents drop what they hold of it")
    return ExitCode.OK


def _receive(parts: Iterable[admin_pb2.BackupResponse], folder: Path) -> admin_pb2.BackupManifest:
    """Writes the files as they come; durable, and checked against the manifest, when it returns."""
    digests: dict[str, str] = {}
    manifest: admin_pb2.BackupManifest | None = None
    writing: _Writing | None = None
    try:
        for part in parts:
            if part.HasField("file"):
                _end(writing, digests)
                writing = _Writing(folder, part.file.path)
            elif part.HasField("manifest"):
                manifest = part.manifest
            elif writing is not None:
                writing.write(part.data)
    finally:
        _end(writing, digests)
    if manifest is None or {file.path: file.sha256 for file in manifest.files} != digests:
        raise CommandFailed("what arrived is not what the daemon sent: try again")
    with (folder / MANIFEST).open("w", encoding="utf-8") as stream:
        stream.write(json_format.MessageToJson(manifest, preserving_proto_field_name=True) + "\n")
        _sync(stream)
    for each in (folder, *(below for below in folder.iterdir() if below.is_dir())):
        _sync_folder(each)
    return manifest


class _Writing:
    """A file of the backup on its way to the disk."""

    def __init__(self, folder: Path, path: str) -> None:
        target = (folder / path).resolve()
        if not target.is_relative_to(folder.resolve()):
            raise CommandFailed(f"the daemon sent a file {path!r} that is not in the backup")
        target.parent.mkdir(mode=0o700, exist_ok=True)
        self.path = path
        self.checksum = hashlib.sha256()
        self.stream = target.open("wb")

    def write(self, data: bytes) -> None:
        self.checksum.update(data)
        self.stream.write(data)


def _end(writing: _Writing | None, digests: dict[str, str]) -> None:
    if writing is not None:
        with writing.stream:
            _sync(writing.stream)
        digests[writing.path] = writing.checksum.hexdigest()


def _sync(stream: IO[bytes] | IO[str]) -> None:
    stream.flush()
    os.fsync(stream.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _service(where: Whereabouts) -> Iterator[admin_pb2_grpc.AdminServiceStub]:
    """AdminService of a daemon that has answered; its refusals as CommandFailed."""
    with live_daemon(where) as client:
        address = client.address
    with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        try:
            yield admin_pb2_grpc.AdminServiceStub(channel)
        except grpc.RpcError as error:
            code, details = error.code(), error.details()
            if code is grpc.StatusCode.UNAVAILABLE:
                raise unreachable(address, details) from None
            raise CommandFailed(details or code.name, of_rpc(code.name)) from None
