"""What can end a commit.

CommitError
    PlanError          the plan contradicts itself
    SegmentError       recorded rows cannot be read
    RowsError          rows of two mini-batches do not fit into one file
    PublishError       the output file cannot be written
FatalStorageError      the disk refused to make bytes durable: the process must end
"""

from __future__ import annotations

import errno
import os

# Only these cannot go away between two attempts: the target is a folder, or may not be written.
_LASTING = (errno.EISDIR, errno.EACCES, errno.EROFS)


class CommitError(Exception):
    """The commit attempt failed; `permanent` says that a repetition cannot help."""

    kind = "commit"

    def __init__(self, message: str, *, permanent: bool = False) -> None:
        super().__init__(message)
        self.permanent = permanent


class PlanError(CommitError):
    """The plan is out of order, overlaps, or says something else than the segments."""

    kind = "plan"


class SegmentError(CommitError):
    """A segment is missing, too short, damaged, or cannot be appended to; the message names the file and the offset."""

    kind = "segment"


class RowsError(CommitError):
    """Rows of two mini-batches do not fit into one file; the message names both."""

    kind = "output"

    def __init__(self, message: str) -> None:
        super().__init__(message, permanent=True)


class PublishError(CommitError):
    """The output file could not be written, or not be put in its place."""

    kind = "output"

    @classmethod
    def of(cls, error: OSError, target: str) -> PublishError:
        """The problem that the system reports about `target`."""
        reason = os.strerror(error.errno) if error.errno else str(error)
        return cls(f"cannot write the output {target}: {reason}", permanent=error.errno in _LASTING)


class FatalStorageError(Exception):
    """Bytes could not be made durable. What the page cache shows now may not be on the disk, and asking again would get a
    false yes: the process has to end without using the file any more."""
