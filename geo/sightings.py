"""Where somebody was seen and when, and the first moment at which they can have been somewhere else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from geo.travel import great_circle_m
from geo.units import Floats, Ints

MICROS = 1_000_000


@dataclass(frozen=True, slots=True)
class Sightings:
    """Positions of one person in columns of equal length, in order of time: Unix microseconds, degrees."""

    times_us: Ints
    latitudes: Floats
    longitudes: Floats

    @classmethod
    def none(cls) -> Sightings:
        return cls(np.zeros(0, np.int64), np.zeros(0), np.zeros(0))

    def and_at(self, time_us: int, latitude: float, longitude: float) -> Sightings:
        """Return the same with one more sighting."""
        place = int(np.searchsorted(self.times_us, time_us))
        return Sightings(
            np.insert(self.times_us, place, time_us),
            np.insert(self.latitudes, place, latitude),
            np.insert(self.longitudes, place, longitude),
        )


@dataclass(frozen=True, slots=True)
class Reach:
    """How far somebody can be: ``fastest_mps`` metres a second, and the error of a position in metres. ``planar``: the
    positions are x and y in metres instead of degrees."""

    fastest_mps: float
    error_m: float
    planar: bool = False

    def away_us(self, from_lat: Floats, from_lng: Floats, to_lat: Floats, to_lng: Floats) -> Ints:
        """Return the least time in microseconds between positions, shapes broadcast."""
        if self.planar:
            metres = np.hypot(to_lat - from_lat, to_lng - from_lng)
        else:
            metres = great_circle_m(from_lat, from_lng, to_lat, to_lng)
        seconds = np.maximum(metres - self.error_m, 0.0) / self.fastest_mps
        found: Ints = np.ceil(seconds * MICROS).astype(np.int64)
        return found


def without_strays(seen: Sightings, reach: Reach) -> Sightings:
    """Return the sightings without single positions that cannot be reached from either neighbour. Of two, both stay."""
    if seen.times_us.size <= 2:
        return seen
    latitudes, longitudes = seen.latitudes, seen.longitudes
    away = reach.away_us(latitudes[:-1], longitudes[:-1], latitudes[1:], longitudes[1:])
    broken = away > np.diff(seen.times_us)
    kept = ~(np.r_[True, broken] & np.r_[broken, True])
    return Sightings(seen.times_us[kept], latitudes[kept], longitudes[kept])


def first_possible_us(
    seen: Sightings, latitude: float, longitude: float, from_us: int, until_us: int, reach: Reach
) -> int:
    """Return the first moment, from ``from_us`` on, at which the person can have been at a position.

    Each sighting rules out the time around it that the way would take. Times in microseconds; at most ``until_us``.
    """
    away = reach.away_us(seen.latitudes, seen.longitudes, np.array([latitude]), np.array([longitude]))
    begins, ends = seen.times_us - away, seen.times_us + away
    at_us = from_us
    for index in np.argsort(begins, kind="stable").tolist():
        if begins[index] < at_us < ends[index]:
            at_us = int(ends[index])
    return min(at_us, until_us)
