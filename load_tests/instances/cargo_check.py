"""Validator of replayed Cargo instances: reads the routes file alone and checks each rule of the benchmark."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from load_tests.instances.cargo_day import DROPOFF, PICKUP, VIA, Waypoint
from load_tests.traces.cargo import SPEED_MPS, CargoInstance, Customer, Vehicle

# Times are written in microseconds.
TOLERANCE_S = 1e-3
# Direct trips are kept in whole seconds, and with them what a share of them comes to.
WHOLE_SECONDS_S = 1.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What a policy promises beyond the benchmark's latest arrival; None: nothing."""

    wait_s: float | None = None
    detour_share: float | None = None


def violations(instance: CargoInstance, points: list[Waypoint], limits: Limits) -> list[str]:
    """Every broken rule in a sentence; none for a valid day."""
    vehicles = {vehicle.name: vehicle for vehicle in instance.vehicles}
    customers = {customer.name: customer for customer in instance.customers}
    found = []
    for name, route in groupby(sorted(points, key=_vehicle), key=_vehicle):
        if name not in vehicles:
            found.append(f"vehicle {name}: not in the instance")
            continue
        stops = list(route)
        found += _drives(instance, vehicles[name], stops)
        found += _carries(vehicles[name], customers, stops)
    return [*found, *_serves(instance, customers, points, limits)]


def _vehicle(point: Waypoint) -> str:
    return point.vehicle


def _drives(instance: CargoInstance, vehicle: Vehicle, stops: list[Waypoint]) -> Iterator[str]:
    """From its own node, when it is there, and never faster than the shortest path allows."""
    if (stops[0].node, stops[0].at_s) != (vehicle.node, vehicle.early):
        yield f"vehicle {vehicle.name}: does not start at node {vehicle.node} at {vehicle.early:g} s"
    nodes = np.array([stop.node for stop in stops])
    times = np.array([stop.at_s for stop in stops])
    needed = instance.roads.metres_between(nodes[:-1], nodes[1:]) / SPEED_MPS
    for index in np.flatnonzero(np.diff(times) < needed - TOLERANCE_S).tolist():
        yield (
            f"vehicle {vehicle.name}: from node {nodes[index]} at {times[index]:g} s to node {nodes[index + 1]} at"
            f" {times[index + 1]:g} s, which takes {needed[index]:g} s"
        )


def _carries(vehicle: Vehicle, customers: dict[str, Customer], stops: list[Waypoint]) -> Iterator[str]:
    aboard: set[str] = set()
    for stop in stops:
        customer = customers.get(stop.customer)
        if stop.action == VIA:
            continue
        if customer is None:
            yield f"vehicle {vehicle.name}: customer {stop.customer!r} is not in the instance"
        elif stop.action == PICKUP:
            aboard.add(customer.name)
            seats = sum(customers[name].seats for name in aboard)
            if seats > vehicle.seats:
                yield f"vehicle {vehicle.name}: {seats} seats taken of {vehicle.seats} at {stop.at_s:g} s"
        elif customer.name not in aboard:
            yield f"vehicle {vehicle.name}: lets customer {customer.name} out, who is not aboard"
        else:
            aboard.remove(customer.name)
    for name in sorted(aboard):
        yield f"vehicle {vehicle.name}: customer {name} is never let out"


def _serves(
    instance: CargoInstance, customers: dict[str, Customer], points: list[Waypoint], limits: Limits
) -> Iterator[str]:
    at: dict[tuple[str, str], float] = {}
    for point in points:
        customer = customers.get(point.customer)
        if customer is None:
            continue
        if (customer.name, point.action) in at:
            yield f"customer {customer.name}: {point.action!r} more than once"
        at[customer.name, point.action] = point.at_s
        if point.node != (customer.origin if point.action == PICKUP else customer.destination):
            yield f"customer {customer.name}: {point.action!r} at node {point.node}"
    for name in (name for name, action in at if action == PICKUP):
        customer, pickup = customers[name], at[name, PICKUP]
        dropoff = at.get((name, DROPOFF), np.inf)
        if pickup < customer.early - TOLERANCE_S:
            yield f"customer {name}: picked up at {pickup:g} s, before {customer.early:g} s"
        if dropoff > customer.late + TOLERANCE_S:
            yield f"customer {name}: arrives at {dropoff:g} s, after {customer.late:g} s"
        if limits.wait_s is not None and pickup - customer.early > limits.wait_s + TOLERANCE_S:
            yield f"customer {name}: waits {pickup - customer.early:g} s, more than {limits.wait_s:g} s"
        if limits.detour_share is not None:
            direct = instance.roads.metres_between(np.array([customer.origin]), np.array([customer.destination]))
            longest = float(direct[0]) / SPEED_MPS * (1 + limits.detour_share)
            if dropoff - pickup > longest + WHOLE_SECONDS_S:
                yield f"customer {name}: rides {dropoff - pickup:g} s, more than {longest:g} s"
