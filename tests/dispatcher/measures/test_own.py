"""A worker's own measures: the market's formulas, of one record; together they are the market's."""

from __future__ import annotations

import pytest

from dispatcher.measures.catalogue import CATALOGUE, Reading
from dispatcher.measures.catalogue.own import OWN, OwnMeasure, own_measures


def everyones(reading: Reading, number: int) -> list[OwnMeasure]:
    found = [own_measures(reading, name) for name in reading.measures.couriers]
    return [next(one for one in own if one.measure.number == number) for own in found]


def test_everyones_hours_are_the_markets(reading: Reading) -> None:
    market = next(measure for measure in CATALOGUE if measure.number == 1).value(reading)
    own = everyones(reading, 1)
    assert {phase: sum(one.values[phase] for one in own) for phase in market} == pytest.approx(market)


@pytest.mark.parametrize("number", [2, 3, 33, 41])
def test_the_share_of_everyones_time_lies_among_their_own(reading: Reading, number: int) -> None:
    own = everyones(reading, number)
    for part, market in own[0].market.items():
        mine = [one.values[part] for one in own if one.values[part] is not None]
        assert min(mine) <= market <= max(mine)
    assert own[0].market.keys() == own[0].values.keys()


def test_they_are_told_in_the_catalogues_order(reading: Reading) -> None:
    numbers = [one.measure.number for one in own_measures(reading, next(iter(reading.measures.couriers)))]
    assert numbers == sorted(numbers)
    assert set(numbers) <= set(OWN)


def test_who_was_never_online_has_none(reading: Reading) -> None:
    assert own_measures(reading, "nobody") == []
