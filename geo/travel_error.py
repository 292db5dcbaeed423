"""How far travel-time models are off, on trips that were really made; and what such trips say of the models."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from geo.plausible_trips import DEFAULT_BOUNDS, Bools, TripBounds, TripUse, plausible
from geo.ratios import middle_ratio
from geo.travel import StraightLine, TravelTime, great_circle_m
from geo.trip_times import HOURS, TripTimes
from geo.units import Floats, Ints

# Trips that the day's speed counts for against an hour's.
PRIOR_TRIPS = 10.0


@dataclass(frozen=True, slots=True)
class Trips:
    """Trips straight from pickup to drop-off, in columns (n,): degrees, departure in Unix seconds, seconds taken."""

    from_lat: Floats
    from_lng: Floats
    to_lat: Floats
    to_lng: Floats
    left_s: Floats
    taken_s: Floats

    def __len__(self) -> int:
        return int(self.left_s.size)

    @property
    def hour(self) -> Ints:
        """Hour of departure, 0 to 23, UTC."""
        hours: Ints = (self.left_s // 3600).astype(np.int64) % HOURS
        return hours

    @property
    def apart_m(self) -> Floats:
        """Metres between the ends along the great circle."""
        return great_circle_m(self.from_lat, self.from_lng, self.to_lat, self.to_lng)

    def part(self, rows: Ints | Bools) -> Trips:
        return Trips(
            self.from_lat[rows],
            self.from_lng[rows],
            self.to_lat[rows],
            self.to_lng[rows],
            self.left_s[rows],
            self.taken_s[rows],
        )


@dataclass(frozen=True, slots=True)
class Errors:
    """Mean absolute error and bias (predicted - taken) in seconds; mean absolute error as a share of the time taken."""

    mae_s: float
    mape: float
    bias_s: float


def split(trips: Trips, held_out: float) -> tuple[Trips, Trips]:
    """The earlier trips to learn from, and the latest share ``held_out`` of them to test on."""
    order = np.argsort(trips.left_s, kind="stable")
    learned = order.size - round(order.size * held_out)
    return trips.part(order[:learned]), trips.part(order[learned:])


def predicted_s(model: TravelTime, trips: Trips) -> Floats:
    """Seconds of each trip, shape (n,), by its hour of departure."""
    seconds = np.zeros(len(trips))
    hours = trips.left_s // 3600
    for hour in np.unique(hours):
        mine = np.flatnonzero(hours == hour)
        part = trips.part(mine)
        seconds[mine] = model.legs(part.from_lat, part.from_lng, part.to_lat, part.to_lng, float(hour * 3600))[1]
    return seconds


def errors(predicted: Floats, taken_s: Floats) -> Errors:
    """Of one trip at least, each of which took some time."""
    off = predicted - taken_s
    return Errors(float(np.abs(off).mean()), float((np.abs(off) / taken_s).mean()), float(off.mean()))


def sound(trips: Trips) -> Trips:
    """Return the trips that can have been made as they were recorded: models are fitted to them and tested on them."""
    return trips.part(plausible(trips.apart_m, trips.taken_s))


def fitted_straight_line(trips: Trips, circuity: float) -> StraightLine:
    """Return the speed of each hour, by the middle half of its trips, shrunk to the day's where an hour has few.

    ``trips``: at least one, all of them sound.
    """
    metres = trips.apart_m * circuity
    day = middle_ratio(metres, trips.taken_s)
    speeds = []
    for hour in range(HOURS):
        mine = np.flatnonzero(trips.hour == hour)
        own = middle_ratio(metres[mine], trips.taken_s[mine]) if mine.size else day
        speeds.append((mine.size * own + PRIOR_TRIPS * day) / (mine.size + PRIOR_TRIPS))
    return StraightLine(circuity, tuple(speeds))


def fitted_trip_times(
    trips: Trips, straight: StraightLine, resolution: int, bounds: TripBounds = DEFAULT_BOUNDS
) -> TripTimes:
    """Return what the trips within bounds took against the straight line, by pairs of cells and by hour."""
    times = TripTimes(resolution)
    straight_s, apart_m = predicted_s(straight, trips), trips.apart_m
    for row in range(len(trips)):
        if bounds.use_of(apart_m[row], trips.taken_s[row], straight_s[row]) is not TripUse.LEARNED:
            continue
        times.add(
            times.cell_at(trips.from_lat[row], trips.from_lng[row]),
            times.cell_at(trips.to_lat[row], trips.to_lng[row]),
            int(trips.hour[row]),
            1,
            round(trips.taken_s[row] * 1000),
            round(straight_s[row] * 1000),
        )
    return times
