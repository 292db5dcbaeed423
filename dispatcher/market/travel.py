"""The travel-time model that a policy names."""

from __future__ import annotations

from collections.abc import Mapping

from dispatcher.errors import PolicyError
from dispatcher.times import SECOND, span
from geo.learned_travel import LearnedTravel
from geo.plausible_trips import TripBounds
from geo.summed_travel import SummedTravel
from geo.travel import Planar, StraightLine, TravelTime
from geo.trip_times import Sums, TripTimes
from gig.v1 import policy_pb2 as policy_pb


def travel_model(
    policy: policy_pb.Policy, networks: Mapping[str, TravelTime], before: TravelTime | None = None
) -> TravelTime:
    """Return the model. ``networks``: the road networks that are loaded here, by name; ``before``: the model until now,
    whose trips a learned model keeps where they fit.

    Raises PolicyError where the policy's network is not among them.
    """
    travel = policy.travel
    if travel.HasField("planar"):
        planar = travel.planar
        return Planar(
            planar.metres_per_minute,
            span(planar.round_up_to) / SECOND,
            span(planar.pickup_service) / SECOND / 2,
            span(planar.dropoff_service) / SECOND / 2,
        )
    if travel.HasField("roads"):
        name = travel.roads.network
        if name not in networks:
            known = ", ".join(sorted(networks)) or "none"
            raise PolicyError(f"travel.roads.network: no road network {name!r} is loaded here (loaded: {known})")
        return networks[name]
    if travel.HasField("learned"):
        return _learned(travel.learned, before)
    return straight_line(travel.straight_line)


def _learned(learned: policy_pb.LearnedTravel, before: TravelTime | None) -> LearnedTravel | SummedTravel:
    straight, bounds = straight_line(learned.straight_line), bounds_of(learned)
    trips = trips_of(before)
    if bounds is None:
        fit = isinstance(before, SummedTravel) and before.trips.resolution == learned.resolution
        kept = trips if fit and trips is not None else TripTimes(learned.resolution, Sums)
        return SummedTravel(straight, kept, learned.prior_trips)
    # Ratios to another straight line say nothing about this one.
    fit = isinstance(before, LearnedTravel) and (before.trips.resolution, before.straight) == (
        learned.resolution,
        straight,
    )
    kept = trips if fit and trips is not None else TripTimes(learned.resolution)
    return LearnedTravel(straight, kept, learned.prior_trips, bounds)


def bounds_of(learned: policy_pb.LearnedTravel) -> TripBounds | None:
    """Return the policy's bounds, or None for a policy of an earlier version, which has none."""
    if not (learned.HasField("least_ratio") and learned.HasField("most_ratio")):
        return None
    return TripBounds(learned.least_ratio, learned.most_ratio, learned.shortest_trip_metres)


def trips_of(travel: TravelTime | None) -> TripTimes | None:
    """What the model has learned, if it is one that learns."""
    return travel.trips if isinstance(travel, LearnedTravel | SummedTravel) else None


def straight_line(travel: policy_pb.StraightLineTravel) -> StraightLine:
    return StraightLine(travel.circuity, tuple(travel.speeds_mps))
