"""What can end a division.

DivisionError
    InputError          the input is missing, unreadable, or not what its type says
    MLTableError        the MLTable file says something wrong or something that is not supported
    InputChangedError   a retried division finds another input than the one that was recorded
    StorageError        the manifest could not be written
"""

from __future__ import annotations


class DivisionError(Exception):
    """The division ended without a complete manifest; `permanent` says that a repetition cannot help."""

    kind = "division"

    def __init__(self, message: str, *, permanent: bool = True) -> None:
        super().__init__(message)
        self.permanent = permanent


class InputError(DivisionError):
    """The input is missing, unreadable, or not what its type says."""

    kind = "input"


class MLTableError(DivisionError):
    """The MLTable file is wrong, or uses what this version does not support."""

    kind = "mltable"


class InputChangedError(DivisionError):
    """The listing disagrees with the parts that an earlier divide attempt recorded."""

    kind = "changed"


class StorageError(DivisionError):
    """The manifest could not be written."""

    kind = "storage"


def of_os_error(error: OSError, path: str, what: str) -> InputError:
    """The problem with `what` ("folder", "file") at `path`; lasting only where it cannot change by itself."""
    if isinstance(error, FileNotFoundError):
        return InputError(f"the {what} {path} does not exist")
    if isinstance(error, PermissionError):
        return InputError(f"the {what} {path} is not readable: permission denied")
    if isinstance(error, NotADirectoryError):
        return InputError(f"{path} is not a folder")
    return InputError(f"the {what} {path} could not be read: {error.strerror or error}", permanent=False)
