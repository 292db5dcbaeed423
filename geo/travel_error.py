"""How far travel-time models are off, on trips that were really made; and what such trips say of the models."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from geo.learned_travel import HOURS, TripTimes
from geo.travel import StraightLine, TravelTime
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

    def part(self, rows: Ints) -> Trips:
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


def fitted_straight_line(trips: Trips, circuity: float) -> StraightLine:
    """The speed of each hour, as a ratio of sums, shrunk to the day's where an hour has few trips."""
    metres, _ = StraightLine(circuity, (1.0,)).legs(trips.from_lat, trips.from_lng, trips.to_lat, trips.to_lng, 0.0)
    day = metres.sum() / trips.taken_s.sum()
    weight = PRIOR_TRIPS * trips.taken_s.mean()
    driven = np.bincount(trips.hour, metres, HOURS) + weight * day
    taken = np.bincount(trips.hour, trips.taken_s, HOURS) + weight
    return StraightLine(circuity, tuple((driven / taken).tolist()))


def fitted_trip_times(trips: Trips, straight: StraightLine, resolution: int) -> TripTimes:
    """What the trips took against the straight line, by pairs of cells and by hour."""
    times = TripTimes(resolution)
    straight_s = predicted_s(straight, trips)
    for row in range(len(trips)):
        times.add(
            times.cell_at(trips.from_lat[row], trips.from_lng[row]),
            times.cell_at(trips.to_lat[row], trips.to_lng[row]),
            int(trips.hour[row]),
            1,
            round(trips.taken_s[row] * 1000),
            round(straight_s[row] * 1000),
        )
    return times
