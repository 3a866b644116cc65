"""Refuses what would fill a disk that is full already, before the service hears of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import grpc

from prsd.disk import DiskSpace
from prsd.v1 import jobs_pb2

_SUBMIT = "/prsd.v1.JobService/SubmitJob"
_UPLOAD = "/prsd.v1.FileService/UploadSnapshot"

Context = grpc.aio.ServicerContext[Any, Any]


class RefuseWhenFull(grpc.aio.ServerInterceptor):
    """SubmitJob (unless it only validates) and UploadSnapshot end with RESOURCE_EXHAUSTED while the disk is full."""

    def __init__(self, disk: DiskSpace) -> None:
        self._disk = disk

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        behaviour = await continuation(handler_call_details)
        if behaviour is None or not self._disk.is_full:
            return behaviour
        if handler_call_details.method == _SUBMIT:
            return _with_unary(behaviour, self._submitting(behaviour.unary_unary))
        if handler_call_details.method == _UPLOAD:
            return grpc.stream_unary_rpc_method_handler(
                self._refuse, behaviour.request_deserializer, behaviour.response_serializer
            )
        return behaviour

    def _submitting(self, submit: Callable[[Any, Context], Awaitable[Any]]) -> Callable[[Any, Context], Awaitable[Any]]:
        async def checked(request: jobs_pb2.SubmitJobRequest, context: Context) -> Any:
            if not request.validate_only:
                await self._refuse(request, context)
            return await submit(request, context)

        return checked

    async def _refuse(self, _request: Any, context: Context) -> Any:
        await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, f"{self._disk.reason}; then try again")


def _with_unary(behaviour: Any, unary: Callable[[Any, Context], Awaitable[Any]]) -> Any:
    return grpc.unary_unary_rpc_method_handler(unary, behaviour.request_deserializer, behaviour.response_serializer)
