"""Travel times behind one protocol: great circle with circuity and hourly speed, and planar for research instances."""

from __future__ import annotations

from dataclasses import dataclass
from math import asin, ceil, cos, radians, sin, sqrt
from typing import Protocol

import numpy as np

from geo.units import Floats

EARTH_RADIUS_M = 6_371_008.8  # mean radius, IUGG


class TravelTime(Protocol):
    """Estimates of how far and how long, for whole arrays at once."""

    def legs(
        self, from_lat: Floats, from_lng: Floats, to_lat: Floats, to_lng: Floats, at_s: float
    ) -> tuple[Floats, Floats]:
        """Metres and seconds of each leg, shapes broadcast; ``at_s`` is the departure in Unix seconds (UTC)."""
        ...

    def leg(self, from_lat: float, from_lng: float, to_lat: float, to_lng: float, at_s: float) -> tuple[float, float]:
        """Metres and seconds of one leg: the same as ``legs``, without the price of arrays."""
        ...

    def embed(self, lat: Floats, lng: Floats) -> Floats:
        """Points, shape (n, d), whose Euclidean order is the order of travel times: for nearest-neighbour search."""
        ...

    def radius(self, seconds: float, at_s: float) -> float:
        """Euclidean distance between embedded points that no leg of at most ``seconds`` exceeds."""
        ...

    @property
    def half_pickup_service_s(self) -> float:
        """Seconds between arrival and pickup, and again between pickup and departure."""
        ...

    @property
    def half_dropoff_service_s(self) -> float:
        """Seconds between arrival and drop-off, and again between drop-off and departure."""
        ...


@dataclass(frozen=True, slots=True)
class StraightLine:
    """Great-circle distance times ``circuity``, at the hour's speed (m/s; 1 value, or 24 by UTC hour)."""

    circuity: float
    speeds_mps: tuple[float, ...]
    half_pickup_service_s: float = 0.0
    half_dropoff_service_s: float = 0.0

    def speed(self, at_s: float) -> float:
        if len(self.speeds_mps) == 1:
            return self.speeds_mps[0]
        return self.speeds_mps[int(at_s // 3600) % 24]

    def legs(
        self, from_lat: Floats, from_lng: Floats, to_lat: Floats, to_lng: Floats, at_s: float
    ) -> tuple[Floats, Floats]:
        metres = great_circle_m(from_lat, from_lng, to_lat, to_lng) * self.circuity
        return metres, metres / self.speed(at_s)

    def leg(self, from_lat: float, from_lng: float, to_lat: float, to_lng: float, at_s: float) -> tuple[float, float]:
        lat_1, lat_2 = radians(from_lat), radians(to_lat)
        chord = sin((lat_2 - lat_1) / 2) ** 2 + cos(lat_1) * cos(lat_2) * sin(radians(to_lng - from_lng) / 2) ** 2
        metres = 2 * EARTH_RADIUS_M * asin(sqrt(min(chord, 1.0))) * self.circuity
        return metres, metres / self.speed(at_s)

    def embed(self, lat: Floats, lng: Floats) -> Floats:
        """On the unit sphere times the Earth's radius: chords grow with great circles, also across the antimeridian."""
        lat_r, lng_r = np.radians(lat), np.radians(lng)
        flat = np.cos(lat_r)
        return EARTH_RADIUS_M * np.stack([flat * np.cos(lng_r), flat * np.sin(lng_r), np.sin(lat_r)], axis=-1)

    def radius(self, seconds: float, at_s: float) -> float:
        metres = seconds * self.speed(at_s) / self.circuity
        return float(2 * EARTH_RADIUS_M * np.sin(min(metres / (2 * EARTH_RADIUS_M), np.pi / 2))) + 1e-3


@dataclass(frozen=True, slots=True)
class Planar:
    """Euclidean metres (latitude holds y, longitude x) at one speed, rounded up to a multiple of ``round_up_to_s``."""

    metres_per_minute: float
    round_up_to_s: float = 0.0
    half_pickup_service_s: float = 0.0
    half_dropoff_service_s: float = 0.0

    def legs(
        self,
        from_lat: Floats,
        from_lng: Floats,
        to_lat: Floats,
        to_lng: Floats,
        at_s: float,  # noqa: ARG002 - one speed at all hours
    ) -> tuple[Floats, Floats]:
        metres = np.sqrt((to_lng - from_lng) ** 2 + (to_lat - from_lat) ** 2)
        minutes = metres / self.metres_per_minute
        if self.round_up_to_s:
            steps = 60.0 / self.round_up_to_s
            return metres, np.ceil(minutes * steps) * self.round_up_to_s
        return metres, minutes * 60.0

    def leg(
        self,
        from_lat: float,
        from_lng: float,
        to_lat: float,
        to_lng: float,
        at_s: float,  # noqa: ARG002 - one speed at all hours
    ) -> tuple[float, float]:
        metres = sqrt((to_lng - from_lng) ** 2 + (to_lat - from_lat) ** 2)
        minutes = metres / self.metres_per_minute
        if self.round_up_to_s:
            return metres, ceil(minutes * (60.0 / self.round_up_to_s)) * self.round_up_to_s
        return metres, minutes * 60.0

    def embed(self, lat: Floats, lng: Floats) -> Floats:
        return np.stack([lng, lat], axis=-1)

    def radius(self, seconds: float, at_s: float) -> float:  # noqa: ARG002 - one speed at all hours
        return seconds / 60.0 * self.metres_per_minute + 1e-3


def one_leg(
    travel: TravelTime, from_lat: float, from_lng: float, to_lat: float, to_lng: float, at_s: float
) -> tuple[float, float]:
    """Metres and seconds of one leg, for models that only know arrays."""
    metres, seconds = travel.legs(
        np.array([from_lat]), np.array([from_lng]), np.array([to_lat]), np.array([to_lng]), at_s
    )
    return float(metres[0]), float(seconds[0])


def great_circle_m(from_lat: Floats, from_lng: Floats, to_lat: Floats, to_lng: Floats) -> Floats:
    """Metres between points in degrees, shapes broadcast.

    Haversine: Sinnott, "Virtues of the Haversine", Sky and Telescope 68 (1984).
    """
    lat_1, lat_2 = np.radians(from_lat), np.radians(to_lat)
    chord = (
        np.sin((lat_2 - lat_1) / 2) ** 2
        + np.cos(lat_1) * np.cos(lat_2) * np.sin(np.radians(np.subtract(to_lng, from_lng)) / 2) ** 2
    )
    metres: Floats = 2 * EARTH_RADIUS_M * np.arcsin(np.sqrt(np.clip(chord, 0.0, 1.0)))
    return metres
