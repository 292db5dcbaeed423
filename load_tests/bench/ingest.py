"""Pings through gRPC into the live index, beside a handler that only counts them, in one run with the same client."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import grpc
import numpy as np

from gig.v1 import courier_service_pb2 as pb
from gig.v1 import courier_service_pb2_grpc as rpc
from gig.v1 import types_pb2 as types_pb
from load_tests.bench.bare import COUNT
from load_tests.bench.running import UNLIMITED, running_bare, running_suite
from load_tests.live.wallet import Wallet
from services.auth.issuing import Issuer, new_key

SIZES = (1, 10, 100)
STREAMS = 8


async def bench_ingest(seconds: float, progress: Callable[[str], None]) -> dict[str, Any]:
    """Pings a second for each batch size, until all are acknowledged."""
    batches = []
    async with running_suite(*UNLIMITED) as suite, running_bare() as bare:
        options = [("grpc.use_local_subchannel_pool", 1)]
        async with (
            grpc.aio.insecure_channel(suite.target, options) as channel,
            grpc.aio.insecure_channel(bare, options) as bare_channel,
        ):
            count = bare_channel.stream_stream(
                COUNT, pb.ConnectRequest.SerializeToString, pb.ConnectResponse.FromString
            )
            connect, nobody = rpc.CourierServiceStub(channel).Connect, Wallet(Issuer(new_key()))
            for size in SIZES:
                bare_rates, rates = [], []
                for turn in range(2):
                    progress(f"batches of {size}: counting, turn {turn + 1}")
                    bare_rates.append(await _load(count, nobody, _count_stream, size, seconds / 2))
                    progress(f"batches of {size}: indexing, turn {turn + 1}")
                    rates.append(await _load(connect, suite.wallet, _index_stream, size, seconds / 2))
                rate, bare_rate = float(np.mean(rates)), float(np.mean(bare_rates))
                batches.append(
                    {
                        "size": size,
                        "pings_per_s": round(rate),
                        "bare_pings_per_s": round(bare_rate),
                        "share_of_bare": round(rate / bare_rate, 3),
                    }
                )
    return {"batches": batches, "streams": STREAMS}


async def _load(connect: Any, wallet: Wallet, stream: Any, size: int, seconds: float) -> float:
    """Pings a second over all streams."""
    began = time.perf_counter()
    counts = await asyncio.gather(
        *(
            stream(connect(metadata=wallet.courier(courier_id)), courier_id, size, began + seconds)
            for courier_id in (f"courier-{index}" for index in range(STREAMS))
        )
    )
    return float(sum(counts) / (time.perf_counter() - began))


async def _count_stream(call: Any, _courier_id: str, size: int, until: float) -> int:
    """Returns what the bare handler says it has counted."""
    await _send(call, size, until, 0)
    await call.done_writing()
    answer = await call.read()
    return int(answer.number)


async def _index_stream(call: Any, courier_id: str, size: int, until: float) -> int:
    """Returns what was acknowledged: pings that are in the live index."""
    await call.write(pb.ConnectRequest(hello=pb.Hello(courier_id=courier_id)))
    welcome = (await call.read()).welcome
    number = 0
    if welcome.courier.state in (pb.COURIER_STATE_UNSPECIFIED, pb.COURIER_STATE_OFFLINE):
        number = 1
        online = pb.GoOnline(
            profile=pb.CourierProfile(vehicle_type=types_pb.VEHICLE_TYPE_CAR),
            position=types_pb.Position(latitude=40.75, longitude=-73.98),
        )
        await call.write(pb.ConnectRequest(number=1, go_online=online))
    reading = asyncio.create_task(_read_acks(call))
    last = await _send(call, size, until, number)
    await call.done_writing()
    acknowledged, refusals = await reading
    if acknowledged < last or refusals:
        raise RuntimeError(f"{last - acknowledged} batches were not acknowledged, {refusals} were refused")
    return (last - number) * size


async def _read_acks(call: Any) -> tuple[int, int]:
    acknowledged = refusals = 0
    while (response := await call.read()) is not grpc.aio.EOF:
        acknowledged = max(acknowledged, response.ack.number)
        refusals += response.HasField("refusal")
    return acknowledged, refusals


async def _send(call: Any, size: int, until: float, number: int) -> int:
    """Batches of ``size`` until the time is over; the last number used."""
    track = 40.75 + 0.0001 * np.arange(size)
    batch = pb.LocationBatch(latitudes=track, longitudes=track - 114.73, offsets_ms=range(size))
    request = pb.ConnectRequest(locations=batch)
    while time.perf_counter() < until:
        number += 1
        request.number = number
        await call.write(request)
    return number
