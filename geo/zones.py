"""Zones of a market: named GeoJSON polygons with a rule, prepared for point tests one by one and by the 100,000."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from geo.faults import ZoneError as ZoneError
from geo.meridian import with_both_meridians
from geo.units import Floats, Ints

Bools = npt.NDArray[np.bool_]
NO_ZONES: Ints = np.zeros(0, np.int64)


class Rule(Enum):
    SERVICE_AREA = "service_area"
    NO_PICKUP = "no_pickup"
    NO_DROPOFF = "no_dropoff"
    # Vehicles may not go there: neither pickups nor drop-offs.
    NO_ENTRY = "no_entry"
    # Couriers who wait here are served first in, first out.
    QUEUE = "queue"
    # The surge multiplier is this, whatever demand and supply say.
    SURGE_OVERRIDE = "surge_override"


@dataclass(frozen=True, slots=True)
class Zone:
    """``vehicles``: bits of the vehicles that a no-entry zone keeps out. ``multiplier`` of a surge override.
    ``kind``: what places of its sort are called where people are compared by area; empty: nothing."""

    name: str
    rule: Rule
    polygon: Any  # shapely geometry; shapely ships no types
    vehicles: int = 0
    multiplier: float = 1.0
    kind: str = ""


class ZoneSet:
    """All zones of a market. With no service area drawn, the whole world is served.

    ``document``: the GeoJSON text to keep, with every repair and cut in it. ``repairs``: a sentence for each repair.
    """

    def __init__(self, zones: tuple[Zone, ...] = (), document: str = "", repairs: tuple[str, ...] = ()) -> None:
        self.zones, self.document, self.repairs = zones, document, repairs
        self._polygons = with_both_meridians(np.array([zone.polygon for zone in zones], object))
        self._tree = shapely.STRtree(self._polygons)
        self._bars = np.array([zone.vehicles if zone.rule is Rule.NO_ENTRY else 0 for zone in zones], np.int64)
        self._has_service_area = any(zone.rule is Rule.SERVICE_AREA for zone in zones)
        self._has_classes = any(zone.kind for zone in zones)
        queues = [index for index, zone in enumerate(zones) if zone.rule is Rule.QUEUE]
        self.queue_names = tuple(zones[index].name for index in queues)
        # Index in ``queue_names`` by name; the first of a name counts.
        self.queue_numbers = {name: number for number, name in reversed(list(enumerate(self.queue_names)))}
        # By zone: its index in ``queue_names``, or -1.
        self._queue_of_zone = np.full(len(zones), -1, np.int64)
        self._queue_of_zone[queues] = np.arange(len(queues))
        self._queues = _Part.of(self._polygons, np.array(queues, np.int64))
        self._barring = _Part.of(self._polygons, np.flatnonzero(self._bars))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the polygons as WKB, all at once; the process that unpickles them prepares them."""
        rows = [(zone.name, zone.rule, zone.vehicles, zone.multiplier, zone.kind) for zone in self.zones]
        polygons = np.array([zone.polygon for zone in self.zones], object)
        return _rebuilt, (rows, shapely.to_wkb(polygons), self.document, self.repairs)

    def warm_up(self) -> None:
        """Build the indices of polygons and trees, which the first look-up would otherwise do."""
        if self.zones:
            bounds = shapely.bounds(self._polygons)
            shapely.intersects_xy(self._polygons, (bounds[:, 0] + bounds[:, 2]) / 2, (bounds[:, 1] + bounds[:, 3]) / 2)
            for part in (self._queues, self._barring):
                part.pairs(np.zeros(1), np.zeros(1))
            self.at(0.0, 0.0)

    def at(self, latitude: float, longitude: float) -> list[Zone]:
        """The zones that hold the point, in the order of the file; a border belongs to its zone."""
        if not self.zones or not (math.isfinite(latitude) and math.isfinite(longitude)):
            return []
        near = np.sort(self._tree.query(shapely.Point(longitude, latitude)))
        if not near.size:
            return []
        inside = near[shapely.intersects_xy(self._polygons[near], longitude, latitude)]
        return [self.zones[index] for index in inside.tolist()]

    def class_of(self, latitude: float, longitude: float) -> str:
        """The class of the first zone here that has one, or nothing."""
        if not self._has_classes:
            return ""
        return next((zone.kind for zone in self.at(latitude, longitude) if zone.kind), "")

    def membership(self, latitudes: Floats, longitudes: Floats) -> Bools:
        """Shape (zones, n): which points lie in which zones."""
        member = np.zeros((len(self.zones), latitudes.size), bool)
        everything = _Part.of(self._polygons, np.arange(len(self.zones)))
        for point, zone in everything.pairs(latitudes, longitudes):
            member[zone, point] = True
        return member

    def refusal(self, latitude: float, longitude: float, end: str) -> str | None:
        """Why a job may not start (``end="pickup"``) or finish (``end="dropoff"``) here, or None where it may."""
        if not self.zones:
            return None
        zones = self.at(latitude, longitude)
        if self._has_service_area and not any(zone.rule is Rule.SERVICE_AREA for zone in zones):
            return "lies outside the service area"
        for zone in zones:
            if zone.rule.value == f"no_{end}":
                return f"lies in the zone {zone.name!r}, where no {end} is allowed"
            if zone.rule is Rule.NO_ENTRY and zone.vehicles == EVERY_VEHICLE:
                return f"lies in the zone {zone.name!r}, which no vehicle may enter"
        return None

    def barred(self, latitude: float, longitude: float) -> int:
        """Bits of the vehicles that may not come here."""
        bits = 0
        for zone in self.at(latitude, longitude):
            if zone.rule is Rule.NO_ENTRY:
                bits |= zone.vehicles
        return bits

    def queue_index(self, latitude: float, longitude: float) -> int:
        """Index in ``queue_names`` of the first queue zone that holds the point, or -1."""
        zone = next((zone for zone in self.at(latitude, longitude) if zone.rule is Rule.QUEUE), None)
        return -1 if zone is None else self.queue_numbers[zone.name]

    def barred_of(self, latitudes: Floats, longitudes: Floats) -> Ints:
        """Return the bits of the vehicles that may not come to each point, shape (n,), int64."""
        bits = np.zeros(latitudes.size, np.int64)
        for point, zone in self._barring.pairs(latitudes, longitudes):
            np.bitwise_or.at(bits, point, self._bars[zone])
        return bits

    def queue_of(self, latitudes: Floats, longitudes: Floats, without: Collection[str] = ()) -> Ints:
        """Shape (n,), int64: index in ``queue_names`` of the first queue zone that holds each point, or -1.

        Skips the zones whose names are in ``without``.
        """
        found = np.full(latitudes.size, -1, np.int64)
        skipped = np.array([self.queue_numbers[name] for name in without if name in self.queue_numbers], np.int64)
        for point, zone in self._queues.pairs(latitudes, longitudes, skipped):
            # Backwards, so that the first zone of a point is written last.
            found[point[::-1]] = self._queue_of_zone[zone[::-1]]
        return found

    def surge_override(self, latitude: float, longitude: float) -> float | None:
        """The multiplier that is set here by hand, or None."""
        zones = self.at(latitude, longitude)
        return next((zone.multiplier for zone in zones if zone.rule is Rule.SURGE_OVERRIDE), None)

    def area_name(self, latitude: float, longitude: float) -> str | None:
        """The name of the service-area zone that holds the point."""
        return next((zone.name for zone in self.at(latitude, longitude) if zone.rule is Rule.SERVICE_AREA), None)


