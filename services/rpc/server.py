"""The gRPC server: all services of the contract, health and reflection."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc

from dispatcher.errors import DispatchError, Exhausted
from services.auth.bulkheads import RETRY_S
from services.auth.gate import Gate
from services.rpc import errors
from services.rpc.methods import Door, Entrance
from services.rpc.services import Service

OPTIONS = (
    # Streams of couriers who vanished are noticed within half a minute.
    ("grpc.keepalive_time_ms", 15_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.ping_timeout_ms", 10_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.so_reuseport", 0),
    # Compressed requests are refused unread, with UNIMPLEMENTED: gRPC unpacks a message before it checks its size, so
    # that half a megabyte would take half a gigabyte of memory. The bits stand for algorithms; 1 is "identity".
    ("grpc.compression_enabled_algorithms_bitset", 1),
    # What one stream sends unread stays within the first window, so that a flood of refused calls fills no buffers.
    ("grpc.http2.bdp_probe", 0),
    # A connection that does not finish its handshakes, or has no call for a while, makes room for others.
    ("grpc.server_handshake_timeout_ms", 10_000),
    ("grpc.http2.settings_timeout", 10_000),
    ("grpc.max_connection_idle_ms", 300_000),
)
# Metadata of a call: a token, and what libraries add.
LARGEST_METADATA = 16 * 1024
CALLS_OF_A_CONNECTION = 1_000
# Open streams of health and reflection, which need no token.
MOST_OPEN = 500

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
HEALTH, REFLECTION = f"/{health.SERVICE_NAME}/", f"/{reflection.SERVICE_NAME}/"


class PortTaken(RuntimeError):
    """The address to listen on is not free."""


class RpcServer:
    """``guarded``: of health and reflection those that ask for a token like every method of the contract."""

    def __init__(
        self,
        services: Iterable[Service],
        address: str,
        entrance: Entrance,
        largest_message: int,
        credentials: grpc.ServerCredentials | None,
        guarded: frozenset[str],
        connections: int,
    ) -> None:
        options = (
            *OPTIONS,
            ("grpc.max_receive_message_length", largest_message),
            ("grpc.max_metadata_size", LARGEST_METADATA),
            ("grpc.max_allowed_incoming_connections", connections),
            # Of one connection: a gateway may bring all streams that there may be, and calls beside them, also those
            # that are only told to come back.
            ("grpc.max_concurrent_streams", entrance.gate.limits.quotas.streams + CALLS_OF_A_CONNECTION),
        )
        prefixes = tuple(prefix for name, prefix in (("health", HEALTH), ("reflection", REFLECTION)) if name in guarded)
        interceptors = [TokenForAll(entrance.gate, prefixes)] if prefixes else []
        self._server = grpc.aio.server(options=options, interceptors=interceptors)
        names = []
        for service in services:
            self._server.add_generic_rpc_handlers((Door(service, entrance),))
            names.append(service.descriptor.full_name)
        places = OpenToAll(MOST_OPEN)
        self._health = BoundedHealth(places)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        self._names = ["", *names]
        reflected = BoundedReflection([*names, health.SERVICE_NAME, reflection.SERVICE_NAME], places)
        reflection_pb2_grpc.add_ServerReflectionServicer_to_server(reflected, self._server)
        try:
            if credentials is None:
                self.port: int = self._server.add_insecure_port(address)
            else:
                self.port = self._server.add_secure_port(address, credentials)
        except RuntimeError as fault:
            raise PortTaken(f"cannot listen on {address} for gRPC: choose another with --grpc-address") from fault

    async def start(self) -> None:
        await self._server.start()
        await self._set_health(SERVING)

    async def drain(self) -> None:
        """Tell load balancers before calls are refused."""
        await self._set_health(NOT_SERVING)

    async def stop(self, grace_s: float) -> None:
        await self._server.stop(grace_s)

    async def _set_health(self, status: int) -> None:
        for name in self._names:
            await self._health.set(name, status)


class OpenToAll:
    """Limits how many streams that need no token are open at a time."""

    def __init__(self, places: int) -> None:
        self._places, self._taken = places, 0

    @asynccontextmanager
    async def taken(self, context: grpc.aio.ServicerContext) -> AsyncIterator[None]:
        if self._taken >= self._places:
            text = f"all {self._places} streams for health and reflection are taken: come back later"
            await errors.abort(context, errors.status_of(Exhausted("TOO_MANY_STREAMS", text, RETRY_S)))
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1


class BoundedHealth(health.aio.HealthServicer):
    def __init__(self, places: OpenToAll) -> None:
        super().__init__()
        self._places = places

    async def Watch(self, request: health_pb2.HealthCheckRequest, context: grpc.aio.ServicerContext) -> None:
        async with self._places.taken(context):
            await super().Watch(request, context)


class BoundedReflection(reflection.aio.ReflectionServicer):
    def __init__(self, names: Iterable[str], places: OpenToAll) -> None:
        super().__init__(names)
        self._places = places

    async def ServerReflectionInfo(
        self, request_iterator: AsyncIterator[Any], context: grpc.aio.ServicerContext
    ) -> AsyncIterator[Any]:
        async with self._places.taken(context):
            async for answer in super().ServerReflectionInfo(request_iterator, context):
                yield answer


class TokenForAll(grpc.aio.ServerInterceptor):
    """Before services that are not the contract's: a valid token of any role."""

    def __init__(self, gate: Gate, prefixes: tuple[str, ...]) -> None:
        self._gate, self._prefixes = gate, prefixes

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler:
        handler = await continuation(handler_call_details)
        if handler is None or not handler_call_details.method.startswith(self._prefixes):
            return handler
        try:
            self._gate.caller(handler_call_details.invocation_metadata)
        except DispatchError as fault:
            return _refusing(handler, errors.status_of(fault))
        return handler


def _refusing(handler: grpc.RpcMethodHandler, status: Any) -> grpc.RpcMethodHandler:
    async def refuse(_request: Any, context: grpc.aio.ServicerContext) -> None:
        await errors.abort(context, status)

    kinds = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }
    return kinds[handler.request_streaming, handler.response_streaming](refuse)
