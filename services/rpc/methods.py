"""Handlers for a service, made from its descriptor: one way of decoding, checking, failing and measuring."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from dispatcher.errors import DispatchError
from services.rpc import access, errors
from services.rpc.call_metrics import CallMetrics
from services.rpc.services import Service


class Malformed:
    """Stands for bytes that are no message of the type."""


MALFORMED = Malformed()


def handler_of(service: Service, metrics: CallMetrics) -> grpc.GenericRpcHandler:
    """All methods of a service. Raises AttributeError at the start where the servicer lacks one."""
    methods = {method.name: _method(method, service.servicer, metrics) for method in service.descriptor.methods}
    return grpc.method_handlers_generic_handler(service.descriptor.full_name, methods)


def implementation_of(method: MethodDescriptor, servicer: object) -> Callable[[Any], Any]:
    """What carries a method out: of the same name, in Python's spelling."""
    found: Callable[[Any], Any] = getattr(servicer, re.sub(r"(?<!^)(?=[A-Z])", "_", method.name).lower())
    return found


def _method(method: MethodDescriptor, servicer: object, metrics: CallMetrics) -> grpc.RpcMethodHandler:
    implementation = implementation_of(method, servicer)
    path = f"{method.containing_service.name}/{method.name}"
    decode = _decoder(GetMessageClass(method.input_type))
    encode = GetMessageClass(method.output_type).SerializeToString
    if method.client_streaming:
        return grpc.stream_stream_rpc_method_handler(_streams(implementation, metrics, path), decode, encode)
    if method.server_streaming:
        return grpc.unary_stream_rpc_method_handler(_unary_stream(implementation, metrics, path), decode, encode)
    return grpc.unary_unary_rpc_method_handler(_unary(implementation, metrics, path), decode, encode)


def _decoder(message_class: type[Message]) -> Callable[[bytes], Message | Malformed]:
    def decode(data: bytes) -> Message | Malformed:
        try:
            return message_class.FromString(data)
        except DecodeError:
            return MALFORMED

    return decode


async def _checked(request: Message | Malformed, context: grpc.aio.ServicerContext, path: str) -> None:
    if isinstance(request, Malformed):
        await errors.abort(context, errors.invalid([], "the request is not a message of this method's type"))
        return
    violations = errors.violations_of(request)
    if violations is not None:
        await errors.abort(context, violations)
    if path in access.RULES:
        access.check(path, request, access.caller_of(context.invocation_metadata()))


def _unary(
    implementation: Callable[[Any], Awaitable[Message]], metrics: CallMetrics, path: str
) -> Callable[[Any, grpc.aio.ServicerContext], Awaitable[Message]]:
    method_metrics = metrics.method(path)

    async def call(request: Any, context: grpc.aio.ServicerContext) -> Message:
        began = time.perf_counter()
        try:
            await _checked(request, context, path)
            return await implementation(request)
        except DispatchError as fault:
            await errors.abort(context, errors.status_of(fault))
            raise
        finally:
            method_metrics.observe(context.code(), time.perf_counter() - began)

    return call


def _unary_stream(
    implementation: Callable[[Any], AsyncIterator[Message]], metrics: CallMetrics, path: str
) -> Callable[[Any, grpc.aio.ServicerContext], AsyncIterator[Message]]:
    method_metrics = metrics.method(path)

    async def call(request: Any, context: grpc.aio.ServicerContext) -> AsyncIterator[Message]:
        began = time.perf_counter()
        try:
            await _checked(request, context, path)
            async for response in implementation(request):
                yield response
        except DispatchError as fault:
            await errors.abort(context, errors.status_of(fault))
        finally:
            method_metrics.observe(context.code(), time.perf_counter() - began)

    return call


def _streams(
    implementation: Callable[[grpc.aio.ServicerContext], Awaitable[None]], metrics: CallMetrics, path: str
) -> Callable[[Any, grpc.aio.ServicerContext], Awaitable[None]]:
    """Bidirectional streams check each message themselves: one bad message must not end a shift."""
    method_metrics = metrics.method(path)

    async def call(_requests: Any, context: grpc.aio.ServicerContext) -> None:
        began = time.perf_counter()
        try:
            await implementation(context)
        except DispatchError as fault:
            await errors.abort(context, errors.status_of(fault))
        finally:
            method_metrics.observe(context.code(), time.perf_counter() - began)

    return call