def _rebuilt(
    rows: list[tuple[str, Rule, int, float, str]], wkb: npt.NDArray[Any], document: str, repairs: tuple[str, ...]
) -> ZoneSet:
    polygons = shapely.from_wkb(wkb)
    shapely.prepare(polygons)
    zones = ZoneSet(
        tuple(
            Zone(name, rule, polygon, vehicles, multiplier, kind)
            for (name, rule, vehicles, multiplier, kind), polygon in zip(rows, polygons.tolist(), strict=True)
        ),
        document,
        repairs,
    )
    zones.warm_up()
    return zones


@dataclass(frozen=True, slots=True)
class _Part:
    """Some of the zones, for look-ups of many points: ``zones`` (m,) their indices, ``bounds`` west, south, east, north
    of all of them together."""

    zones: Ints
    polygons: npt.NDArray[Any]
    tree: Any
    bounds: tuple[float, float, float, float]

    @classmethod
    def of(cls, polygons: npt.NDArray[Any], zones: Ints) -> _Part:
        chosen = polygons[zones]
        if not chosen.size:
            return cls(zones, chosen, shapely.STRtree(chosen), (math.inf, math.inf, -math.inf, -math.inf))
        west, south, east, north = shapely.total_bounds(chosen).tolist()
        return cls(zones, chosen, shapely.STRtree(chosen), (west, south, east, north))

    def pairs(self, latitudes: Floats, longitudes: Floats, skipped: Ints = NO_ZONES) -> Iterator[tuple[Ints, Ints]]:
        """Yield points and the zones that hold them, in portions: by point, then by zone. A border belongs to its zone.

        Two arrays of equal shape each: indices of points, and of zones. Those at the places ``skipped`` of this part
        are not looked at.
        """
        if not self.zones.size:
            return
        west, south, east, north = self.bounds
        inside = (latitudes >= south) & (latitudes <= north) & (longitudes >= west) & (longitudes <= east)
        near = np.flatnonzero(inside)
        for start in range(0, near.size, POINTS_AT_A_TIME):
            some = near[start : start + POINTS_AT_A_TIME]
            place, zone = self.tree.query(shapely.points(longitudes[some], latitudes[some]))
            if skipped.size:
                kept = ~np.isin(zone, skipped)
                place, zone = place[kept], zone[kept]
            order = np.lexsort((zone, place))
            place, zone = place[order], zone[order]
            point = some[place]
            held = shapely.intersects_xy(self.polygons[zone], longitudes[point], latitudes[point])
            yield point[held], self.zones[zone[held]]


# Points that are looked up at a time: each may lie in the boxes of hundreds of zones.
POINTS_AT_A_TIME = 4096

# Vehicle bits by the names that zone files use: 1 << gig.v1.VehicleType.
VEHICLES = {"car": 1 << 1, "van": 1 << 2, "motorcycle": 1 << 3, "bicycle": 1 << 4, "foot": 1 << 5}
EVERY_VEHICLE = sum(VEHICLES.values())
