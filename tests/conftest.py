"""A real PostgreSQL for all tests of one worker: each market has a name of its own, or a database."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest

from dispatcher.log.embedded_postgres import EmbeddedPostgres
from dispatcher.log.store import open_pool
from load_tests.bench.running import scratch_directory


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    folder = scratch_directory()
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
