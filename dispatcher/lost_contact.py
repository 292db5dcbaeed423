"""The policy's rule on a job aboard whose courier's phone is silent, with its defaults."""

from __future__ import annotations

from dataclasses import dataclass

from dispatcher.times import SECOND, span
from gig.v1 import job_pb2 as job_pb
from gig.v1 import policy_pb2 as policy_pb

# Defaults of LostContactPolicy.
TASK_AFTER_US = 10 * 60 * SECOND
END_AFTER_US = 60 * 60 * SECOND
FULL_BASIS_POINTS = 10_000


@dataclass(frozen=True, slots=True)
class LostContact:
    """``task_after_us``, ``end_after_us`` in microseconds; shares of fare and pay in hundredths of a percent."""

    task_after_us: int
    end_after_us: int
    fault: job_pb.Fault
    fare_basis_points: int
    pay_basis_points: int


def lost_contact(policy: policy_pb.Policy) -> LostContact:
    """Return the rule on silent phones that is in force."""
    rule = policy.jobs.lost_contact
    task_after_us = span(rule.task_after) if rule.HasField("task_after") else TASK_AFTER_US
    return LostContact(
        task_after_us,
        span(rule.end_after) if rule.HasField("end_after") else max(END_AFTER_US, task_after_us),
        rule.fault or job_pb.FAULT_NOBODY,
        rule.fare_basis_points,
        rule.pay_basis_points if rule.HasField("pay_basis_points") else FULL_BASIS_POINTS,
    )
