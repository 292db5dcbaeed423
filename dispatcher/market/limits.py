"""Limits of requests that the policy sets, with the defaults that hold where it does not."""

from __future__ import annotations

from dispatcher.errors import InvalidField
from dispatcher.times import SECOND, span, timestamp
from gig.v1 import policy_pb2 as policy_pb

DAY_US = 86_400 * SECOND
DROPOFF_HORIZON_US = 7 * DAY_US
LONGEST_TRIP_US = DAY_US
LONGEST_SHIFT_US = 7 * DAY_US
POSITION_LIMIT_US, LEAST_POSITION_LIMIT_US = 300 * SECOND, 60 * SECOND
# Latest start and latest end of an emergency cap, from its publication on.
CAP_STARTS_WITHIN_US, CAP_ENDS_WITHIN_US = 366 * DAY_US, 10 * 366 * DAY_US


def dropoff_horizon_us(policy: policy_pb.Policy) -> int:
    """Return how long after its pickup time a job's latest arrival may lie."""
    jobs = policy.jobs
    return span(jobs.dropoff_horizon) if jobs.HasField("dropoff_horizon") else DROPOFF_HORIZON_US


def longest_trip_us(policy: policy_pb.Policy) -> int:
    """Return how long a trip may take by the market's travel times."""
    jobs = policy.jobs
    return span(jobs.longest_trip) if jobs.HasField("longest_trip") else LONGEST_TRIP_US


def longest_shift_us(policy: policy_pb.Policy) -> int:
    """Return how far ahead a courier may set the end of a shift."""
    couriers = policy.couriers
    return span(couriers.longest_shift) if couriers.HasField("longest_shift") else LONGEST_SHIFT_US


def position_limit_us(policy: policy_pb.Policy) -> int:
    """Return how old the position of a courier may be for matching."""
    couriers = policy.couriers
    if couriers.HasField("position_limit"):
        return span(couriers.position_limit)
    if couriers.HasField("silence_limit"):
        return max(span(couriers.silence_limit), LEAST_POSITION_LIMIT_US)
    return POSITION_LIMIT_US


def check_at_most(field: str, at_us: int, latest_us: int, reason: str) -> None:
    """Raise InvalidField where a time lies later than it may."""
    if at_us > latest_us:
        raise InvalidField(field, f"must be at most {timestamp(latest_us).ToJsonString()}", reason)
