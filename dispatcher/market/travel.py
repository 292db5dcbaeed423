"""The travel-time model that a policy names."""

from __future__ import annotations

from dispatcher.times import SECOND, span
from geo.travel import Planar, StraightLine, TravelTime
from gig.v1 import policy_pb2 as policy_pb


def travel_model(policy: policy_pb.Policy) -> TravelTime:
    travel = policy.travel
    if travel.HasField("planar"):
        planar = travel.planar
        return Planar(
            planar.metres_per_minute,
            span(planar.round_up_to) / SECOND,
            span(planar.pickup_service) / SECOND / 2,
            span(planar.dropoff_service) / SECOND / 2,
        )
    return StraightLine(travel.straight_line.circuity, tuple(travel.straight_line.speeds_mps))
