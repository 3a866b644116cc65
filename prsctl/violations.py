"""The problems that the daemon's INVALID_ARGUMENT carries."""

from typing import Any

from google.rpc.error_details_pb2 import BadRequest
from google.rpc.status_pb2 import Status

from prsctl.failures import Problem

DETAILS_KEY = "grpc-status-details-bin"


def problems_of(error: Any) -> tuple[Problem, ...]:
    """One problem per BadRequest.FieldViolation of a failed call; its whole message when it has none.

    `error` is a grpc.RpcError that is also a grpc.Call, as those of a stub are.
    """
    status = Status()
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS_KEY:
            status.ParseFromString(value)
    found = [_problem(violation) for detail in status.details for violation in _violations(detail)]
    return tuple(found) or (Problem("", error.details() or "the daemon refused the pipeline"),)


def _violations(detail: Any) -> list[BadRequest.FieldViolation]:
    request = BadRequest()
    return list(request.field_violations) if detail.Unpack(request) else []


def _problem(violation: BadRequest.FieldViolation) -> Problem:
    return Problem(violation.field, violation.description)
