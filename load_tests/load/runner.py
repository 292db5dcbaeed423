"""Plays a trace against a suite: clients in an open loop, couriers by their shifts, and the account at the end."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import grpc
import numpy as np

from dispatcher.log.journal import Line
from gig.v1 import courier_service_pb2_grpc as courier_rpc
from gig.v1 import job_service_pb2_grpc as job_rpc
from gig.v1 import oversight_service_pb2 as oversight_pb
from gig.v1 import oversight_service_pb2_grpc as oversight_rpc
from load_tests.behaviour import acts
from load_tests.behaviour.settings import Behaviour
from load_tests.cities.city import Spot
from load_tests.live.clients import Clients, Journal, states_of
from load_tests.live.clock import RemoteClock
from load_tests.live.courier import CourierApp, CourierTally, Habits
from load_tests.live.demonstration import ping
from load_tests.live.view import LIVE_STATES, counts
from load_tests.live.wallet import Wallet
from load_tests.load.latency import Latencies
from load_tests.load.trace_city import TraceCity
from load_tests.replay.day import Day

LOOK_LIMIT_S = 20.0
TELL_EVERY_S = 0.5
SETTLE_LIMIT_S = 30.0
# Streams of one connection; HTTP/2 and one socket are shared by so many couriers.
COURIERS_A_CHANNEL = 250
# Market seconds between two pings of a courier, at most.
OLDEST_POSITION_S = 200.0
# After the last request: trace seconds for jobs under way to end.
TAIL_S = 1_200.0
USUAL = Habits()

# Called with the share of the trace that has passed, requests placed so far, and couriers online.
ReportProgress = Callable[[float, int, int], None]


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """``speed``: trace seconds in a second of the wall clock. ``ping_every_s``: wall seconds between a courier's pings.
    ``limit_s``: wall seconds after which no more requests are made; None plays the whole trace."""

    target: str
    wallet: Wallet
    day: Day
    behaviour: Behaviour
    seed: int
    speed: float
    ping_every_s: float
    limit_s: float | None = None


@dataclass(slots=True)
class LoadAccount:
    market_id: str
    clock_speed: float
    latencies: Latencies
    journal: Journal
    couriers: CourierTally
    most_online: int = 0
    wall_s: float = 0.0
    states: dict[str, int] = field(default_factory=dict)

    def lines(self) -> Iterator[Line]:
        """What people were promised, for `gig log check --journal`."""
        yield from self.journal.lines()
        yield from self.couriers.journal


async def run_load(plan: LoadPlan, report: ReportProgress = lambda _share, _placed, _online: None) -> LoadAccount:
    """Until the trace is played and what is under way has ended, or has had time to. Raises grpc.aio.AioRpcError where
    the suite cannot be reached."""
    channels = [_channel(plan.target) for _ in range(1 + len(plan.day.roster) // COURIERS_A_CHANNEL)]
    try:
        return await _Load(plan, channels, report).run()
    finally:
        for channel in channels:
            await channel.close()


def _channel(target: str) -> grpc.aio.Channel:
    # A connection of its own for each channel; otherwise all would share one.
    return grpc.aio.insecure_channel(target, [("grpc.use_local_subchannel_pool", 1)])


class _Load:
    def __init__(self, plan: LoadPlan, channels: list[grpc.aio.Channel], report: ReportProgress) -> None:
        self._plan, self._report = plan, report
        self._jobs = job_rpc.JobServiceStub(channels[0])
        self._oversight = oversight_rpc.OversightServiceStub(channels[0])
        self._couriers = [courier_rpc.CourierServiceStub(channel) for channel in channels]
        self._latencies = Latencies()
        self._online = 0
        self._most_online = 0

    async def run(self) -> LoadAccount:
        plan, market = self._plan, await self._look()
        clock = RemoteClock(market)
        pace = clock.speed / plan.speed
        patience = acts.patience_s(plan.behaviour.clients.patience, plan.seed, len(plan.day.requests))
        city = TraceCity(plan.day, pace, patience)
        rng = np.random.default_rng(plan.seed)
        spots: dict[str, tuple[Spot, Spot]] = {}
        # Of this run alone: a suite remembers the requests of earlier ones.
        clients = Clients(self._jobs, plan.wallet, clock, rng, spots, self._latencies, f"{uuid.uuid4().hex[:8]}-")
        tally = CourierTally()
        apps: list[CourierApp] = []
        placing = asyncio.create_task(clients.place_all(city.demands(rng, 0.0)))
        people = [
            asyncio.create_task(self._shift(city, row, begins, ends, clock, tally, spots, apps, pace))
            for row, begins, ends in city.shifts()
        ]
        # However fast market time runs, positions must not grow too old for matching between two pings.
        ping_every_s = min(plan.ping_every_s, OLDEST_POSITION_S / clock.speed)
        pinging = asyncio.create_task(ping(apps, clock, ping_every_s))
        telling = asyncio.create_task(self._tell(city, clock, clients))
        try:
            await asyncio.wait({placing, pinging, telling}, timeout=plan.limit_s, return_when=asyncio.FIRST_COMPLETED)
            for task in (placing, pinging, telling):
                if task.done():
                    task.result()
            placing.cancel()
            await self._until_quiet(clock, clock.seconds() + TAIL_S * pace)
            await clients.settle(SETTLE_LIMIT_S)
            account = LoadAccount(
                market.market_id, clock.speed, self._latencies, clients.journal, tally, self._most_online
            )
            account.wall_s = clock.seconds() / clock.speed
            account.states = await states_of(self._jobs, plan.wallet, clients.journal)
            return account
        finally:
            tasks = [placing, pinging, telling, *people]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _shift(
        self,
        city: TraceCity,
        row: int,
        begins: float,
        ends: float,
        clock: RemoteClock,
        tally: CourierTally,
        spots: dict[str, tuple[Spot, Spot]],
        apps: list[CourierApp],
        pace: float,
    ) -> None:
        """One courier's app from the shift's begin to its end, and a little longer for the last job."""
        roster = city.day.roster
        await clock.sleep_until(begins)
        app = CourierApp(
            # Somebody's second shift is another app: it may begin before the first one's stream is closed.
            f"{roster.courier_ids[row]}.{row}",
            Spot(roster.latitude[row], roster.longitude[row], row),
            roster.vehicles[row],
            city,
            clock,
            np.random.default_rng([self._plan.seed, row]),
            tally,
            spots,
            habits=_habits(self._plan.behaviour, pace),
            timing=self._latencies,
        )
        working = asyncio.create_task(app.run(self._couriers[row // COURIERS_A_CHANNEL], self._plan.wallet))
        leaving = asyncio.create_task(app.leave_at(ends))
        apps.append(app)
        self._online += 1
        self._most_online = max(self._most_online, self._online)
        try:
            await asyncio.wait({working}, timeout=max((ends - begins) + TAIL_S * pace, 0.0) / clock.speed)
        finally:
            self._online -= 1
            apps.remove(app)
            for task in (working, leaving):
                task.cancel()
            await asyncio.gather(working, leaving, return_exceptions=True)

    async def _until_quiet(self, clock: RemoteClock, until_s: float) -> None:
        """Until no job is under way, or the time for it is over."""
        while clock.seconds() < until_s:
            jobs = counts((await self._look()).jobs)
            if not any(jobs.get(state) for state in LIVE_STATES):
                return
            await asyncio.sleep(TELL_EVERY_S)

    async def _tell(self, city: TraceCity, clock: RemoteClock, clients: Clients) -> None:
        while True:
            share = min(clock.seconds() / max(city.length_s, 1e-9), 1.0)
            self._report(share, clients.journal.requested, self._online)
            await asyncio.sleep(TELL_EVERY_S)

    async def _look(self) -> oversight_pb.MarketView:
        response = await self._oversight.GetMarket(
            oversight_pb.GetMarketRequest(), timeout=LOOK_LIMIT_S, metadata=self._plan.wallet.operator()
        )
        view: oversight_pb.MarketView = response.market
        return view


def _habits(behaviour: Behaviour, pace: float) -> Habits:
    """At the trace's pace. Who always accepts does so at once."""
    if behaviour.couriers.acceptance.model == "always":
        return Habits(0.0, 0.0, (0.0, 0.0), (0.0, 0.0), 0.0)
    think, dwell = ((low * pace, high * pace) for low, high in (USUAL.think_s, USUAL.dwell_s))
    return Habits(USUAL.decline_share, USUAL.ignore_share, think, dwell, USUAL.follow_share)
