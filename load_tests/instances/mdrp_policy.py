"""A policy under the rules of an MDRP instance: its plane, its speed, its pay and guarantee."""

from __future__ import annotations

from dispatcher.messages import copied
from dispatcher.policy import checked
from dispatcher.times import duration
from gig.v1 import policy_pb2 as policy_pb
from gig.v1 import types_pb2 as types_pb
from load_tests.traces.mdrp import MINUTE_US, Parameters


def under_instance(policy: policy_pb.Policy, parameters: Parameters) -> policy_pb.Policy:
    """Keeps the policy's matching; travel, tariffs and floor are the instance's. Nobody's order expires in the day."""
    ruled = copied(policy)
    ruled.currency_code = "USD"
    ruled.tax_basis_points = 0
    ruled.travel.planar.CopyFrom(
        policy_pb.PlanarTravel(
            metres_per_minute=parameters.metres_per_minute,
            round_up_to=duration(MINUTE_US),
            pickup_service=duration(round(parameters.pickup_service * MINUTE_US)),
            dropoff_service=duration(round(parameters.dropoff_service * MINUTE_US)),
        )
    )
    kind, cents = types_pb.JOB_KIND_DELIVERY, round(parameters.pay_per_order * 100)
    del ruled.fares[:], ruled.pays[:]
    ruled.fares.add(kind=kind, base=cents)
    ruled.pays.add(kind=kind, base=cents)
    ruled.floor.per_online_hour = round(parameters.guaranteed_pay_per_hour * 100)
    ruled.jobs.max_wait.seconds = 2 * 86_400
    ruled.jobs.memory.seconds = 3_600
    return checked(ruled, "policy under the instance's rules")
