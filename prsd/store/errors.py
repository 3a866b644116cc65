"""What a store raises.

StoreError
├── StoreInUse       another live daemon has the data folder
├── StoreTooNew      a newer version wrote the data folder
├── StoreDamaged     what is on the disk is not what was written
├── StoreFailed      a write failed: the daemon must stop
├── DiskFull         there is no room for a write; nothing of it was recorded
├── LogBehind        an agent knows of facts that the log does not have
├── RestoreUnfinished  the folder is half restored
├── JobExists        a job of that name, or of that request, is recorded already
└── NotRecorded (also a LookupError)
    ├── UnknownJob
    ├── AmbiguousJob     a prefix that several jobs' names begin with
    └── UnknownStep
"""

# ruff: noqa: N818 - the names say what is the case, as the core's facts do

from __future__ import annotations

from collections.abc import Sequence


class StoreError(Exception):
    """The common base; the message is a sentence for people."""


class StoreInUse(StoreError):
    """The data folder belongs to a running daemon."""

    def __init__(self, folder: str, pid: str) -> None:
        self.pid = pid
        owner = f"the daemon with process id {pid}" if pid else "another daemon"
        super().__init__(f"{folder} is in use by {owner}: stop it first, or choose another data folder")


class StoreTooNew(StoreError):
    """The schema of the database is of a later version than this program knows."""

    def __init__(self, file: str, found: int, known: int) -> None:
        super().__init__(
            f"{file} was written by a newer prsd (schema {found}, this one knows {known}): "
            "start that version again, or choose another data folder"
        )


class StoreDamaged(StoreError):
    """The log or a document is not what was written; `number` is the fact concerned, 0 when it is not known."""

    def __init__(self, file: str, number: int, what: str) -> None:
        self.number = number
        where = f"fact {number}: " if number else ""
        remedy = "restore the data folder from a copy, or start with an empty one"
        super().__init__(f"{file} is damaged: {where}{what}; {remedy}")


class StoreFailed(StoreError):
    """Nothing can be recorded any more. The daemon must not go on from a state that was not written."""


class DiskFull(StoreError):
    """There is no room for a write. Nothing of it was recorded, and it may be tried again."""


class LogBehind(StoreError):
    """An agent was told of facts that are not in the log: they were lost, and nothing may be granted on what is left."""


class RestoreUnfinished(StoreError):
    """Restoring this folder was interrupted: what lies there is neither the former state nor the restored one."""

    def __init__(self, folder: str) -> None:
        super().__init__(f"restoring {folder} was interrupted: run `prsctl admin restore` again")


class JobExists(StoreError):
    """Nothing of the append was recorded."""

    def __init__(self, job: str, request_id: str = "") -> None:
        self.job = job
        self.request_id = request_id
        what = f"request {request_id!r} is recorded as job {job!r}" if request_id else f"job {job!r} is recorded"
        super().__init__(what + " already")


class NotRecorded(StoreError, LookupError):
    """A query named what is not there."""


class UnknownJob(NotRecorded):
    """There is no such job."""

    def __init__(self, reference: str) -> None:
        super().__init__("there is no job yet" if reference == "@latest" else f"there is no job named {reference!r}")


class AmbiguousJob(NotRecorded):
    """The reference is a prefix of several names; `names` holds the newest few of them."""

    def __init__(self, reference: str, names: Sequence[str]) -> None:
        self.names = tuple(names)
        super().__init__(f"several jobs' names begin with {reference!r}: {', '.join(names)}, …; give more of the name")


class UnknownStep(NotRecorded):
    """There is no such step in the log, or it has no definition."""

    def __init__(self, job: str, step: str) -> None:
        super().__init__(f"no step {step!r} of job {job!r} is recorded")
