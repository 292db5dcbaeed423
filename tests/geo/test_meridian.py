"""+180 and -180 degrees are one meridian, and a ring whose inside is not clear is asked about."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.geojson import zones_from_geojson, zones_of_log
from geo.zones import ZoneError
from tests.geo.test_zones import collection

WORLD = [[-180, -90], [180, -90], [180, 90], [-180, 90], [-180, -90]]


def zone(*rings: list[list[float]], **properties: str) -> dict[str, Any]:
    return {
        "type": "Feature",
        "properties": {"name": "zone", **properties},
        "geometry": {"type": "Polygon", "coordinates": list(rings)},
    }


def box(west: float, south: float, east: float, north: float, steps: int = 1) -> list[list[float]]:
    """A box that runs counterclockwise, with ``steps`` steps along each parallel; longitudes within -180 to 180."""
    along = np.linspace(west, east, steps + 1).tolist()
    ring = [[lng, south] for lng in along] + [[lng, north] for lng in along[::-1]]
    return [[lng if -180 <= lng <= 180 else lng - 360 * np.sign(lng), lat] for lng, lat in [*ring, ring[0]]]


@settings(max_examples=60, deadline=None)
@given(
    west=st.integers(-179, 178),
    width=st.integers(1, 29),
    south=st.integers(-89, 60),
    height=st.integers(1, 29),
    steps=st.integers(1, 4),
    clockwise=st.booleans(),
    hole=st.booleans(),
)
def test_a_box_holds_the_same_points_wherever_it_lies(
    west: int, width: int, south: int, height: int, steps: int, clockwise: bool, hole: bool
) -> None:
    rings = [box(west, south, west + width, south + height, steps)]
    if hole:
        rings.append(box(west + width / 4, south + height / 4, west + width / 2, south + height / 2))
    if clockwise:
        rings = [ring[::-1] for ring in rings]
    zones = zones_from_geojson(collection(zone(*rings)))
    x, y = np.array([0.9, 0.3, 0.3, -0.1, 1.1]), np.array([0.9, 0.3, 0.9, 0.5, 0.5])
    lng, lat = west + x * width, np.clip(south + y * height, -90, 90)
    lng = np.where(lng > 180, lng - 360, np.where(lng < -180, lng + 360, lng))
    assert zones.membership(lat, lng).tolist() == [[True, not hole, True, False, False]]
    assert zones_of_log(zones.document).membership(lat, lng).tolist() == [[True, not hole, True, False, False]]


@pytest.mark.parametrize(
    "ring",
    [
        WORLD,
        WORLD[::-1],
        [[-180, -90], [0, -90], [180, -90], [180, 90], [0, 90], [-180, 90], [-180, -90]],
        [[-180, -90], [-60, -90], [60, -90], [180, -90], [180, 90], [-180, 90], [-180, -90]],
        box(-180, -90, 180, 90, steps=36),
    ],
)
@pytest.mark.parametrize("read", [zones_from_geojson, lambda text: zones_of_log(zones_from_geojson(text).document)])
def test_the_whole_world_is_a_zone(ring: list, read: Any) -> None:
    zones = read(collection(zone(ring)))
    spots = np.array([[0, 0], [51, 7], [-41, 174], [64, -179.9], [10, 180], [10, -180], [90, 0], [-90, 33]], float).T
    assert zones.membership(*spots).all()


def test_a_band_around_the_globe_holds_every_longitude() -> None:
    zones = zones_from_geojson(collection(zone(box(-180, -40, 180, 40))))
    assert [bool(zones.at(lat, lng)) for lat, lng in ((0, 170), (0, -180), (39, 0), (41, 0))] == [1, 1, 1, 0]


@settings(max_examples=40, deadline=None)
@given(width=st.integers(181, 359), west=st.integers(-180, 178), steps=st.integers(1, 30))
def test_a_ring_wider_than_half_the_globe_is_asked_about(width: int, west: int, steps: int) -> None:
    """However many corners it has, unless a short way across the antimeridian is as good a reading of its corners."""
    east = min(west + width, 180)
    if east - west <= 180 or (west, east) == (-180, 180):
        return
    # As tall as a hemisphere, so that no short way across the antimeridian is meant.
    with pytest.raises(ZoneError, match=r"feature 0 \(zone\): .*which side of it is inside"):
        zones_from_geojson(collection(zone(box(west, -50, east, 50, steps))))


@pytest.mark.parametrize("ring", [box(-100, 0, 100, 10), box(-100, 0, 100, 10)[::-1], box(-170, -10, 170, 80)])
def test_a_wide_box_of_four_corners_is_asked_about_either_way_round(ring: list) -> None:
    with pytest.raises(ZoneError, match="which side of it is inside"):
        zones_from_geojson(collection(zone(ring)))


@pytest.mark.parametrize(
    "ring",
    [
        box(-180, 0, -170, 10),
        box(170, 0, 180, 10),
        [[170, 0], [-180, 0], [-180, 10], [170, 10], [170, 0]],
        [[180, 0], [-170, 0], [-170, 10], [180, 10], [180, 0]],
    ],
)
def test_both_longitudes_of_the_antimeridian_are_one_place(ring: list) -> None:
    zones = zones_from_geojson(collection(zone(ring, rule="queue")))
    assert zones.queue_index(5.0, 180.0) == zones.queue_index(5.0, -180.0) == 0
    assert zones.queue_of(np.full(2, 5.0), np.array([180.0, -180.0])).tolist() == [0, 0]
    assert zones.membership(np.full(2, 11.0), np.array([180.0, -180.0])).tolist() == [[False, False]]


def test_a_part_at_greenwich_stays_where_it_is_beside_one_across_the_antimeridian() -> None:
    parts = [[box(179, 0, 181, 2)], [box(-1, 0, 1, 2)]]
    feature = zone() | {"geometry": {"type": "MultiPolygon", "coordinates": parts}}
    for zones in (made := zones_from_geojson(collection(feature)), zones_of_log(made.document)):
        inside = [bool(zones.at(1.0, lng)) for lng in (-179.5, 179.5, 0.5, -0.5, 5.0, 170.0)]
        assert inside == [True, True, True, True, False, False]


def test_the_document_that_is_kept_is_cut_at_the_antimeridian() -> None:
    zones = zones_from_geojson(collection(zone(box(179, 0, 181, 2), note="kept")))
    (feature,) = json.loads(zones.document)["features"]
    assert feature["properties"] == {"name": "zone", "note": "kept"}
    longitudes = [lng for part in feature["geometry"]["coordinates"] for lng, _ in part[0]]
    assert all(abs(lng) >= 179 for lng in longitudes)
    assert zones.repairs == ()


@pytest.mark.parametrize("west", [-358, -183, 181, 200, 355])
def test_the_document_that_is_kept_has_longitudes_from_minus_180_to_180(west: int) -> None:
    kept = json.loads(zones_from_geojson(collection(zone(box(west, 1, west + 2, 2)))).document)
    longitudes = {lng for ring in kept["features"][0]["geometry"]["coordinates"] for lng, _ in ring}
    assert max(map(abs, longitudes)) <= 180
    assert {lng % 360 for lng in longitudes} == {west % 360, (west + 2) % 360}
