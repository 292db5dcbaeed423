"""Zones at and beyond what they may hold: GeoJSON documents whose names, numbers and shapes are extreme."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from geo.geojson import LONGEST_NAME, MOST_CLASSES, SURGE_LIMITS
from load_tests.fuzz.sound import square

LARGEST_BYTES = 3_000_000
WEST, SOUTH = -73.9, 40.7


def documents() -> Iterator[tuple[str, bool]]:
    """Yield (GeoJSON, whether it keeps the bounds)."""
    yield from ((_collection(features), True) for features in _inside())
    yield from ((text, False) for text in _outside())


def _collection(features: list[Any]) -> str:
    return json.dumps({"type": "FeatureCollection", "features": features})


def _zone(name: str = "zone", rule: str = "queue", **properties: Any) -> dict[str, Any]:
    zone = square(WEST, SOUTH, 0.001, name, rule)
    zone["properties"] |= properties
    return zone


def _ring(*points: tuple[Any, Any], rule: str = "no_entry") -> dict[str, Any]:
    zone = _zone(rule=rule)
    zone["geometry"]["coordinates"] = [[list(point) for point in (*points, points[0])]]
    return zone


def _inside() -> Iterator[list[Any]]:
    yield []
    yield [_zone("\U0001f6b2" * LONGEST_NAME)]
    yield [_zone("x" * LONGEST_NAME)]
    low, high = SURGE_LIMITS
    yield [_zone(rule="surge_override", multiplier=low), _zone("other", "surge_override", multiplier=high)]
    yield [_zone(f"zone-{number}", **{"class": f"class_{number}"}) for number in range(MOST_CLASSES)]
    yield [_zone(**{"class": "c" * 40})]
    yield [_ring((-170.0, -90.0), (0.0, -90.0), (0.0, 90.0), (-170.0, 90.0), rule="service_area")]
    yield [_ring((-170.0, -90.0), (0.0, -90.0), (0.0, 90.0), (-170.0, 90.0), rule="no_pickup")]
    yield [_ring((179.9, -1.0), (-179.9, -1.0), (-179.9, 1.0), (179.9, 1.0))]
    yield [_ring((WEST, SOUTH), (WEST + 1e-9, SOUTH), (WEST, SOUTH + 1e-9))]
    yield [_zone(f"zone-{number}") for number in range(500)]
    yield [_zone(rule="no_entry", vehicles=["bicycle", "foot"])]


def _outside() -> Iterator[str]:
    low, high = SURGE_LIMITS
    for features in (
        [_zone("x" * (LONGEST_NAME + 1))],
        [_zone("x\0")],
        [_zone("x\x1b")],
        [_zone("same"), _zone("same")],
        [_zone(rule="surge_override", multiplier=low - 1e-9)],
        [_zone(rule="surge_override", multiplier=high + 1e-9)],
        [_zone(rule="surge_override", multiplier=float("nan"))],
        [_zone(rule="surge_override", multiplier=10**400)],
        [_zone(rule="surge_override", multiplier=True)],
        [_zone(**{"class": "c" * 41})],
        [_zone(**{"class": "c\n"})],
        [_zone(f"zone-{number}", **{"class": f"class_{number}"}) for number in range(MOST_CLASSES + 1)],
        [_zone(rule="no_entry", vehicles=[])],
        [_zone(rule="no_such_rule")],
        [_ring((0.0, 90.0000001), (1.0, 89.0), (0.0, 89.0))],
        [_ring((360.0000001, 0.0), (1.0, 1.0), (0.0, 1.0))],
        [_ring((1e308, 0.0), (1.0, 1.0), (0.0, 1.0))],
        [_ring((float("nan"), 0.0), (1.0, 1.0), (0.0, 1.0))],
        [_ring((10**400, 0.0), (1.0, 1.0), (0.0, 1.0))],
        [_ring(("1", 0.0), (1.0, 1.0), (0.0, 1.0))],
        [_ring((0.0, 0.0), (1.0, 1.0), (0.0, 1.0), (1.0, 0.0))],
        [_ring((0.0, 0.0))],
        [None],
        ["zone"],
    ):
        yield _collection(features)
    # Half of a surrogate pair: JSON can hold it, UTF-8 cannot.
    yield _collection([_zone("lone SURROGATE")]).replace("SURROGATE", "\\ud800")
    yield _collection([_zone("twin SURROGATE")]).replace("SURROGATE", "\\udc00\\ud800")
    yield "[" * 100_000
    yield '{"type": "FeatureCollection", "features": ' + "[" * 50_000 + "]" * 50_000 + "}"
    yield '{"type": "FeatureCollection"}'
    yield "{}"
    yield '{"type": "FeatureCollection", "features": [], "padding": "' + "x" * LARGEST_BYTES + '"}'
