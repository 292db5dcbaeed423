"""Zones admit and refuse as drawn, and a faulty drawing is refused by feature and fault."""

from __future__ import annotations

import json

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
