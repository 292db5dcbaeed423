"""Geometries with faults of no size are repaired and reported; a repair that changes a zone is never made."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from geo import repairs
from geo.geojson import zones_from_geojson, zones_of_log
from geo.zones import ZoneError
from tests.geo.test_zones import CITY, collection, square

SQUARE = square(7, 50, 0.1)["geometry"]["coordinates"][0]


def feature(*parts: list) -> dict:
    return CITY | {"geometry": {"type": "MultiPolygon", "coordinates": list(parts)}}


def spiked(at: float, length: float) -> list[list[float]]:
    """The square with a spike of no width that goes out of its southern side, and back."""
    foot = [7 + 0.1 * at, 50.0]
    return [SQUARE[0], foot, [foot[0], 50.0 - length], foot, *SQUARE[1:]]


TRIFLES = {
    "a ring of two points": [[SQUARE], [[[8, 50], [8, 50.1]]]],
    "a hole of no area": [[SQUARE, [[7.02, 50.02], [7.03, 50.03], [7.02, 50.02], [7.02, 50.02]]]],
    "a part of no area": [[SQUARE], [[[8, 50], [8.1, 50.1], [8, 50], [8, 50]]]],
    "a spike": [[spiked(0.5, 0.01)]],
    "a loop of a centimetre": [
        [[*SQUARE[:1], [7.05, 50], [7.0500001, 49.9999999], [7.05, 49.9999999], [7.0500001, 50], *SQUARE[1:]]]
    ],
    "a hole beside the shell's border": [[SQUARE, [[7.1, 50.02], [7.1, 50.02001], [7.10001, 50.02], [7.1, 50.02]]]],
}


@pytest.mark.parametrize("parts", TRIFLES.values(), ids=TRIFLES)
def test_trifles_are_repaired_and_reported(parts: list) -> None:
    zones = zones_from_geojson(collection(square(0, 0, 1, name="sound"), feature(*parts)))
    (said,) = zones.repairs
    assert said.startswith("feature 1 (city): repaired: ")
    drawn = zones.zones[1].polygon
    assert drawn.is_valid
    assert drawn.area == pytest.approx(0.01, rel=1e-4)
    kept = zones_of_log(zones.document)
    assert kept.zones[1].polygon.equals(drawn)
    assert zones_from_geojson(zones.document).repairs == ()


CHANGES = {
    "a bow": [[[[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]]],
    "a shell in a shell": [[SQUARE], [square(7.02, 50.02, 0.02)["geometry"]["coordinates"][0]]],
    "two shells that overlap": [[SQUARE], [square(7.05, 50.05, 0.1)["geometry"]["coordinates"][0]]],
    "the same shell twice": [[SQUARE], [SQUARE]],
    "a hole outside": [[SQUARE, square(8, 50, 0.05)["geometry"]["coordinates"][0]]],
}


@pytest.mark.parametrize("parts", CHANGES.values(), ids=CHANGES)
def test_what_changes_the_area_is_refused(parts: list) -> None:
    with pytest.raises(ZoneError, match=r"feature 0 \(city\): invalid: .*a repair changes its area by"):
        zones_from_geojson(collection(feature(*parts)))


def test_a_shell_in_a_shell_is_refused_with_what_to_do() -> None:
    with pytest.raises(ZoneError, match="make it a hole of that polygon, or leave it out"):
        zones_from_geojson(collection(feature(*CHANGES["a shell in a shell"])))


@settings(max_examples=60, deadline=None)
@given(corners=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=4, max_size=9))
def test_a_repair_changes_the_area_by_less_than_a_ten_thousandth(corners: list[tuple[int, int]]) -> None:
    """Any ring on a small grid is valid, repaired within the bound, or refused."""
    ring = [[7 + x / 10, 50 + y / 10] for x, y in [*corners, corners[0]]]
    drawn = shapely.polygons(ring)
    try:
        zones = zones_from_geojson(collection(feature([ring])))
    except ZoneError:
        assert not drawn.is_valid or drawn.area == 0
        return
    (zone,) = zones.zones
    assert zone.polygon.is_valid
    assert zone.polygon.area == pytest.approx(drawn.area, rel=1e-4)
    assert bool(zones.repairs) == (not drawn.is_valid)


def star(points: int) -> list[list[float]]:
    """A ring of which every segment crosses nearly every other."""
    turn = np.arange(points + 1) % points * (points // 2) * 2 * math.pi / points
    return np.column_stack([7 + np.cos(turn), 50 + np.sin(turn)]).tolist()


def test_a_tangle_is_refused_before_it_costs_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ring of 4,001 points crosses itself millions of times: no repair is tried."""
    monkeypatch.setattr(repairs.shapely, "make_valid", None)
    with pytest.raises(ZoneError, match="too tangled"):
        zones_from_geojson(collection(feature([star(4_001)])))


def test_repairs_of_a_document_share_one_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repairs, "MOST_POINTS", 20)
    spikes = [square(0, 0, 1) | {"geometry": {"type": "Polygon", "coordinates": [spiked(0.5, 0.01)]}}] * 4
    with pytest.raises(ZoneError) as refused:
        zones_from_geojson(json.dumps({"type": "FeatureCollection", "features": spikes}))
    assert refused.value.count == 2
