"""The table of exit codes is a promise: each number has one meaning, for every verb."""

import pytest

from prsctl.exit_codes import ExitCode, of_rpc, of_state


@pytest.mark.parametrize(
    ("meaning", "number"),
    [
        (ExitCode.OK, 0),
        (ExitCode.UNEXPECTED, 1),
        (ExitCode.USAGE, 2),
        (ExitCode.JOB_FAILED, 3),
        (ExitCode.NOT_ALLOWED, 4),
        (ExitCode.NOT_FOUND, 5),
        (ExitCode.CONFLICT, 6),
        (ExitCode.UNREACHABLE, 7),
        (ExitCode.TIMED_OUT, 8),
        (ExitCode.INVALID, 9),
        (ExitCode.CANCELED, 11),
        (ExitCode.DISCREPANCY, 12),
        (ExitCode.INTERRUPTED, 130),
    ],
)
def test_numbers_do_not_change(meaning: ExitCode, number: int) -> None:
    assert meaning == number


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ("Completed", ExitCode.OK),
        ("Failed", ExitCode.JOB_FAILED),
        ("Canceled", ExitCode.CANCELED),
        ("Running", ExitCode.UNEXPECTED),
        ("Skipped", ExitCode.UNEXPECTED),
    ],
)
def test_only_a_completed_job_is_zero(state: str, code: ExitCode) -> None:
    assert of_state(state) is code


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("INVALID_ARGUMENT", ExitCode.INVALID),
        ("OUT_OF_RANGE", ExitCode.INVALID),
        ("NOT_FOUND", ExitCode.NOT_FOUND),
        ("PERMISSION_DENIED", ExitCode.NOT_ALLOWED),
        ("UNAUTHENTICATED", ExitCode.NOT_ALLOWED),
        ("ALREADY_EXISTS", ExitCode.CONFLICT),
        ("FAILED_PRECONDITION", ExitCode.CONFLICT),
        ("ABORTED", ExitCode.CONFLICT),
        ("UNAVAILABLE", ExitCode.UNREACHABLE),
        ("DEADLINE_EXCEEDED", ExitCode.TIMED_OUT),
        ("INTERNAL", ExitCode.UNEXPECTED),
        ("DATA_LOSS", ExitCode.UNEXPECTED),
    ],
)
def test_refusals_of_the_daemon(status: str, code: ExitCode) -> None:
    assert of_rpc(status) is code
