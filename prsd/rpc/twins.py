"""Two submissions of the same request, or of the same name, that meet before either is durable."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import grpc

from prsd.store.errors import JobExists
from prsd.v1 import jobs_pb2

_SUBMIT = "/prsd.v1.JobService/SubmitJob"

Context = grpc.aio.ServicerContext[Any, Any]
Submit = Callable[[jobs_pb2.SubmitJobRequest, Context], Awaitable[Any]]


class AnswerTwins(grpc.aio.ServerInterceptor):
    """The second of them is answered as it would have been a moment later: with the job, or ALREADY_EXISTS."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        behaviour = await continuation(handler_call_details)
        if behaviour is None or handler_call_details.method != _SUBMIT:
            return behaviour
        return grpc.unary_unary_rpc_method_handler(
            _answering(behaviour.unary_unary), behaviour.request_deserializer, behaviour.response_serializer
        )


def _answering(submit: Submit) -> Submit:
    async def answered(request: jobs_pb2.SubmitJobRequest, context: Context) -> Any:
        try:
            return await submit(request, context)
        except JobExists as twin:
            if twin.request_id:  # its job is durable now, and is found by the request
                return await submit(request, context)
            await context.abort(grpc.StatusCode.ALREADY_EXISTS, f"there is a job {twin.job!r} already: choose another name")

    return answered
