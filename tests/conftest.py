"""A real PostgreSQL for all tests of one worker: each market has a name of its own, or a database."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

from dispatcher.log.embedded_postgres import EmbeddedPostgres
from dispatcher.log.store import open_pool
from load_tests.bench.running import data_directory
from load_tests.live.suite_process import SuiteProcess
from tests.distribution import UnitScheduling, longest_first

# An assertion in a helper of the tests reports its values, as one in a test does.
pytest.register_assert_rewrite("tests.faults", "tests.service", "tests.services", "tests.load_tests", "tests.pages")
# A property is tried with the same examples in every run; --hypothesis-profile=random tries others. An example may take
# as long as it needs: how long says more about the machine's other work than about the property.
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("random", derandomize=False, deadline=None)
settings.load_profile("same")
# Servers, solver processes and commands that tests start would each compile the project again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# A process takes half a second of CPU time to start; one solver is enough for the few jobs of a test.
SuiteProcess.common_flags = ("--solver-processes", "1")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadScopeScheduling:
    return UnitScheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: longest_first(item.nodeid))


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    folder = data_directory()
    started = EmbeddedPostgres(folder)
    started.start()
    yield started
    started.stop()
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
async def pool(postgres: EmbeddedPostgres) -> AsyncIterator[asyncpg.Pool]:
    opened = await open_pool(postgres.dsn)
    yield opened
    await opened.close()
