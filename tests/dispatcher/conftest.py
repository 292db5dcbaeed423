"""A real PostgreSQL for the tests of the log."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator

import asyncpg
import pytest

from dispatcher.log.embedded_postgres import EmbeddedPostgres
from dispatcher.log.store import open_pool
from load_tests.bench.running import scratch_directory


@pytest.fixture(scope="session")
async def pool() -> AsyncIterator[asyncpg.Pool]:
    folder = scratch_directory()
    postgres = EmbeddedPostgres(folder)
    postgres.start()
    opened = await open_pool(postgres.dsn)
    yield opened
    await opened.close()
    postgres.stop()
    shutil.rmtree(folder)
