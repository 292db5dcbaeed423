"""What an attack needs of the market before it begins: tokens, a job that waits, a courier online."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import grpc

from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import courier_service_pb2_grpc as courier_rpc
from gig.v1 import job_service_pb2_grpc as job_rpc
from gig.v1 import transparency_service_pb2 as transparency_pb
from gig.v1 import transparency_service_pb2_grpc as transparency_rpc
from gig.v1 import types_pb2 as types_pb
from load_tests.bench.hostile.history import ERASER
from load_tests.bench.place import place_request
from load_tests.live.suite_process import SuiteProcess

Staged = tuple[dict[str, str], dict[str, str]]
STREAMS = 4
LOOK_S, ROUNDS_LIMIT_S = 0.2, 30.0


async def stage(name: str, server: SuiteProcess) -> Staged:
    """Return the attacker's tokens by person, and the ids that the attack is about."""
    staging = _STAGES.get(name)
    return await staging(server) if staging is not None else ({}, {})


async def _explain(server: SuiteProcess) -> Staged:
    """A job that nobody may do, and a courier who asks about it; rounds have considered both."""
    courier_id, wallet = "attacker-courier", server.wallet
    async with grpc.aio.insecure_channel(server.target) as channel:
        request = place_request("attacker-client", "waiting")
        request.spec.skills.append("nobody_has_this_skill")
        metadata = wallet.client("attacker-client")
        job_id = (await job_rpc.JobServiceStub(channel).PlaceJob(request, metadata=metadata)).job.job_id
        profile = courier_pb.CourierProfile(vehicle_type=types_pb.VEHICLE_TYPE_CAR)
        online = courier_pb.GoOnline(profile=profile, position=request.spec.pickup.position)
        metadata = wallet.courier(courier_id)
        await courier_rpc.CourierServiceStub(channel).GoOnline(
            courier_pb.GoOnlineRequest(request_id="online", courier_id=courier_id, online=online), metadata=metadata
        )
        explain: Any = transparency_rpc.TransparencyServiceStub(channel).ExplainNoOffer
        asked = transparency_pb.ExplainNoOfferRequest(courier_id=courier_id, job_id=job_id)
        for _ in range(round(ROUNDS_LIMIT_S / LOOK_S)):
            try:
                if (await explain(asked, metadata=metadata)).rounds_in_all:
                    break
            except grpc.aio.AioRpcError as fault:
                if fault.code() not in (grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.NOT_FOUND):
                    raise
            await asyncio.sleep(LOOK_S)
    return {courier_id: wallet.token("courier", courier_id)}, {"job_id": job_id}


async def _erasure(server: SuiteProcess) -> Staged:
    return {ERASER: server.wallet.token("client", ERASER)}, {}


async def _zones(server: SuiteProcess) -> Staged:
    return {"attacker-operator": server.wallet.token("operator", "attacker-operator")}, {}


async def _streams(server: SuiteProcess) -> Staged:
    couriers = [f"attacker-courier-{number}" for number in range(STREAMS)]
    return {courier: server.wallet.token("courier", courier) for courier in couriers}, {}


_STAGES: Mapping[str, Callable[[SuiteProcess], Awaitable[Staged]]] = {
    "explain_flood": _explain,
    "erasure_repeat": _erasure,
    "queue_zones": _zones,
    "empty_batches": _streams,
    "repeated_numbers": _streams,
}
