"""How far and how long ways are, by what a trace recorded of its trips."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from dispatcher.times import SECOND
from geo.plausible_trips import LONGEST_M, SHORTEST_M, Bools, plausible
from geo.ratios import middle_ratio
from geo.travel import Planar, StraightLine, TravelTime, great_circle_m
from geo.trip_times import HOURS
from geo.units import Floats, Ints
from load_tests.traces.columns import MISSING_US, floats, places_of, utc_us
from load_tests.traces.reading import Trace

# Where a trace recorded no trips: city traffic, as the policy "plain" has it.
CIRCUITY, SPEED_MPS = 1.2, 5.5
# So many recorded trips make an hour's speed.
ENOUGH_TRIPS = 50
# The most that ways in a whole city can be longer than the straight line.
MOST_CIRCUITY = 3.0


@dataclass(frozen=True, slots=True)
class RecordedTrips:
    """Trips in columns, shape (n,): metres along the great circle, metres as recorded (NaN: not recorded), seconds from
    pickup to drop-off (NaN: not recorded), UTC hour of the pickup."""

    apart_m: Floats
    metres: Floats
    seconds: Floats
    hour: Ints


def travel_of(trace: Trace) -> TravelTime:
    """Return the plane's travel times, or those that recorded trips took.

    Circuity is the ratio of recorded to great-circle distance, each hour's speed that of distance to time, both by the
    middle half of the trips that can have been made as they were recorded (``geo.ratios``, ``geo.plausible_trips``).
    """
    plane = trace.about.plane
    if plane is not None:
        return Planar(
            plane.metres_per_minute, plane.round_up_to_s, plane.pickup_service_s / 2, plane.dropoff_service_s / 2
        )
    return fitted(recorded_trips(trace.requests))


def recorded_trips(requests: pa.Table) -> RecordedTrips:
    """Return the trips of all requests in the table."""
    places = places_of(requests)
    left, over = utc_us(requests["recorded_pickup_time"]), utc_us(requests["recorded_dropoff_time"])
    timed = (left != MISSING_US) & (over != MISSING_US)
    return RecordedTrips(
        great_circle_m(places[:, 0], places[:, 1], places[:, 2], places[:, 3]),
        floats(requests["recorded_distance_m"]),
        np.where(timed, (over - left) / SECOND, np.nan),
        left // (3600 * SECOND) % HOURS,
    )


def fitted(trips: RecordedTrips) -> StraightLine:
    """Return the straight line with the trips' circuity and hourly speeds, or the usual ones where trips are few."""
    measured = ~np.isnan(trips.metres)
    timed = ~np.isnan(trips.seconds)
    # A distance without a time is judged by itself, as if it had taken the usual time.
    usual = np.where(timed, trips.seconds, trips.metres / SPEED_MPS)
    apart = (trips.apart_m >= SHORTEST_M) & (trips.apart_m <= LONGEST_M)
    far = measured & apart & plausible(trips.metres, usual)
    circuity = CIRCUITY
    if far.sum() >= ENOUGH_TRIPS:
        circuity = min(max(middle_ratio(trips.metres[far], trips.apart_m[far]), 1.0), MOST_CIRCUITY)
    driven = np.where(measured, trips.metres, trips.apart_m * circuity)
    sound = timed & plausible(driven, trips.seconds)
    if sound.sum() < ENOUGH_TRIPS:
        return StraightLine(circuity, (SPEED_MPS,))
    general = middle_ratio(driven[sound], trips.seconds[sound])
    return StraightLine(
        circuity, tuple(_speed(driven, trips.seconds, sound & (trips.hour == hour), general) for hour in range(HOURS))
    )


def _speed(driven: Floats, seconds: Floats, rows: Bools, general: float) -> float:
    """Return the speed of the trips in these rows, or the general one where they are few."""
    return middle_ratio(driven[rows], seconds[rows]) if rows.sum() >= ENOUGH_TRIPS else general
