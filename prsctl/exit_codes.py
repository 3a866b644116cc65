"""What each exit code of prsctl means: its own table, the same for every verb."""

from enum import IntEnum


class ExitCode(IntEnum):
    """A failed job is never 0, and every other code says why there is no result."""

    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    JOB_FAILED = 3
    NOT_ALLOWED = 4
    NOT_FOUND = 5
    CONFLICT = 6
    UNREACHABLE = 7
    TIMED_OUT = 8
    INVALID = 9
    CANCELED = 11
    DISCREPANCY = 12
    INTERRUPTED = 130


_OF_STATE = {"Completed": ExitCode.OK, "Failed": ExitCode.JOB_FAILED, "Canceled": ExitCode.CANCELED}

# By the name of the gRPC status code, so that this table needs no gRPC.
_OF_RPC = {
    "INVALID_ARGUMENT": ExitCode.INVALID,
    "OUT_OF_RANGE": ExitCode.INVALID,
    "NOT_FOUND": ExitCode.NOT_FOUND,
    "PERMISSION_DENIED": ExitCode.NOT_ALLOWED,
    "UNAUTHENTICATED": ExitCode.NOT_ALLOWED,
    "ALREADY_EXISTS": ExitCode.CONFLICT,
    "FAILED_PRECONDITION": ExitCode.CONFLICT,
    "ABORTED": ExitCode.CONFLICT,
    "UNAVAILABLE": ExitCode.UNREACHABLE,
    "DEADLINE_EXCEEDED": ExitCode.TIMED_OUT,
}


def of_state(state: str) -> ExitCode:
    """The exit code of a job that ended in this state; UNEXPECTED for a state that is no end."""
    return _OF_STATE.get(state, ExitCode.UNEXPECTED)


def of_rpc(code: str) -> ExitCode:
    """The exit code of a call that ended with this gRPC status code, for example "NOT_FOUND"."""
    return _OF_RPC.get(code, ExitCode.UNEXPECTED)
