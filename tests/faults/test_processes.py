"""Under load, solvers are killed, PostgreSQL restarts and commits slowly, and a server hands over to its successor."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import asyncpg
import pytest

from dispatcher.log.embedded_postgres import EmbeddedPostgres
from load_tests.live.suite_process import spawned_by
from tests.faults.harness import Harmed, harmed


@pytest.fixture(scope="module")
async def town() -> AsyncIterator[Harmed]:
    """A town that all tests harm, on a PostgreSQL that the server did not start; in the end its log is proved."""
    async with harmed("--solver-processes", "2", own_postgres=False) as town:
        yield town
        await town.proved()


@pytest.fixture
def database(town: Harmed) -> EmbeddedPostgres:
    assert town.postgres is not None
    return town.postgres


async def test_solvers_that_are_killed_cost_a_round_its_optimum_and_nothing_else(town: Harmed) -> None:
    for _ in range(2):
        for solver in spawned_by(town.suite.pid):
            os.kill(solver, signal.SIGKILL)
        await town.goes_on(8)


async def test_a_postgresql_that_is_restarted_by_others_is_waited_for(town: Harmed, database: EmbeddedPostgres) -> None:
    for number in (signal.SIGINT, signal.SIGQUIT):  # a fast shutdown, and one as in a crash
        os.kill(database.pid, number)
        while database.alive:
            await asyncio.sleep(0.01)
        database.respawn()
        await town.goes_on()


async def test_slow_commits_make_calls_slow_and_lose_nothing(town: Harmed, database: EmbeddedPostgres) -> None:
    operator = await asyncpg.connect(database.dsn)
    for setting in ("commit_delay = 100000", "commit_siblings = 0"):  # a tenth of a second for each commit
        await operator.execute(f"ALTER SYSTEM SET {setting}")
    await operator.execute("SELECT pg_reload_conf()")
    await town.goes_on(30)
    await operator.execute("ALTER SYSTEM RESET ALL")
    await operator.execute("SELECT pg_reload_conf()")
    await operator.close()


async def test_a_suite_that_drains_hands_its_running_market_over_to_the_next(town: Harmed) -> None:
    """As an upgrade does: the old one ends with code 0, the new one goes on, and nobody sees more than a pause."""
    await town.suite.stop()
    assert "stopped; the log holds" in town.said().splitlines()[-1]
    await town.suite.start()
    await town.goes_on()
