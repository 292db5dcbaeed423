"""Processes are killed and replaced under load: the solver, PostgreSQL, and the suite by its successor."""

from __future__ import annotations

import asyncio
import os
import signal

from load_tests.live.suite_process import spawned_by
from tests.faults.harness import harmed


async def test_solvers_that_are_killed_cost_a_round_its_optimum_and_nothing_else() -> None:
    async with harmed("--solver-processes", "2") as town:
        for _ in range(2):
            for solver in spawned_by(town.suite.pid):
                os.kill(solver, signal.SIGKILL)
            await town.goes_on(8)
        await town.proved()


async def test_a_postgresql_that_is_killed_is_started_again_and_the_market_loaded_from_it() -> None:
    async with harmed() as town:
        for _ in range(2):
            await town.kill_postgres()
            await town.goes_on()
        assert town.said().count("starting it again") == 2
        await town.proved()


async def test_a_postgresql_that_is_restarted_by_others_is_waited_for() -> None:
    async with harmed(own_postgres=False) as town:
        postgres = town.postgres
        assert postgres is not None
        for number in (signal.SIGINT, signal.SIGQUIT):  # a fast shutdown, and one as in a crash
            os.kill(postgres.pid, number)
            while postgres.alive:
                await asyncio.sleep(0.01)
            postgres.respawn()
            await town.goes_on()
        await town.proved()


async def test_a_suite_that_drains_hands_its_running_market_over_to_the_next() -> None:
    """As an upgrade does: the old one ends with code 0, the new one goes on, and nobody sees more than a pause."""
    async with harmed(own_postgres=False) as town:
        for _ in range(2):
            await town.suite.stop()
            assert "stopped; the log holds" in town.said().splitlines()[-1]
            await town.suite.start()
            await town.goes_on()
        await town.proved()
