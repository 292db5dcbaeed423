"""A demonstration: a city's clients and couriers against a suite, watched, and accounted for at the end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator
from copy import copy
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np

from gig.v1 import courier_service_pb2_grpc as courier_rpc
from gig.v1 import job_service_pb2_grpc as job_rpc
from gig.v1 import oversight_service_pb2 as oversight_pb
from gig.v1 import oversight_service_pb2_grpc as oversight_rpc
from gig.v1 import types_pb2 as types_pb
from load_tests.cities.city import City, Spot
from load_tests.live.clients import Clients, Journal, states_of
from load_tests.live.clock import RemoteClock
from load_tests.live.courier import CourierApp, CourierTally
from load_tests.live.opinions import Opinions
from load_tests.live.view import counts
from load_tests.live.wallet import Wallet

PING_EVERY_S = 1.0
LOOK_EVERY_S = 0.5
LOOK_LIMIT_S = 5.0
SETTLE_LIMIT_S = 10.0
# After a recorded trace's last request: market seconds in which every request finds a courier or gives up.
TRACE_TAIL_S = 400.0
UNDECIDED = ("scheduled", "queued", "offered")
# Couriers in a mixed city: mostly cars, some bicycles for meals.
BICYCLE_SHARE = 0.2
# Couriers whose shift ends before the demonstration does.
LEAVE_SHARE = 0.15

Watcher = Callable[[oversight_pb.MarketView, float], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """``seconds`` of the wall clock; None plays the city's whole length."""

    seconds: float | None
    couriers: int
    jobs_per_minute: float
    seed: int
    bicycles: bool
    # The demonstration's own suite: its policy may be changed.
    governs: bool = False
    # The market holds nothing but this demonstration.
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Account:
    """How it ended: everything as of one instant, that of ``market``, which was also watched last.

    ``placed`` jobs by their ``states``, with those ``lost`` and ``doubled`` by the clients' own journals.
    """

    market: oversight_pb.MarketView
    placed: int
    states: dict[str, int]
    journal: Journal
    couriers: CourierTally
    market_s: float
    interrupted: bool
    # Ratings, tips, contests and reviews that were refused, by text.
    opinions: dict[str, int]


