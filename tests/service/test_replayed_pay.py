"""A replayed day ends with a sound ledger, and with statements that sum to it to the cent."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from dispatcher import policy
from dispatcher.log.embedded_postgres import EmbeddedPostgres
from dispatcher.log.store import LogStore, open_pool
from dispatcher.pay.ledger_check import check_ledger
from gig.v1 import events_pb2 as events_pb
from gig.v1 import pay_service_pb2 as pb
from gig.v1 import pay_service_pb2_grpc as rpc
from load_tests.bench.running import data_directory
from load_tests.instances.mdrp_day import MdrpSimulation
from load_tests.instances.mdrp_policy import under_instance
from load_tests.live.suite_process import SuiteProcess
from load_tests.traces.mdrp import read_instance
from tests.signing import caller, plant, signed_channel

REAL = Path(__file__).parents[3] / "shared/data/mdrp"


@pytest.fixture
def folder() -> Iterator[Path]:
    made = data_directory()
    yield made
    shutil.rmtree(made)


async def store_log(folder: Path, market_id: str, events: list[events_pb.Event]) -> None:
    """A log from elsewhere becomes a market of the data directory."""
    postgres = EmbeddedPostgres(folder)
    postgres.start()
    try:
        pool = await open_pool(postgres.dsn, size=1)
        store = LogStore(pool, market_id)
        await store.acquire()
        for start in range(0, len(events), 2000):
            await store.append(events[start : start + 2000])
        await pool.close()
    finally:
        postgres.stop()


@pytest.mark.skipif(not REAL.is_dir(), reason="the recorded days are not beside the project")
async def test_a_recorded_day_served_again_gives_everyone_the_statement_that_the_ledger_has(folder) -> None:
    instance = read_instance(REAL / "0r50t75s2p125")
    chosen = under_instance(policy.load("mdrp-greedy"), instance.parameters)
    events = (await asyncio.to_thread(MdrpSimulation(instance, chosen).run)).events
    ledger, faults = check_ledger(events)
    assert faults == []
    await store_log(folder, "day", events)
    plant(folder)
    suite = SuiteProcess("--market", "day", data_dir=folder, output=folder / "suite.log")
    await suite.start()
    try:
        async with signed_channel(suite.target) as channel:
            pay = rpc.PayServiceStub(channel)
            found = {}
            for worker in ledger.workers:
                asked = pb.GetStatementRequest(worker_id=worker)
                statement = await pay.GetStatement(asked, metadata=caller("courier", worker))
                found[worker] = statement.total.minor_units
                assert statement.total.minor_units == sum(line.minor_units for line in statement.lines)
    finally:
        await suite.stop()
    assert found == dict(ledger.workers)
    assert sum(found.values()) == ledger.accounts["courier"]
