"""A small population of one city: couriers online, clients who place jobs at a steady rate."""

from __future__ import annotations

import asyncio
import time

import grpc

from load_tests.live.suite_process import SuiteProcess
from load_tests.live.town import RECONNECT
from load_tests.ordinary.clients import OrdinaryClients
from load_tests.ordinary.couriers import OrdinaryCourier
from load_tests.ordinary.tally import Tally

LOOK_S = 0.02


class Population:
    """Open it before the test begins, close it at the end; ``tally`` grows meanwhile."""

    def __init__(self, server: SuiteProcess, couriers: int, seed: int, prefix: str = "ordinary") -> None:
        self.tally = Tally()
        options = [*RECONNECT, ("grpc.use_local_subchannel_pool", 1)]
        self._channel = grpc.aio.insecure_channel(server.target, options)
        self.clients = OrdinaryClients(f"{prefix}-client", self._channel, server.wallet, self.tally, seed)
        self.couriers = [
            OrdinaryCourier(f"{prefix}-courier-{number}", self._channel, server.wallet, self.tally, seed, every_s=2.0)
            for number in range(couriers)
        ]
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self, jobs_per_second: float = 0.0) -> None:
        """Return when every courier is online; from then on clients place jobs, where a rate is given."""
        self._tasks = [asyncio.create_task(courier.run()) for courier in self.couriers]
        await asyncio.gather(*(courier.online.wait() for courier in self.couriers))
        if jobs_per_second:
            self._tasks.append(asyncio.create_task(self.clients.keep_placing(jobs_per_second)))

    async def close(self) -> None:
        for courier in self.couriers:
            courier.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._channel.close()

    async def unserved(self, jobs: int, limit_s: float) -> list[str]:
        """Place so many jobs at once; return those that no courier completed within the limit. A job that could not
        even be placed is in the list as an empty id."""
        placed = await asyncio.gather(*(self.clients.place() for _ in range(jobs)))
        until = time.perf_counter() + limit_s
        while time.perf_counter() < until and not all(job_id in self.tally.served for job_id in placed):
            await asyncio.sleep(LOOK_S)
        return [job_id for job_id in placed if job_id not in self.tally.served]
