"""One busy market for all tests of the measures: some hours of everything that people do."""

from __future__ import annotations

import json
from functools import cache

import pytest

from dispatcher.measures.catalogue import CATALOGUE, Reading
from dispatcher.measures.catalogue.report import reading_of
from load_tests.bench.busy_market import CENTRE, BusyMarket
from tests.dispatcher.measures.slowly import Day


def halves() -> str:
    """Two classes of zones, north and south of the middle."""
    features = []
    for name, south, north in (("north", CENTRE[0], CENTRE[0] + 0.5), ("south", CENTRE[0] - 0.5, CENTRE[0])):
        west, east = CENTRE[1] - 0.5, CENTRE[1] + 0.5
        ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
        geometry = {"type": "Polygon", "coordinates": [ring]}
        properties = {"name": name, "rule": "service_area", "class": name}
        features.append({"type": "Feature", "properties": properties, "geometry": geometry})
    return json.dumps({"type": "FeatureCollection", "features": features})


@cache
def _day() -> Day:
    return Day(BusyMarket(couriers=110, jobs_an_hour=900, hours=3.5, zones=halves()).run())


@pytest.fixture(scope="package")
def day() -> Day:
    return _day()


@pytest.fixture(scope="package")
def reading(day: Day) -> Reading:
    return reading_of(day.log)


def values(reading: Reading) -> dict[str, object]:
    return {measure.name: measure.value(reading) for measure in CATALOGUE}
