"""A policy under the rules of a Cargo instance: its road network, and couriers who follow any order of stops."""

from __future__ import annotations

from dispatcher.messages import copied
from dispatcher.policy import checked
from dispatcher.times import SECOND, span
from gig.v1 import policy_pb2 as policy_pb
from load_tests.instances.cargo_check import Limits


def on_network(policy: policy_pb.Policy, network: str) -> policy_pb.Policy:
    """Keeps the policy's matching; travel is the instance's road network."""
    ruled = copied(policy)
    ruled.travel.roads.network = network
    return checked(ruled, "policy under the instance's rules")


def limits_of(policy: policy_pb.Policy) -> Limits:
    """What the policy itself promises to each customer."""
    promise = policy.matching.promise
    return Limits(
        span(promise.pickup_within) / SECOND if promise.HasField("pickup_within") else None,
        promise.ride_detour_share if promise.HasField("ride_detour_share") else None,
    )
