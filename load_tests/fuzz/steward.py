"""An operator who keeps the market in order while it is fuzzed: policies that serve, zones that leave the city open."""

from __future__ import annotations

import asyncio
import json

import grpc
import numpy as np

from gig.v1 import oversight_service_pb2 as pb
from gig.v1 import oversight_service_pb2_grpc as rpc
from gig.v1 import policy_pb2 as policy_pb
from load_tests.contract.fields import set_time
from load_tests.contract.rules import SECOND_NS
from load_tests.fuzz.sound import square
from load_tests.live.clients import is_away
from load_tests.live.wallet import Wallet
from load_tests.ordinary.city import CENTRE, REACH

OPERATOR = "steward"
EVERY_S, RETRY_S = 2.0, 0.2
# Of a call, which may wait for the server to start; and of all its repetitions.
CALL_LIMIT_S, LIMIT_S = 30.0, 120.0


class Steward:
    def __init__(
        self, channel: grpc.aio.Channel, wallet: Wallet, base: policy_pb.Policy, rng: np.random.Generator
    ) -> None:
        self._stub, self._metadata = rpc.OversightServiceStub(channel), wallet.operator(OPERATOR)
        self._base, self._rng = base, rng

    async def run(self) -> None:
        """Put the market in order every few seconds, until cancelled."""
        while True:
            await self.settle()
            await asyncio.sleep(EVERY_S)

    async def settle(self) -> None:
        """Announce a policy under which jobs are served, a little different each time, and sound zones.

        Raises AioRpcError where the server refuses them.
        """
        request_id = f"steward-{int(self._rng.integers(1 << 60))}"
        policy = pb.SetPolicyRequest(request_id=request_id, operator_id=OPERATOR, policy=self._policy())
        zones = pb.SetZonesRequest(request_id=f"{request_id}-zones", operator_id=OPERATOR, geojson=self._zones())
        await self._patiently(self._stub.SetPolicy, policy)
        await self._patiently(self._stub.SetZones, zones)

    async def _patiently(self, method: grpc.aio.UnaryUnaryMultiCallable, request: object) -> None:
        until = asyncio.get_running_loop().time() + LIMIT_S
        while True:
            try:
                await method(request, metadata=self._metadata, timeout=CALL_LIMIT_S, wait_for_ready=True)
            except grpc.aio.AioRpcError as fault:
                if not is_away(fault) or asyncio.get_running_loop().time() > until:
                    raise
                await asyncio.sleep(RETRY_S)
            else:
                return

    def _policy(self) -> policy_pb.Policy:
        found = policy_pb.Policy()
        found.CopyFrom(self._base)
        found.surge.sensitivity = float(self._rng.uniform(0.1, 1.0))
        found.surge.cap_percent = int(self._rng.integers(150, 400))
        found.matching.candidates_per_job = int(self._rng.integers(5, 40))
        set_time(found.matching.batch_window, int(self._rng.integers(1, 4)) * SECOND_NS)
        return found

    def _zones(self) -> str:
        """A queue zone in a corner of the city, a surge zone in another."""
        latitude, longitude = CENTRE
        features = [
            square(longitude - REACH, latitude - REACH, 0.002, "rank", "queue"),
            square(longitude + REACH - 0.002, latitude, 0.002, "stadium", "surge_override"),
        ]
        return json.dumps({"type": "FeatureCollection", "features": features})
