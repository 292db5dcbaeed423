"""Clients who place jobs and see them served, patient through restarts; every acknowledgement is kept."""

from __future__ import annotations

import asyncio
import time

import grpc
import numpy as np

from gig.v1 import job_service_pb2 as pb
from gig.v1 import job_service_pb2_grpc as rpc
from load_tests.live.clients import is_away
from load_tests.live.wallet import Wallet
from load_tests.ordinary.city import job
from load_tests.ordinary.tally import Tally

CALL_LIMIT_S, RETRY_S = 30.0, 0.2


class OrdinaryClients:
    """``limit_s``: how long a client asks again before a call counts as refused."""

    def __init__(
        self, prefix: str, channel: grpc.aio.Channel, wallet: Wallet, tally: Tally, seed: int, limit_s: float = 120.0
    ) -> None:
        self._prefix, self._stub, self._wallet, self._tally = prefix, rpc.JobServiceStub(channel), wallet, tally
        self._rng, self._limit_s, self._placed = np.random.default_rng(seed), limit_s, 0

    async def place(self) -> str:
        """Place one job and return its id; empty where the call was refused within the limit."""
        self._placed += 1
        number = self._placed
        client_id, request_id = f"{self._prefix}-{number % 20}", f"{self._prefix}-{number}"
        request = pb.PlaceJobRequest(request_id=request_id, client_id=client_id, spec=job(self._rng))
        began = time.perf_counter()
        while True:
            try:
                answer = await self._stub.PlaceJob(
                    request, metadata=self._wallet.client(client_id), timeout=CALL_LIMIT_S, wait_for_ready=True
                )
            except grpc.aio.AioRpcError as fault:
                if not is_away(fault) or time.perf_counter() > began + self._limit_s:
                    self._tally.refuse("PlaceJob", f"{fault.code().name}: {fault.details()}")
                    return ""
                await asyncio.sleep(RETRY_S)
                continue
            job_id = str(answer.job.job_id)
            placed = {"client_id": client_id, "request_id": request_id, "job_id": job_id}
            self._tally.journal.append({"kind": "placed", **placed})
            self._tally.answered("PlaceJob", (time.perf_counter() - began) * 1000)
            return job_id

    async def keep_placing(self, per_second: float) -> None:
        """Place jobs one after another at about this rate, until cancelled."""
        while True:
            await self.place()
            await asyncio.sleep(1.0 / per_second)
