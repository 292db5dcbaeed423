"""What a learned travel model takes from the trips that the market completes."""

from __future__ import annotations

from dataclasses import dataclass

from dispatcher.complete import complete
from dispatcher.market.state import MarketState
from dispatcher.times import SECOND, micros, rounded_us
from geo.learned_travel import LearnedTravel
from geo.plausible_trips import TripUse
from geo.summed_travel import SummedTravel
from geo.travel import StraightLine
from geo.trip_times import HOURS
from gig.v1 import events_pb2 as events_pb
from gig.v1 import job_pb2 as job_pb

_ON_THE_LOG = complete(
    {
        TripUse.LEARNED: events_pb.TRIP_USE_LEARNED,
        TripUse.TOO_SHORT: events_pb.TRIP_USE_TOO_SHORT,
        TripUse.TOO_FAST: events_pb.TRIP_USE_TOO_FAST,
        TripUse.TOO_SLOW: events_pb.TRIP_USE_TOO_SLOW,
    },
    TripUse,
    "uses of a trip on the log",
)
LEARNED, UNSPECIFIED = events_pb.TRIP_USE_LEARNED, events_pb.TRIP_USE_UNSPECIFIED


@dataclass(frozen=True, slots=True)
class _Trip:
    """A trip straight from pickup to drop-off: Unix seconds of departure, seconds taken and by the straight line."""

    left_s: float
    taken_us: int
    straight_s: float
    apart_m: float


def use_of(state: MarketState, job: job_pb.Job, end_us: int) -> events_pb.TripUse:
    """Return what the travel model does with the trip of a job that ends now."""
    travel = state.travel
    if not isinstance(travel, LearnedTravel) or job.job_id not in state.direct:
        return UNSPECIFIED
    trip = _trip(travel.straight, job, end_us)
    return _ON_THE_LOG[travel.bounds.use_of(trip.apart_m, trip.taken_us / SECOND, trip.straight_s)]


def learn(state: MarketState, job: job_pb.Job, use: events_pb.TripUse) -> None:
    """Count the trip of a completed job. A model of an earlier version's policy counts every direct trip."""
    travel = state.travel
    direct = job.job_id in state.direct
    state.direct.discard(job.job_id)
    if isinstance(travel, LearnedTravel):
        direct &= use == LEARNED
    if not direct or not isinstance(travel, LearnedTravel | SummedTravel):
        return
    trip, trips = _trip(travel.straight, job, micros(job.end_time)), travel.trips
    start, end = job.spec.pickup.position, job.spec.dropoff.position
    cells = trips.cell_at(start.latitude, start.longitude), trips.cell_at(end.latitude, end.longitude)
    trips.add(*cells, int(trip.left_s // 3600) % HOURS, 1, trip.taken_us // 1000, rounded_us(trip.straight_s * 1000))


def _trip(straight: StraightLine, job: job_pb.Job, end_us: int) -> _Trip:
    start, end = job.spec.pickup.position, job.spec.dropoff.position
    left_s = micros(job.pickup_time) / SECOND
    metres, seconds = straight.leg(start.latitude, start.longitude, end.latitude, end.longitude, left_s)
    return _Trip(left_s, end_us - micros(job.pickup_time), seconds, metres / straight.circuity)
