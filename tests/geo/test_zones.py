"""Zones admit and refuse as drawn, and a faulty drawing is refused by feature and fault."""

from __future__ import annotations

import json

import numpy as np
import pytest

from geo.geojson import zones_from_geojson
from geo.zones import ZoneError


def square(west: float, south: float, size: float, **properties: str) -> dict:
    ring = [[west, south], [west + size, south], [west + size, south + size], [west, south + size], [west, south]]
    return {"type": "Feature", "properties": properties, "geometry": {"type": "Polygon", "coordinates": [ring]}}


def collection(*features: dict) -> str:
    return json.dumps({"type": "FeatureCollection", "features": list(features)})


CITY = square(0, 0, 10, name="city")
STATION = square(4, 4, 1, name="station", rule="no_pickup")


def test_a_market_without_zones_serves_the_world() -> None:
    assert zones_from_geojson("").refusal(51.0, 7.0, "pickup") is None


def test_outside_the_service_area_is_refused() -> None:
    zones = zones_from_geojson(collection(CITY))
    assert zones.refusal(5, 5, "pickup") is None
    assert zones.refusal(5, 11, "dropoff") == "lies outside the service area"


def test_no_pickup_forbids_the_pickup_alone_and_is_named() -> None:
    zones = zones_from_geojson(collection(CITY, STATION))
    assert "station" in zones.refusal(4.5, 4.5, "pickup")
    assert zones.refusal(4.5, 4.5, "dropoff") is None


def test_a_hole_is_not_inside() -> None:
    holed = square(0, 0, 10, name="ring")
    holed["geometry"]["coordinates"].append([[4, 4], [4, 6], [6, 6], [6, 4], [4, 4]])
    zones = zones_from_geojson(collection(holed))
    assert zones.refusal(5, 5, "pickup") is not None
    assert zones.area_name(1, 1) == "ring"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not JSON"),
        ("[]", "FeatureCollection"),
        (collection({"type": "Point"}), "feature 0"),
        (collection(CITY, square(0, 0, 1, name="odd", rule="nowhere")), r"feature 1 \(odd\): the rule"),
        (collection({"type": "Feature", "geometry": {"type": "Point", "coordinates": [0, 0]}}), "must be a Polygon"),
        (
            collection(
                {
                    "type": "Feature",
                    "properties": {"name": "bow"},
                    "geometry": {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]]},
                }
            ),
            r"feature 0 \(bow\).*Self-intersection",
        ),
        (collection({"type": "Feature", "properties": None, "geometry": None}), "feature 0"),
    ],
)
def test_a_faulty_drawing_names_the_feature_and_the_fault(text: str, said: str) -> None:
    with pytest.raises(ZoneError, match=said):
        zones_from_geojson(text)


def test_points_by_the_hundred_thousand_lie_where_each_alone_does() -> None:
    hole = {**square(0, 0, 10, name="ring"), "geometry": {"type": "Polygon", "coordinates": [
        square(0, 0, 10)["geometry"]["coordinates"][0], square(3, 3, 4)["geometry"]["coordinates"][0]]}}  # fmt: skip
    islands = {"type": "MultiPolygon", "coordinates": [
        square(20, 0, 2)["geometry"]["coordinates"], square(24, 0, 2)["geometry"]["coordinates"]]}  # fmt: skip
    zones = zones_from_geojson(collection(hole, {**square(0, 0, 1, name="islands"), "geometry": islands}, STATION))
    rng = np.random.default_rng(4)
    latitudes, longitudes = rng.uniform(-1, 11, 100_000), rng.uniform(-1, 27, 100_000)
    member = zones.membership(latitudes, longitudes)
    assert member.shape == (3, 100_000)
    for index in rng.integers(0, 100_000, 300).tolist():
        alone = [zone.name for zone in zones.at(latitudes[index], longitudes[index])]
        assert [zone.name for zone, inside in zip(zones.zones, member[:, index], strict=True) if inside] == alone


@pytest.mark.parametrize("west", [179.0, -181.0])
def test_a_zone_across_the_antimeridian_holds_both_its_sides(west) -> None:
    zones = zones_from_geojson(collection(square(west, 0, 2, name="fiji")))
    assert zones.membership(np.array([1.0] * 4), np.array([179.5, -179.5, 178.5, -178.5])).tolist() == [
        [True, True, False, False]
    ]


def test_a_ring_that_jumps_across_the_antimeridian_goes_the_short_way() -> None:
    zone = square(0, 0, 1, name="fiji")
    zone["geometry"]["coordinates"] = [[[179, 0], [-179, 0], [-179, 2], [179, 2], [179, 0]]]
    zones = zones_from_geojson(collection(zone))
    assert [bool(zones.at(1.0, lng)) for lng in (179.5, -179.5, 0.0, 90.0)] == [True, True, False, False]


def test_queues_and_overrides_are_found_by_place() -> None:
    queue, surge = square(0, 0, 2, name="airport", rule="queue"), square(1, 1, 2, name="match", rule="surge_override")
    surge["properties"]["multiplier"] = 1.8
    zones = zones_from_geojson(collection(queue, surge))
    assert zones.queue_of(np.array([0.5, 2.5, 9.0]), np.array([0.5, 2.5, 9.0])).tolist() == [0, -1, -1]
    assert (zones.queue_index(0.5, 0.5), zones.queue_index(9.0, 9.0)) == (0, -1)
    assert (zones.surge_override(2.5, 2.5), zones.surge_override(0.5, 0.5)) == (1.8, None)
