"""Streams that need no token are bounded: strangers cannot hold as many as they like, and places come back."""

from __future__ import annotations

from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from services.rpc.open_streams import BoundedHealth, OpenToAll
from services.rpc.reflection import SERVICE_NAMES, BoundedReflection
from services.rpc.server import OPTIONS


async def test_health_and_reflection_share_a_bound_and_calls_that_end_make_room() -> None:
    places, server = OpenToAll(3), grpc.aio.server()
    health_pb2_grpc.add_HealthServicer_to_server(BoundedHealth(places), server)
    BoundedReflection(["gig.v1.JobService"], places).add_to(server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        health, reflected = health_pb2_grpc.HealthStub(channel), reflection_pb2_grpc.ServerReflectionStub(channel)
        ask = reflection_pb2.ServerReflectionRequest(list_services="*")
        watches = [health.Watch(health_pb2.HealthCheckRequest()) for _ in range(2)]
        for watch in watches:
            await watch.read()
        asked = reflected.ServerReflectionInfo()
        await asked.write(ask)
        listed = (await asked.read()).list_services_response.service
        assert {service.name for service in listed} == {"gig.v1.JobService", *SERVICE_NAMES}
        for late in (health.Watch(health_pb2.HealthCheckRequest()), reflected.ServerReflectionInfo(iter([ask]))):
            assert await late.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        # A call is answered at any time.
        assert (await health.Check(health_pb2.HealthCheckRequest())).status == health_pb2.HealthCheckResponse.SERVING
        await asked.done_writing()
        assert await asked.read() is grpc.aio.EOF
        again = reflected.ServerReflectionInfo()
        await again.write(ask)
        assert (await again.read()).list_services_response.service
        again.cancel()
        for watch in watches:
            watch.cancel()
    await server.stop(None)


def test_the_page_about_the_stream_states_the_limits_of_keep_alive() -> None:
    page = (Path(__file__).parents[2] / "docs" / "courier-stream.md").read_text("utf-8")
    (section,) = [part for part in page.split("\n## ") if part.startswith("Keep-alive\n")]
    limits = dict(OPTIONS)
    assert f"**{limits['grpc.http2.min_ping_interval_without_data_ms'] // 1000} s**" in section
    assert f"after {limits['grpc.keepalive_time_ms'] // 1000} s" in section
    assert f"within {limits['grpc.keepalive_timeout_ms'] // 1000} s" in section
