"""Zones from GeoJSON (RFC 7946): each fault is named with its feature."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import shapely
from shapely.affinity import translate
from shapely.geometry import shape

from geo.zones import EVERY_VEHICLE, VEHICLES, Rule, Zone, ZoneError, ZoneSet

SURGE_LIMITS = (1.0, 10.0)
# Classes are labels of metrics: few, and short.
CLASS = re.compile(r"[a-z0-9_]{1,40}")
MOST_CLASSES = 50


def zones_from_geojson(text: str) -> ZoneSet:
    """Read a FeatureCollection; empty text means no zones. Raises ZoneError naming the feature and the fault."""
    if not text:
        return ZoneSet()
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as fault:
        raise ZoneError(f"not JSON: {fault}") from fault
    if not isinstance(document, dict) or document.get("type") != "FeatureCollection":
        raise ZoneError('the document must be a GeoJSON object of type "FeatureCollection"')
    features = document.get("features")
    if not isinstance(features, list):
        raise ZoneError('"features" must be a list')
    zones = tuple(_zone(index, feature) for index, feature in enumerate(features))
    _check_names(zones)
    classes = {zone.kind for zone in zones} - {""}
    if len(classes) > MOST_CLASSES:
        raise ZoneError(f"{len(classes)} classes of zones: at most {MOST_CLASSES} can be told apart")
    return ZoneSet(zones)


def _check_names(zones: tuple[Zone, ...]) -> None:
    names = [zone.name for zone in zones if zone.rule is Rule.QUEUE]
    for name in names:
        if names.count(name) > 1:
            raise ZoneError(f"two queue zones are named {name!r}: a courier could not tell which queue is meant")


def _zone(index: int, feature: object) -> Zone:
    where = f"feature {index}"
    if not isinstance(feature, dict) or feature.get("type") != "Feature":
        raise ZoneError(f'{where}: must be an object of type "Feature"')
    properties = feature.get("properties")
    properties = properties if isinstance(properties, dict) else {}
    name = str(properties.get("name") or where)
    where = f"feature {index} ({name})"
    rule = _rule(where, properties)
    polygon = _polygon(where, feature.get("geometry"))
    shapely.prepare(polygon)
    return Zone(
        name,
        rule,
        polygon,
        _vehicles(where, properties) if rule is Rule.NO_ENTRY else 0,
        _multiplier(where, properties) if rule is Rule.SURGE_OVERRIDE else 1.0,
        _class(where, properties),
    )


def _rule(where: str, properties: dict[str, Any]) -> Rule:
    given = properties.get("rule", Rule.SERVICE_AREA.value)
    try:
        return Rule(given)
    except ValueError as fault:
        known = ", ".join(rule.value for rule in Rule)
        raise ZoneError(f"{where}: the rule must be one of {known}, not {given!r}") from fault


def _class(where: str, properties: dict[str, Any]) -> str:
    given = properties.get("class", "")
    if not isinstance(given, str) or (given and not CLASS.fullmatch(given)):
        raise ZoneError(f"{where}: the class must be a word of a-z, 0-9 and _, up to 40 long, not {given!r}")
    return given


def _vehicles(where: str, properties: dict[str, Any]) -> int:
    """Bits of the vehicles named, or of all where none are."""
    names = properties.get("vehicles")
    if names is None:
        return EVERY_VEHICLE
    if not isinstance(names, list) or not names or not all(isinstance(n, str) and n in VEHICLES for n in names):
        raise ZoneError(f"{where}: vehicles must be a list out of {', '.join(VEHICLES)}, not {names!r}")
    return sum(VEHICLES[name] for name in set(names))


def _multiplier(where: str, properties: dict[str, Any]) -> float:
    value = properties.get("multiplier")
    low, high = SURGE_LIMITS
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ZoneError(f"{where}: a surge override needs a multiplier from {low:g} to {high:g}, not {value!r}")
    return float(value)


def _polygon(where: str, geometry: object) -> Any:
    try:
        polygon = shape(geometry)
    except (AttributeError, LookupError, TypeError, ValueError, OverflowError, shapely.errors.ShapelyError) as fault:
        raise ZoneError(f"{where}: the geometry cannot be read: {fault}") from fault
    if polygon.geom_type not in ("Polygon", "MultiPolygon") or polygon.is_empty:
        raise ZoneError(f"{where}: the geometry must be a Polygon or MultiPolygon with points")
    _check_coordinates(where, shapely.get_coordinates(polygon))
    polygon = _unwrapped(polygon)
    if not polygon.is_valid:
        raise ZoneError(f"{where}: the geometry is invalid: {shapely.is_valid_reason(polygon)}")
    return _within_the_world(polygon)


def _check_coordinates(where: str, points: np.ndarray) -> None:
    """GeoJSON has longitude first; some have it the other way round."""
    wrong = ~(np.abs(points[:, 0]) <= 360.0) | ~(np.abs(points[:, 1]) <= 90.0)
    if wrong.any():
        longitude, latitude = points[int(np.argmax(wrong))]
        raise ZoneError(
            f"{where}: the position [{longitude:g}, {latitude:g}] is not on Earth;"
            " GeoJSON positions are [longitude, latitude] in degrees"
        )


def _unwrapped(polygon: Any) -> Any:
    """Rings that jump from one side of the antimeridian to the other, as one piece around it.

    A step of more than half a turn between two corners can only mean the short way across the antimeridian.
    """
    return _shifted(polygon) if _crosses(polygon) else polygon


def _crosses(polygon: Any) -> bool:
    return any(np.abs(np.diff(shapely.get_coordinates(ring)[:, 0])).max() > 180 for ring in _rings(polygon))


def _rings(polygon: Any) -> list[Any]:
    parts = shapely.get_parts(polygon)
    return [ring for part in parts for ring in (part.exterior, *part.interiors)]


def _shifted(polygon: Any) -> Any:
    """Western longitudes a turn further, so that each ring is continuous."""

    def around(points: np.ndarray) -> np.ndarray:
        turned = points.copy()
        turned[turned[:, 0] < 0, 0] += 360.0
        return turned

    return shapely.transform(polygon, around)


def _within_the_world(polygon: Any) -> Any:
    """Parts beyond 180 degrees are moved to where positions are given: -180 to 180."""
    west, _, east, _ = polygon.bounds
    if west >= -180.0 and east <= 180.0:
        return polygon
    world = shapely.box(-180.0, -90.0, 180.0, 90.0)
    pieces = [translate(polygon, turn).intersection(world) for turn in (-360.0, 0.0, 360.0)]
    return shapely.union_all([piece for piece in pieces if not piece.is_empty])
