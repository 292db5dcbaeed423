"""Seats of couriers against what clients ask for."""

from __future__ import annotations

from collections.abc import Iterator

from gig.v1 import policy_pb2 as policy_pb
from gig.v1 import types_pb2 as types_pb
from load_tests.replay.day import Day
from load_tests.traces.columns import PLACES
from load_tests.traces.location_checks import location_warnings


def usual_capacity(policy: policy_pb.Policy, vehicle: types_pb.VehicleType) -> types_pb.Load:
    """Return what a vehicle holds by the policy; an empty load where the policy does not say."""
    rows = (row.capacity for row in policy.capacities if row.vehicle_type == vehicle)
    return next(rows, types_pb.Load())


def seats_of(policy: policy_pb.Policy, vehicle: types_pb.VehicleType) -> int:
    return usual_capacity(policy, vehicle).persons


def day_warnings(day: Day, policy: policy_pb.Policy) -> Iterator[str]:
    """Yield what makes a replay serve less than it seems to: nobody at work, too few seats, couriers far away."""
    trace = day.trace
    if not day.roster.courier_ids:
        yield "the trace records shifts, and has none: nobody works, so no request is served"
        return
    if trace.about.plane is not None:
        return
    seats = max(day.seats, *(seats_of(policy, vehicle) for vehicle in {*day.roster.vehicles}), 0)
    larger = sum(persons > seats for persons in day.requests.persons)
    if larger:
        yield f"{larger:,} requests are for more persons than any courier seats ({seats}) and are not served"
    south, west = (min(trace.requests[name].to_numpy().min() for name in PLACES[axis::2]) for axis in (0, 1))
    north, east = (max(trace.requests[name].to_numpy().max() for name in PLACES[axis::2]) for axis in (0, 1))
    yield from location_warnings((south, west, north, east), trace.shifts)
