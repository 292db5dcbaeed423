"""The offset of a device's clock is on the log, survives snapshots and shifts, and goes with the courier."""

from __future__ import annotations

import pytest

from dispatcher import commands
from dispatcher.errors import NotFound
from dispatcher.market import Market
from dispatcher.times import SECOND, span
from tests.kit import Bench


@pytest.mark.parametrize("offset_us", [120 * SECOND, -600 * SECOND - 500_000, 86_400 * SECOND])
def test_an_offset_is_kept_through_log_snapshot_and_shifts(offset_us: int) -> None:
    bench = Bench()
    bench.online()
    bench.do(commands.NoteClock(courier_id="bo", offset_us=offset_us))
    bench.do(commands.GoOffline(courier_id="bo"))
    bench.wait(60)
    bench.online()
    for market in (bench.market, Market.fold(bench.log), Market.restore(bench.market.snapshot())):
        assert span(market.courier_view("bo").clock_offset) == offset_us


def test_an_offset_of_an_unknown_courier_is_refused() -> None:
    with pytest.raises(NotFound):
        Bench().do(commands.NoteClock(courier_id="nobody", offset_us=1))
