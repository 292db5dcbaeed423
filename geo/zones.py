"""Zones of a market: named GeoJSON polygons with a rule, prepared for point tests one by one and by the 100,000."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from geo.units import Floats, Ints

Bools = npt.NDArray[np.bool_]


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


class ZoneError(ValueError):
    """A zone that cannot be used; the message names the feature and the fault."""


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

    def holds(self, latitudes: Floats, longitudes: Floats) -> Bools:
        """Shape (n,): which points lie inside; a border belongs to its zone."""
        west, south, east, north = self.polygon.bounds
        inside: Bools = (latitudes >= south) & (latitudes <= north) & (longitudes >= west) & (longitudes <= east)
        near = np.flatnonzero(inside)
        inside[near] = shapely.intersects_xy(self.polygon, longitudes[near], latitudes[near])
        return inside


class ZoneSet:
    """All zones of a market. With no service area drawn, the whole world is served."""

    def __init__(self, zones: tuple[Zone, ...] = ()) -> None:
        self.zones = zones
        self._tree = shapely.STRtree([zone.polygon for zone in zones])
        self._has_service_area = any(zone.rule is Rule.SERVICE_AREA for zone in zones)
        self._has_classes = any(zone.kind for zone in zones)
        self._queues = [zone for zone in zones if zone.rule is Rule.QUEUE]
        self.queue_names = tuple(zone.name for zone in self._queues)

    def at(self, latitude: float, longitude: float) -> list[Zone]:
        """The zones that hold the point, in the order of the file; a border belongs to its zone."""
        if not self.zones or not (math.isfinite(latitude) and math.isfinite(longitude)):
            return []
        hits = self._tree.query(shapely.Point(longitude, latitude), predicate="intersects")
        return [self.zones[index] for index in sorted(hits.tolist())]

    def class_of(self, latitude: float, longitude: float) -> str:
        """The class of the first zone here that has one, or nothing."""
        if not self._has_classes:
            return ""
        return next((zone.kind for zone in self.at(latitude, longitude) if zone.kind), "")

    def membership(self, latitudes: Floats, longitudes: Floats) -> Bools:
        """Shape (zones, n): which points lie in which zones."""
        rows = [zone.holds(latitudes, longitudes) for zone in self.zones]
        return np.stack(rows) if rows else np.zeros((0, latitudes.size), bool)

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
        """Index in ``queue_names`` of the queue zone that holds the point, or -1."""
        zone = next((zone for zone in self.at(latitude, longitude) if zone.rule is Rule.QUEUE), None)
        return -1 if zone is None else self.queue_names.index(zone.name)

    def queue_of(self, latitudes: Floats, longitudes: Floats, without: Collection[str] = ()) -> Ints:
        """Shape (n,), int64: index in ``queue_names`` of the first queue zone that holds each point, or -1.

        Zones whose names are in ``without`` are not looked at.
        """
        found = np.full(latitudes.size, -1, np.int64)
        for index in reversed(range(len(self._queues))):
            if self._queues[index].name in without:
                continue
            found[self._queues[index].holds(latitudes, longitudes)] = index
        return found

    def surge_override(self, latitude: float, longitude: float) -> float | None:
        """The multiplier that is set here by hand, or None."""
        zones = self.at(latitude, longitude)
        return next((zone.multiplier for zone in zones if zone.rule is Rule.SURGE_OVERRIDE), None)

    def area_name(self, latitude: float, longitude: float) -> str | None:
        """The name of the service-area zone that holds the point."""
        return next((zone.name for zone in self.at(latitude, longitude) if zone.rule is Rule.SERVICE_AREA), None)


# Vehicle bits by the names that zone files use: 1 << gig.v1.VehicleType.
VEHICLES = {"car": 1 << 1, "van": 1 << 2, "motorcycle": 1 << 3, "bicycle": 1 << 4, "foot": 1 << 5}
EVERY_VEHICLE = sum(VEHICLES.values())
