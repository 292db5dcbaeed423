"""What the market does by itself: batch rounds, time-outs, and couriers who have fallen silent."""

from __future__ import annotations

import asyncio
import logging
from time import perf_counter

from dispatcher import commands
from dispatcher.errors import DispatchError
from dispatcher.market import Round
from dispatcher.market.rounds import stranded
from dispatcher.times import SECOND, span
from gig.v1 import job_pb2 as job_pb
from matching.assignment import Assignment
from matching.solve import fall_back
from matching.solver_processes import FAULTS, SolverProcesses
from services.host.market_host import MarketHost
from services.host.zone_queues import ZoneQueues
from services.signals import Signals

log = logging.getLogger(__name__)

# Wall seconds between looks at what is due, and at the intake of locations.
TICK_S = 0.05
# Jobs without any possible courier that the operator is shown.
STRANDED_KEPT = 50
# Market seconds between looks for silent couriers.
SILENCE_CHECK_S = 5


class Dispatch:
    """The loops beside the calls. ``drain`` lets the round under way finish."""

    def __init__(self, host: MarketHost, solver: SolverProcesses, signals: Signals) -> None:
        self._host = host
        self._signals = signals
        self._solver = solver
        self._zone_queues = ZoneQueues(host)
        self._draining = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.rounds_failed = 0

    async def start(self) -> None:
        await asyncio.gather(*map(asyncio.wrap_future, self._solver.warm_up()))
        self._tasks = [self._host.supervised(self._rounds()), self._host.supervised(self._ticks())]

    async def drain(self) -> None:
        """No new round; the open one is settled."""
        self._draining.set()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._solver.close()

    async def _rounds(self) -> None:
        clock = self._host.clock
        next_us = clock.now()
        while not self._draining.is_set():
            # From start to start, so that a slow solve does not stretch the window.
            next_us = max(next_us + span(self._host.market.state.policy.matching.batch_window), clock.now())
            await self._pause(clock.wall_seconds(next_us - clock.now()))
            if self._host.accepting and not self._draining.is_set():
                try:
                    await self._round()
                except DispatchError as fault:
                    log.warning("a round was given up: %s", fault.reason)

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._draining.wait(), max(seconds, 0.001))
        except TimeoutError:
            return

    async def _round(self) -> None:
        host = self._host
        now = host.clock.now()
        host.locations.drain(now // 1000)
        round_ = host.market.problem(host.moved(host.market.state.columns.online_numbers()), now)
        if round_ is None:
            host.stranded = []
            return
        generation = host.generation
        assignment = await self._solve(round_)
        host.stranded = stranded(round_, assignment, STRANDED_KEPT)
        if host.generation == generation and host.accepting:
            host.take(host.market.settle(round_, assignment, host.clock.now()))

    async def _solve(self, round_: Round) -> Assignment:
        """In the solver processes; greedily here, where they gave no answer at all."""
        limit = span(self._host.market.state.policy.matching.solve_limit) / SECOND
        try:
            assignment = await asyncio.wrap_future(self._solver.submit(round_.problem, limit))
        except FAULTS as fault:
            log.warning("the solver failed (%s): this round is decided greedily", type(fault).__name__)
            assignment = await asyncio.to_thread(fall_back, round_.problem)
        if assignment.fell_back:
            self.rounds_failed += 1
            self._solver.replace()
            self._solver.warm_up()
        self._host.stages_s = dict(assignment.stages_s)
        for stage, seconds in assignment.stages_s.items():
            self._signals.stages.labels(stage).observe(seconds)
        return assignment

    async def _ticks(self) -> None:
        check_silence_us = 0
        while not self._draining.is_set():
            wanted = perf_counter() + TICK_S
            await self._pause(TICK_S)
            self._signals.loop_lag.observe(max(perf_counter() - wanted, 0.0))
            host, now = self._host, self._host.clock.now()
            host.locations.drain(now // 1000)
            if not host.accepting:
                continue
            due = host.market.next_due()
            if due is not None and due <= now:
                host.take(host.market.decide(commands.CheckDue(), now))
            self._surge(now)
            if now >= check_silence_us:
                check_silence_us = now + SILENCE_CHECK_S * SECOND
                self._end_silent_shifts(now)
                self._zone_queues.watch()

    def _surge(self, now: int) -> None:
        market = self._host.market
        if market.surge_is_due(now):
            moved = self._host.moved(market.state.columns.online_numbers())
            self._host.take(market.tick_surge(moved, now))

    def _end_silent_shifts(self, now: int) -> None:
        """Couriers without a stream who were not heard of for the policy's limit go offline; work on board goes on."""
        host = self._host
        policy = host.market.state.policy.couriers
        if not policy.HasField("silence_limit"):
            return
        state = host.market.state
        before_ms = (now - span(policy.silence_limit)) // 1000
        for courier_id in list(host.measures.online):
            quiet = host.index.last_ms(state.numbers[courier_id]) < before_ms
            if quiet and not host.sessions.connected(courier_id) and not state.couriers[courier_id].closing:
                try:
                    events = host.market.decide(
                        commands.GoOffline(courier_id=courier_id, reason="not heard of", fault=job_pb.FAULT_NOBODY), now
                    )
                except DispatchError:
                    continue  # went offline in this very moment
                host.take(events)
