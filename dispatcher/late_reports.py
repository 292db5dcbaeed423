"""The policy's bounds on the times of steps that couriers report later than they happened, with its defaults."""

from __future__ import annotations

from dataclasses import dataclass

from dispatcher.times import SECOND, span
from geo.sightings import Reach
from gig.v1 import policy_pb2 as policy_pb

# Defaults of LateReportPolicy.
WITHIN_US = 2 * 3600 * SECOND
FASTEST_MPS = 40.0
POSITION_ERROR_M = 300


@dataclass(frozen=True, slots=True)
class LateReports:
    """``within_us``: how long before its report a step may count, in microseconds."""

    within_us: int
    reach: Reach


def late_reports(policy: policy_pb.Policy) -> LateReports:
    """Return the bounds that are in force."""
    rule = policy.couriers.late_reports
    return LateReports(
        span(rule.within) if rule.HasField("within") else WITHIN_US,
        Reach(
            rule.fastest_mps if rule.HasField("fastest_mps") else FASTEST_MPS,
            rule.position_error_metres if rule.HasField("position_error_metres") else POSITION_ERROR_M,
            policy.travel.HasField("planar"),
        ),
    )
