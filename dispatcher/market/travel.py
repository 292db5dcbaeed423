"""The travel-time model that a policy names."""

from __future__ import annotations

from collections.abc import Mapping

from dispatcher.errors import PolicyError
from dispatcher.times import SECOND, span
from geo.learned_travel import LearnedTravel, TripTimes
from geo.travel import Planar, StraightLine, TravelTime
from gig.v1 import policy_pb2 as policy_pb


def travel_model(
    policy: policy_pb.Policy, networks: Mapping[str, TravelTime], trips: TripTimes | None = None
) -> TravelTime:
    """``networks``: the road networks at hand, by name; ``trips``: what a learned model knows already.

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
        learned = travel.learned
        kept = trips is not None and trips.resolution == learned.resolution
        so_far = trips if kept and trips is not None else TripTimes(learned.resolution)
        return LearnedTravel(straight_line(learned.straight_line), so_far, learned.prior_trips)
    return straight_line(travel.straight_line)


def trips_of(travel: TravelTime | None) -> TripTimes | None:
    """What the model has learned, if it is one that learns."""
    return travel.trips if isinstance(travel, LearnedTravel) else None


def straight_line(travel: policy_pb.StraightLineTravel) -> StraightLine:
    return StraightLine(travel.circuity, tuple(travel.speeds_mps))