class Demonstration:
    def __init__(self, target: str, wallet: Wallet, city: City, plan: Plan, watch: Watcher) -> None:
        self._wallet = wallet
        self._channel = grpc.aio.insecure_channel(target, options=[("grpc.max_receive_message_length", 16 << 20)])
        self._jobs = job_rpc.JobServiceStub(self._channel)
        self._couriers = courier_rpc.CourierServiceStub(self._channel)
        self._oversight = oversight_rpc.OversightServiceStub(self._channel)
        self._city, self._plan, self._watch = city, plan, watch

    async def run(self, stop: asyncio.Event) -> Account:
        """Until the plan's end, or until ``stop`` is set; the account is drawn either way."""
        try:
            return await self._run(stop)
        finally:
            await self._channel.close()

    async def _run(self, stop: asyncio.Event) -> Account:
        clock = RemoteClock(await self._look())
        rng = np.random.default_rng(self._plan.seed)
        spots: dict[str, tuple[Spot, Spot]] = {}
        tally = CourierTally()
        opinions = Opinions(self._channel, self._wallet, clock, np.random.default_rng([self._plan.seed, 1_000_000]))
        apps = self._apps(clock, rng, tally, spots, opinions)
        clients = Clients(self._jobs, self._wallet, clock, rng, spots)
        demands = self._city.demands(rng, self._plan.jobs_per_minute)
        shifts = [asyncio.create_task(app.run(self._couriers, self._wallet)) for app in apps]
        pinging = asyncio.create_task(ping(apps, clock))
        placing = asyncio.create_task(clients.place_all(demands))
        ending = asyncio.create_task(self._end(clock, stop))
        watching = asyncio.create_task(self._look_on(clock))
        reviewing = asyncio.create_task(opinions.answer_reviews())
        governing = asyncio.create_task(self._govern(clock))
        leaving = [asyncio.create_task(work) for work in self._ends_of_shifts(apps, clock)]
        try:
            done, _ = await asyncio.wait(
                {ending, watching, pinging, placing, reviewing, governing, *shifts}, return_when=asyncio.FIRST_COMPLETED
            )
            while ending not in done:
                _raise_failure(done - {placing})
                waiting = {ending, watching, pinging, reviewing, *shifts}
                done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            placing.cancel()
            await clients.settle(SETTLE_LIMIT_S)
            watching.cancel()
            market = await self._look()
            market_s, seen = clock.seconds(), copy(tally)
            self._watch(market, 1.0)
            placed, states = await self._become_of(clients, market)
        finally:
            await opinions.settle()
            tasks = [placing, pinging, watching, ending, reviewing, governing, *leaving, *shifts]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return Account(market, placed, states, clients.journal, seen, market_s, stop.is_set(), opinions.failures)

    async def _become_of(self, clients: Clients, market: oversight_pb.MarketView) -> tuple[int, dict[str, int]]:
        """Return the jobs placed and their states at the instant of a view."""
        journal = clients.journal
        states = await states_of(self._jobs, self._wallet, journal, market)
        if not self._plan.alone:
            return len(journal.placed), states
        # The view itself counts all jobs at its instant, also one whose client was not answered.
        return market.jobs_placed, {name: states[name] for name in ("lost", "doubled")} | counts(market.jobs)

    async def _govern(self, clock: RemoteClock) -> None:
        """Of a market of one's own: halfway through, pay is set otherwise, as platforms do without asking."""
        if not self._plan.governs or self._plan.seconds is None:
            return
        await clock.sleep_until(self._plan.seconds * clock.speed / 2)
        operator = self._wallet.operator()
        asked = oversight_pb.GetPolicyRequest()
        policy = (await self._oversight.GetPolicy(asked, timeout=LOOK_LIMIT_S, metadata=operator)).policy
        for tariff in policy.pays:
            tariff.base, tariff.per_minute = tariff.base + 60, tariff.per_minute - 6
        policy.description = "Pay a minute is lower, pay a job higher."
        request = oversight_pb.SetPolicyRequest(request_id="pay-2", operator_id="operator-1", policy=policy)
        await self._oversight.SetPolicy(request, timeout=LOOK_LIMIT_S, metadata=operator)

    def _ends_of_shifts(self, apps: list[CourierApp], clock: RemoteClock) -> Iterator[Coroutine[Any, Any, None]]:
        """Some go home in the second half."""
        if self._plan.governs and self._plan.seconds is not None:
            length_s = self._plan.seconds * clock.speed
            rng = np.random.default_rng([self._plan.seed, 2_000_000])
            for app in apps:
                if rng.random() < LEAVE_SHARE:
                    yield app.leave_at(rng.uniform(0.5, 0.98) * length_s)

    def _apps(
        self,
        clock: RemoteClock,
        rng: np.random.Generator,
        tally: CourierTally,
        spots: dict[str, tuple[Spot, Spot]],
        opinions: Opinions,
    ) -> list[CourierApp]:
        apps = []
        for index, home in enumerate(self._city.homes(rng, self._plan.couriers)):
            bicycle = self._plan.bicycles and rng.random() < BICYCLE_SHARE
            vehicle = types_pb.VEHICLE_TYPE_BICYCLE if bicycle else types_pb.VEHICLE_TYPE_CAR
            own = np.random.default_rng([self._plan.seed, index])
            courier_id = f"courier-{index}"
            told = opinions.tell, opinions.judged
            apps.append(CourierApp(courier_id, home, vehicle, self._city, clock, own, tally, spots, *told))
        return apps

    async def _end(self, clock: RemoteClock, stop: asyncio.Event) -> None:
        """Returns when the plan is played, or stopped; a trace, when each of its requests is decided."""
        length_s = self._city.length_s
        if self._plan.seconds is not None or length_s is None:
            await _stopped(stop, self._plan.seconds)
            return
        await _stopped(stop, length_s / clock.speed)
        while not stop.is_set() and clock.seconds() < length_s + TRACE_TAIL_S:
            jobs = counts((await self._look()).jobs)
            if clock.seconds() > length_s + 1 and not any(jobs.get(state) for state in UNDECIDED):
                return
            await _stopped(stop, LOOK_EVERY_S)

    async def _look_on(self, clock: RemoteClock) -> None:
        total = self._plan.seconds or ((self._city.length_s or 0) + TRACE_TAIL_S) / clock.speed
        while True:
            self._watch(await self._look(), clock.seconds() / clock.speed / total)
            await asyncio.sleep(LOOK_EVERY_S)

    async def _look(self) -> oversight_pb.MarketView:
        response = await self._oversight.GetMarket(
            oversight_pb.GetMarketRequest(), timeout=LOOK_LIMIT_S, metadata=self._wallet.operator()
        )
        view: oversight_pb.MarketView = response.market
        return view


async def _stopped(stop: asyncio.Event, limit_s: float | None) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), limit_s)


async def ping(apps: list[CourierApp], clock: RemoteClock, every_s: float = PING_EVERY_S) -> None:
    """Every courier's position once in so many wall seconds, spread over them."""
    slices = round(20 * every_s / PING_EVERY_S)
    while True:
        for part in range(slices):
            began = asyncio.get_running_loop().time()
            now = clock.seconds()
            for app in apps[part::slices]:
                await app.send_position(now)
            spent = asyncio.get_running_loop().time() - began
            await asyncio.sleep(max(every_s / slices - spent, 0.0))


def _raise_failure(done: set[asyncio.Task[None]]) -> None:
    for task in done:
        if task.exception() is not None:
            raise task.exception()  # type: ignore[misc]
