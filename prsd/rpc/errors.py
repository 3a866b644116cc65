"""The one table from what can go wrong at the edge to canonical status codes, with details that a client can read.

Problems of a pipeline travel as google.rpc.BadRequest: one field violation per problem, its `field` the path of the key.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2

from prsd.spec.problems import Problem

_STATUS_DETAILS = "grpc-status-details-bin"


async def refuse_pipeline(
    context: grpc.aio.ServicerContext[Any, Any], problems: Sequence[Problem], *, with_lines: bool = False
) -> NoReturn:
    """INVALID_ARGUMENT with every problem at once; `with_lines` where the client sent text that a person wrote."""
    violations = [
        error_details_pb2.BadRequest.FieldViolation(field=problem.path, description=_described(problem, with_lines))
        for problem in problems
    ]
    detail = any_pb2.Any()
    detail.Pack(error_details_pb2.BadRequest(field_violations=violations))
    message = f"the pipeline has {len(problems)} problem{'s' if len(problems) != 1 else ''}: {problems[0].message}"
    code: int = grpc.StatusCode.INVALID_ARGUMENT.value[0]
    status = status_pb2.Status(code=code, message=message, details=[detail])
    context.set_trailing_metadata(((_STATUS_DETAILS, status.SerializeToString()),))
    await context.abort(grpc.StatusCode.INVALID_ARGUMENT, message)


def _described(problem: Problem, with_lines: bool) -> str:
    return f"line {problem.line}: {problem.message}" if with_lines and problem.line else problem.message
