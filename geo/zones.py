"""Zones of a market: named GeoJSON polygons with a rule, prepared for point tests."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import shapely
from shapely.geometry import shape

RULES = ("service_area", "no_pickup", "no_dropoff")


class ZoneError(ValueError):
    """A zone that cannot be used; the message names the feature and the fault."""


@dataclass(frozen=True, slots=True)
class Zone:
    name: str
    rule: str
    polygon: Any  # shapely geometry; shapely ships no types


class ZoneSet:
    """All zones of a market. With no service area drawn, the whole world is served."""

    def __init__(self, zones: tuple[Zone, ...] = ()) -> None:
        self.zones = zones
        self._tree = shapely.STRtree([zone.polygon for zone in zones])
        self._has_service_area = any(zone.rule == "service_area" for zone in zones)

    @classmethod
    def from_geojson(cls, text: str) -> ZoneSet:
        """Read a FeatureCollection; empty text means no zones. Raises ZoneError naming the feature and the fault."""
        if not text:
            return cls()
        try:
            document = json.loads(text)
        except ValueError as fault:
            raise ZoneError(f"not JSON: {fault}") from fault
        if not isinstance(document, dict) or document.get("type") != "FeatureCollection":
            raise ZoneError('the document must be a GeoJSON object of type "FeatureCollection"')
        features = document.get("features")
        if not isinstance(features, list):
            raise ZoneError('"features" must be a list')
        return cls(tuple(_zone(index, feature) for index, feature in enumerate(features)))

    def at(self, latitude: float, longitude: float) -> list[Zone]:
        """The zones that hold the point, in the order of the file; a border belongs to its zone."""
        if not self.zones:
            return []
        hits = self._tree.query(shapely.Point(longitude, latitude), predicate="intersects")
        return [self.zones[index] for index in sorted(hits.tolist())]

    def refusal(self, latitude: float, longitude: float, end: str) -> str | None:
        """Why a job may not start (``end="pickup"``) or finish (``end="dropoff"``) here, or None where it may."""
        if not self.zones:
            return None
        zones = self.at(latitude, longitude)
        if self._has_service_area and not any(zone.rule == "service_area" for zone in zones):
            return "lies outside the service area"
        for zone in zones:
            if zone.rule == f"no_{end}":
                return f"lies in the zone {zone.name!r}, where no {end} is allowed"
        return None

    def area_name(self, latitude: float, longitude: float) -> str | None:
        """The name of the service-area zone that holds the point."""
        return next((zone.name for zone in self.at(latitude, longitude) if zone.rule == "service_area"), None)


def _zone(index: int, feature: object) -> Zone:
    where = f"feature {index}"
    if not isinstance(feature, dict) or feature.get("type") != "Feature":
        raise ZoneError(f'{where}: must be an object of type "Feature"')
    properties = feature.get("properties")
    properties = properties if isinstance(properties, dict) else {}
    name = str(properties.get("name") or where)
    where = f"feature {index} ({name})"
    rule = properties.get("rule", "service_area")
    if rule not in RULES:
        raise ZoneError(f"{where}: the rule must be one of {', '.join(RULES)}, not {rule!r}")
    try:
        polygon = shape(feature.get("geometry"))
    except (AttributeError, KeyError, TypeError, ValueError, shapely.errors.ShapelyError) as fault:
        raise ZoneError(f"{where}: the geometry cannot be read: {fault}") from fault
    if polygon.geom_type not in ("Polygon", "MultiPolygon") or polygon.is_empty:
        raise ZoneError(f"{where}: the geometry must be a Polygon or MultiPolygon with points")
    if not polygon.is_valid:
        raise ZoneError(f"{where}: the geometry is invalid: {shapely.is_valid_reason(polygon)}")
    shapely.prepare(polygon)
    return Zone(name, str(rule), polygon)
