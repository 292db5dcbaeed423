"""A real market on a real PostgreSQL, whose code fails for chosen jobs, couriers, cells, zones and events."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, contextmanager
from typing import Any
from unittest.mock import patch

import asyncpg
from prometheus_client import CollectorRegistry

from dispatcher import commands, policy
from dispatcher.errors import MarketUnavailable
from dispatcher.times import SECOND
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import job_pb2, types_pb2
from gig.v1 import policy_pb2 as policy_pb
from matching.assignment import Assignment
from matching.problem import Problem
from matching.solve import solve
from services.clock import MarketClock
from services.host.market_host import MarketHost, Opening
from services.host.quarantine import Kind, Loop
from services.host.rounds import Rounds
from services.host.ticks import Ticks
from services.signals import Signals
from tests.kit import place_at, spec

JOBS, COURIERS = 6, 10
# A queue zone around all of them, and one that is empty.
SQUARE = "[[{0},40.7],[{1},40.7],[{1},40.8],[{0},40.8],[{0},40.7]]"
ZONES = (
    '{"type":"FeatureCollection","features":['
    + ",".join(
        f'{{"type":"Feature","properties":{{"name":"{name}","rule":"queue"}},'
        f'"geometry":{{"type":"Polygon","coordinates":[{SQUARE.format(west, east)}]}}}}'
        for name, west, east in (("busy", -74.1, -73.9), ("empty", -73.8, -73.7))
    )
    + "]}"
)


class HandClock(MarketClock):
    """A clock that only the test moves, for market time and wall time."""

    def __init__(self) -> None:
        super().__init__()
        self.at_us = self._base_us

    def now(self) -> int:
        return self.at_us

    def not_before(self, time_us: int) -> None:
        self.at_us = max(self.at_us, time_us)

    def wait(self, seconds: float) -> None:
        self.at_us += round(seconds * SECOND)

    def wall_s(self) -> float:
        return self.at_us / SECOND


class SolverThread:
    """The real solver, in a thread of this process, where its code can be made to fail."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(1)

    def submit(self, problem: Problem, limit_s: float) -> Future[Assignment]:  # noqa: ARG002 - it is quick
        return self._threads.submit(lambda: solve(problem))

    def replace(self) -> None:
        """There is nothing to replace."""

    warm_up = replace


class BrokenMarket:
    """Jobs ``j0``… and couriers ``c0``…, all near one another."""

    def __init__(self, host: MarketHost, clock: HandClock) -> None:
        self.host, self.clock = host, clock
        self.rounds = Rounds(host, SolverThread(), Signals(CollectorRegistry()))
        self.ticks = Ticks(host)

    async def online(self, count: int = COURIERS) -> None:
        for number in range(count):
            online = courier_pb.GoOnline(
                profile=courier_pb.CourierProfile(vehicle_type=types_pb2.VEHICLE_TYPE_CAR),
                position=place_at((40.75 + number / 1000, -73.98)).position,
            )
            await self.do(commands.GoOnline(courier_id=f"c{number}", online=online))

    async def place(self, count: int = JOBS) -> None:
        for number in range(count):
            wanted = spec((40.75, -73.98 + number / 1000), (40.76, -73.97))
            await self.do(commands.PlaceJob(job_id=f"j{number}", client_id=f"client-{number}", spec=wanted))

    async def do(self, command: commands.Command) -> None:
        await self.host.submit(command, lambda _market: None)

    async def round(self) -> None:
        """Run one round, and return once the market accepts calls again."""
        try:
            await self.rounds.once()
        except MarketUnavailable:
            await self.is_back()

    async def tick(self) -> None:
        await self.ticks.once(self.clock.now())
        await self.is_back()

    async def is_back(self) -> None:
        while not self.host.accepting:
            await asyncio.sleep(0)
        await self.host.read(lambda _market: None)

    def jobs(self, state: job_pb2.JobState) -> set[str]:
        return {job_id for job_id, job in self.host.market.state.jobs.items() if job.state == state}

    def set_aside(self, loop: Loop, *kinds: Kind) -> set[str]:
        return {
            incident.subject
            for incident in self.host.quarantine.items()
            if incident.loop is loop and (not kinds or incident.item.kind in kinds)
        }


_names = itertools.count()


def broken_policy() -> policy_pb.Policy:
    """As plain, with surge, and queues without grace."""
    chosen = policy.load("plain")
    chosen.ClearField("notice_period")
    if not chosen.HasField("surge"):
        chosen.surge.CopyFrom(policy.load("city").surge)
    chosen.queues.exit_grace.seconds = 0
    return chosen


@asynccontextmanager
async def broken_market(
    pool: asyncpg.Pool, market_id: str = "", zones: str = "", chosen: policy_pb.Policy | None = None
) -> AsyncIterator[BrokenMarket]:
    """A market of its own for each test."""
    clock = HandClock()
    opening = Opening(market_id or f"broken-{next(_names)}", chosen or broken_policy(), zones)
    host = MarketHost(pool, opening, clock, Signals(CollectorRegistry()))
    host.quarantine._wall_s = clock.wall_s
    await host.start()
    try:
        yield BrokenMarket(host, clock)
    finally:
        await host.stop()


class Injected(ArithmeticError):
    """What the broken code raises."""


@contextmanager
def breaking(*seams: tuple[Any, str, Callable[..., bool]]) -> Iterator[None]:
    """Each seam, (owner, name, meets), raises for the arguments that ``meets`` is True of."""
    with ExitStack() as stack:
        for owner, name, meets in seams:
            original = owner[name] if isinstance(owner, dict) else getattr(owner, name)

            def broken(*arguments: Any, _original: Any = original, _meets: Any = meets, **named: Any) -> Any:
                if _meets(*arguments):
                    raise Injected("injected")
                return _original(*arguments, **named)

            if isinstance(owner, dict):
                stack.enter_context(patch.dict(owner, {name: broken}))
            else:
                stack.enter_context(patch.object(owner, name, broken))
        yield
