"""The gRPC server: all services of the contract, health and reflection."""

from __future__ import annotations

from collections.abc import Iterable

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from prometheus_client import CollectorRegistry

from services.rpc.call_metrics import CallMetrics
from services.rpc.methods import handler_of
from services.rpc.services import Service

OPTIONS = (
    ("grpc.max_receive_message_length", 4 * 1024 * 1024),
    ("grpc.max_concurrent_streams", 20_000),
    # Streams of couriers who vanished are noticed within a minute.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 15_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.so_reuseport", 0),
)

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class PortTaken(RuntimeError):
    """The address to listen on is not free."""


class RpcServer:
    def __init__(self, services: Iterable[Service], address: str, registry: CollectorRegistry) -> None:
        self._server = grpc.aio.server(options=OPTIONS)
        metrics = CallMetrics(registry)
        names = []
        for service in services:
            self._server.add_generic_rpc_handlers((handler_of(service, metrics),))
            names.append(service.descriptor.full_name)
        self._health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        self._names = ["", *names]
        reflection.enable_server_reflection([*names, health.SERVICE_NAME, reflection.SERVICE_NAME], self._server)
        try:
            self.port: int = self._server.add_insecure_port(address)
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
