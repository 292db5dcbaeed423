"""What the log holds of a courier: PostgreSQL selects the events, and nothing of the courier is missing."""

from __future__ import annotations

import io
from itertools import count

import pytest

from dispatcher.log.store import LogStore
from gig.v1 import events_pb2 as events_pb
from load_tests.bench.busy_market import BusyMarket
from services.host import personal_data
from services.host.courier_trail import CourierTrail

COURIERS = 12
markets = count()


@pytest.fixture(scope="module")
def log() -> list[events_pb.Event]:
    return BusyMarket(couriers=COURIERS, jobs_an_hour=60, hours=0.5).run()


@pytest.mark.parametrize("portion", [17, 20_000])
async def test_the_trail_from_selected_events_is_the_trail_from_the_whole_log(pool, log, portion, monkeypatch) -> None:
    monkeypatch.setattr(personal_data, "READ", portion)
    store = LogStore(pool, f"trail-{next(markets)}")
    await store.acquire()
    await store.append(log)
    couriers = {event.courier_online.courier_id for event in log if event.HasField("courier_online")}
    assert len(couriers) == COURIERS
    found = 0
    for courier in couriers:
        whole, selected = (CourierTrail(courier, io.StringIO(), io.StringIO()) for _ in range(2))
        whole.pick([event.SerializeToString() for event in log])
        whole.finish()
        await personal_data.scan(pool, store.market_id, selected, len(log))
        for of_whole, of_selected in ((whole.locations, selected.locations), (whole.offers, selected.offers)):
            assert isinstance(of_whole, io.StringIO)
            assert isinstance(of_selected, io.StringIO)
            assert of_selected.getvalue() == of_whole.getvalue()
            found += len(of_whole.getvalue())
    assert found
