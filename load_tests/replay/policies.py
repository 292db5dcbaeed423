"""A policy made to fit a trace: it estimates ways as they really are there, unless it is to keep its own model."""

from __future__ import annotations

from dispatcher.messages import copied
from dispatcher.policy import checked
from dispatcher.times import SECOND, duration
from geo.travel import Planar, StraightLine
from gig.v1 import policy_pb2 as policy_pb
from load_tests.replay.day import Day

TWO_DAYS_S = 2 * 86_400


def under_trace(policy: policy_pb.Policy, day: Day, own_travel: bool = False) -> policy_pb.Policy:
    """Raises PolicyError where the policy cannot govern the trace, such as surge in a plane."""
    ruled = copied(policy)
    travel = day.travel
    if isinstance(travel, Planar):
        ruled.travel.planar.CopyFrom(
            policy_pb.PlanarTravel(
                metres_per_minute=travel.metres_per_minute,
                round_up_to=duration(round(travel.round_up_to_s * SECOND)),
                pickup_service=duration(round(2 * travel.half_pickup_service_s * SECOND)),
                dropoff_service=duration(round(2 * travel.half_dropoff_service_s * SECOND)),
            )
        )
    elif isinstance(travel, StraightLine) and not own_travel:
        ruled.travel.straight_line.CopyFrom(
            policy_pb.StraightLineTravel(circuity=travel.circuity, speeds_mps=travel.speeds_mps)
        )
    if day.trace.about.instance_set:
        # Nobody's order expires in the day.
        ruled.jobs.max_wait.seconds = TWO_DAYS_S
    ruled.currency_code = ruled.currency_code or day.trace.about.currency
    return checked(ruled, f"policy {policy.name!r} on {day.trace.about.name}")
