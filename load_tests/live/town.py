"""A small city whose people hold out while their suite goes away, and who keep what they were promised."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import grpc
import numpy as np

from dispatcher.log.journal import Line
from gig.v1 import courier_service_pb2_grpc as courier_rpc
from gig.v1 import job_service_pb2_grpc as job_rpc
from gig.v1 import oversight_service_pb2 as oversight_pb
from gig.v1 import oversight_service_pb2_grpc as oversight_rpc
from gig.v1 import types_pb2 as types_pb
from load_tests.cities.city import City, Spot
from load_tests.live.clients import Clients, Journal, answered, states_of
from load_tests.live.clock import RemoteClock
from load_tests.live.courier import CourierApp, CourierTally
from load_tests.live.demonstration import ping
from load_tests.live.view import LIVE_STATES, counts
from load_tests.live.wallet import Wallet

LOOK_LIMIT_S = 20.0
LOOK_EVERY_S = 0.1
SETTLE_LIMIT_S = 30.0
RECONNECT = [("grpc.max_reconnect_backoff_ms", 200), ("grpc.initial_reconnect_backoff_ms", 50)]


@dataclass(frozen=True, slots=True)
class Account:
    """What clients and couriers were promised, and what the service says in the end about each job."""

    journal: Journal
    couriers: CourierTally
    states: dict[str, int]

    def lines(self) -> Iterator[Line]:
        yield from self.journal.lines()
        yield from self.couriers.journal


class Town:
    def __init__(
        self, target: str, wallet: Wallet, city: City, rng: np.random.Generator, couriers: int, jobs_per_minute: float
    ) -> None:
        self._wallet, self._city, self._rng = wallet, city, rng
        self._couriers, self._jobs_per_minute = couriers, jobs_per_minute
        self._channel = grpc.aio.insecure_channel(target, RECONNECT)
        self._jobs = job_rpc.JobServiceStub(self._channel)
        self._oversight = oversight_rpc.OversightServiceStub(self._channel)
        self._tally = CourierTally()
        self._people: list[asyncio.Task[None]] = []
        self._clock: RemoteClock
        self._clients: Clients
        self._placing: asyncio.Task[None]

    async def open(self) -> None:
        """People come, place jobs and drive, until ``settle``."""
        self._clock = RemoteClock(await self.look())
        spots: dict[str, tuple[Spot, Spot]] = {}
        self._clients = Clients(self._jobs, self._wallet, self._clock, self._rng, spots)
        apps = [
            CourierApp(
                f"courier-{index}",
                home,
                types_pb.VEHICLE_TYPE_CAR,
                self._city,
                self._clock,
                self._rng,
                self._tally,
                spots,
            )
            for index, home in enumerate(self._city.homes(self._rng, self._couriers))
        ]
        stub = courier_rpc.CourierServiceStub(self._channel)
        self._people = [asyncio.create_task(app.run(stub, self._wallet)) for app in apps]
        self._people.append(asyncio.create_task(ping(apps, self._clock)))
        self._placing = asyncio.create_task(
            self._clients.place_all(self._city.demands(self._rng, self._jobs_per_minute))
        )

    async def until_busy(self, live_jobs: int) -> int:
        """Returns the number of live jobs, when they are so many and some are on board."""
        while True:
            for task in (*self._people, self._placing):
                if task.done():
                    task.result()
            jobs = counts((await self.look()).jobs)
            live = sum(jobs.get(state, 0) for state in LIVE_STATES)
            if live >= live_jobs and jobs.get("picked_up", 0):
                return live
            await asyncio.sleep(LOOK_EVERY_S)

    async def until_more(self, jobs: int) -> None:
        """When so many more jobs are acknowledged than now."""
        wanted = len(self._clients.journal.placed) + jobs
        while len(self._clients.journal.placed) < wanted:
            await asyncio.sleep(LOOK_EVERY_S)

    async def resynchronise(self) -> None:
        """After a restart of the suite."""
        self._clock.resynchronise(await self.look())

    async def settle(self) -> Account:
        """No more jobs; calls under way are answered; the service is asked for every job."""
        self._placing.cancel()
        await self._clients.settle(SETTLE_LIMIT_S)
        states = await states_of(self._jobs, self._wallet, self._clients.journal)
        return Account(self._clients.journal, self._tally, states)

    async def close(self) -> None:
        tasks = [*self._people, self._placing]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._channel.close()

    async def look(self) -> oversight_pb.MarketView:
        """However long the suite takes to come."""
        ask = partial(
            self._oversight.GetMarket,
            oversight_pb.GetMarketRequest(),
            timeout=LOOK_LIMIT_S,
            wait_for_ready=True,
            metadata=self._wallet.operator(),
        )
        response = await answered(ask)
        view: oversight_pb.MarketView = response.market
        return view
