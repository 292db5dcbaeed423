"""The gRPC server: all services of the contract, health and reflection."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from dispatcher.errors import DispatchError
from services.auth.gate import Gate
from services.ports import PortTaken
from services.rpc import errors, reflection
from services.rpc.methods import Door, Entrance
from services.rpc.open_streams import BoundedHealth, OpenToAll
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
# Paths of the services that are not the contract's, by the name that the setting without_token gives them.
PATHS = {
    "health": (f"/{health.SERVICE_NAME}/",),
    "reflection": tuple(f"/{name}/" for name in reflection.SERVICE_NAMES),
}


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
        prefixes = tuple(path for name, paths in PATHS.items() if name in guarded for path in paths)
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
        reflection.BoundedReflection([*names, health.SERVICE_NAME], places).add_to(self._server)
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
