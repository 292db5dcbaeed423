"""Durable PlaceJob calls beside a bare echo of the same message, in one run with the same client."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import numpy as np

from gig.v1 import job_pb2, types_pb2
from gig.v1 import job_service_pb2 as pb
from gig.v1 import job_service_pb2_grpc as rpc
from load_tests.bench.bare import ECHO
from load_tests.bench.running import UNLIMITED, running_bare, running_suite
from load_tests.live.wallet import Wallet
from services.auth.issuing import Issuer, new_key

WARM_UP_S = 1.0


async def bench_place(seconds: float, in_flight: int, progress: Callable[[str], None]) -> dict[str, Any]:
    """Rates a second and latencies in milliseconds; echo and service take turns, so that both see the same machine."""
    async with running_suite(*UNLIMITED) as suite, running_bare() as bare:
        options = [("grpc.use_local_subchannel_pool", 1)]
        async with (
            grpc.aio.insecure_channel(suite.target, options) as channel,
            grpc.aio.insecure_channel(bare, options) as bare_channel,
        ):
            echo = bare_channel.unary_unary(ECHO, pb.PlaceJobRequest.SerializeToString, pb.PlaceJobRequest.FromString)
            place, nobody = rpc.JobServiceStub(channel).PlaceJob, Wallet(Issuer(new_key()))
            echoes, places = [], []
            for turn in range(2):
                progress(f"echo, turn {turn + 1}")
                echoes.append(await _load(echo, nobody, seconds / 2, in_flight, f"e{turn}"))
                progress(f"PlaceJob, turn {turn + 1}")
                places.append(await _load(place, suite.wallet, seconds / 2, in_flight, f"p{turn}"))
    latencies = np.concatenate([latency for _, latency in places]) * 1000
    calls_per_s = sum(rate for rate, _ in places) / len(places)
    echo_per_s = sum(rate for rate, _ in echoes) / len(echoes)
    return {
        "calls_per_s": round(calls_per_s, 1),
        "p50_ms": round(float(np.percentile(latencies, 50)), 2),
        "p99_ms": round(float(np.percentile(latencies, 99)), 2),
        "echo_calls_per_s": round(echo_per_s, 1),
        "share_of_echo": round(calls_per_s / echo_per_s, 3),
        "in_flight": in_flight,
        "calls": int(latencies.size),
    }


async def _load(
    method: Callable[..., Awaitable[Any]], wallet: Wallet, seconds: float, in_flight: int, name: str
) -> tuple[float, np.ndarray]:
    """(calls a second, latencies in seconds) of a closed loop with ``in_flight`` callers, after a warm-up."""
    latencies: list[float] = []
    began = time.perf_counter() + WARM_UP_S
    until = began + seconds

    async def caller(index: int) -> None:
        request, metadata = place_request(f"client-{index}"), wallet.client(f"client-{index}")
        number = 0
        while (sent := time.perf_counter()) < until:
            number += 1
            request.request_id = f"{name}-{number}"
            await method(request, metadata=metadata)
            done = time.perf_counter()
            if sent >= began and done <= until:
                latencies.append(done - sent)

    await asyncio.gather(*(caller(index) for index in range(in_flight)))
    return len(latencies) / seconds, np.array(latencies)


def place_request(client_id: str, request_id: str = "") -> pb.PlaceJobRequest:
    def place(latitude: float, longitude: float) -> types_pb2.Place:
        return types_pb2.Place(position=types_pb2.Position(latitude=latitude, longitude=longitude))

    spec = job_pb2.JobSpec(
        kind=types_pb2.JOB_KIND_RIDE, pickup=place(40.7484, -73.9857), dropoff=place(40.7794, -73.9632)
    )
    return pb.PlaceJobRequest(request_id=request_id, client_id=client_id, spec=spec)
