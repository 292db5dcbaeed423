"""Run batch rounds and ticks beside the calls, in loops that no failed turn ends."""

from __future__ import annotations

import asyncio
import logging
from time import perf_counter

from dispatcher.errors import DispatchError
from matching.solver_processes import SolverProcesses
from services.host.market_host import MarketHost
from services.host.quarantine import Loop, loop_item
from services.host.rounds import Rounds
from services.host.ticks import Ticks
from services.signals import Signals

log = logging.getLogger(__name__)

# Wall seconds between looks at what is due, and at the intake of locations.
TICK_S = 0.05
# The longest wait for a round, wall seconds: another policy with a shorter batch window counts by then.
LOOK_EVERY_S = 0.25


class Dispatch:
    """The loops beside the calls. ``drain`` lets the current round finish."""

    def __init__(self, host: MarketHost, solver: SolverProcesses, signals: Signals) -> None:
        self._host = host
        self._signals = signals
        self._solver = solver
        self._one_round = Rounds(host, solver, signals)
        self._one_tick = Ticks(host)
        self._draining = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def rounds_failed(self) -> int:
        return self._one_round.failed

    async def start(self) -> None:
        await asyncio.gather(*map(asyncio.wrap_future, self._solver.warm_up()))
        self._tasks = [self._host.supervised(self._rounds()), self._host.supervised(self._ticks())]

    async def drain(self) -> None:
        """Start no new round; settle the open one."""
        self._draining.set()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._solver.close()

    async def _rounds(self) -> None:
        host, quarantine = self._host, self._host.quarantine
        while not self._draining.is_set():
            left_s = host.clock.wall_seconds(host.driver.until_round_us(host.clock.now()))
            if await self._pause(min(left_s, LOOK_EVERY_S) if host.accepting else LOOK_EVERY_S):
                return
            if not host.accepting or not host.driver.round_is_due(host.clock.now()):
                continue
            host.driver.begin_round(host.clock.now())
            if loop_item(Loop.ROUND) in quarantine.held(Loop.ROUND):
                continue  # the last round failed, no single item was the cause, and its pause is not over
            try:
                host.positions.intake.drain()
                await self._one_round.once()
            except DispatchError as fault:
                log.warning("a round was given up: %s", fault.reason)
            except Exception as fault:
                quarantine.add(Loop.ROUND, loop_item(Loop.ROUND), fault, "running a round")
            else:
                quarantine.release(Loop.ROUND, (loop_item(Loop.ROUND),))

    async def _pause(self, seconds: float) -> bool:
        """Wait for so many wall seconds, or until the drain; return whether the loops end."""
        try:
            await asyncio.wait_for(self._draining.wait(), max(seconds, 0.001))
        except TimeoutError:
            return False
        return True

    async def _ticks(self) -> None:
        while not self._draining.is_set():
            wanted = perf_counter() + TICK_S
            await self._pause(TICK_S)
            self._signals.loop_lag.observe(max(perf_counter() - wanted, 0.0))
            await self._one_tick.once(self._host.clock.now())
