"""What a replayed Cargo instance comes to, by the benchmark's measures (Pan, Li and Hu, PVLDB 2019)."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import numpy as np

from load_tests.instances.cargo_day import DROPOFF, PICKUP, CargoDay, Waypoint
from load_tests.replay.simulation import log_sha256, round_times
from load_tests.traces.cargo import CargoInstance


def summarise(day: CargoDay) -> dict[str, Any]:
    """Distances in kilometres, times in seconds.

    ``total_km``: what vehicles drive, and the direct ways of customers who were not served. ``empty_share`` of the
    driven way has nobody aboard; ``shared_share`` of those served had company.
    """
    customers = day.instance.customers
    origins = np.array([customer.origin for customer in customers], np.int64)
    destinations = np.array([customer.destination for customer in customers], np.int64)
    direct = day.instance.roads.metres_between(origins, destinations)
    picked = {point.customer: point.at_s for point in day.waypoints if point.action == PICKUP}
    dropped = {point.customer: point.at_s for point in day.waypoints if point.action == DROPOFF}
    served = np.array([customer.name in dropped for customer in customers], bool)
    those = [customer for customer, done in zip(customers, served, strict=True) if done]
    delay = np.array([picked[customer.name] - customer.early for customer in those])
    ride = np.array([dropped[customer.name] - picked[customer.name] for customer in those])
    driven, empty, shared = _driven(day.instance, day.waypoints)
    detour = ride / np.maximum(direct[served] / day.instance.roads.speed_mps, 1.0) - 1
    return {
        "instance": day.instance.name,
        "policy": day.policy.name,
        "vehicles": len(day.vehicles),
        "customers": len(customers),
        "served": int(served.sum()),
        "service_rate": _rounded(float(served.mean())) if served.size else None,
        "total_km": _rounded((driven + float(direct[~served].sum())) / 1000),
        "fleet_km": _rounded(driven / 1000),
        "direct_km": _rounded(float(direct.sum()) / 1000),
        "empty_share": _rounded(empty / driven) if driven else None,
        "shared_share": _rounded(len(shared) / len(those)) if those else None,
        "pickup_delay_mean_s": _rounded(float(delay.mean())) if delay.size else None,
        "pickup_delay_p90_s": _rounded(float(np.percentile(delay, 90))) if delay.size else None,
        "detour_share_mean": _rounded(float(detour.mean())) if detour.size else None,
        **round_times(day.round_s),
        "log_events": len(day.events),
        "log_sha256": log_sha256(day.events),
    }


def _driven(instance: CargoInstance, waypoints: list[Waypoint]) -> tuple[float, float, set[str]]:
    """Metres in all, metres with nobody aboard, and the customers who had company."""
    driven = empty = 0.0
    shared: set[str] = set()
    for _, route in groupby(sorted(waypoints, key=lambda point: point.vehicle), key=lambda point: point.vehicle):
        stops = list(route)
        nodes = np.array([stop.node for stop in stops])
        metres = instance.roads.metres_between(nodes[:-1], nodes[1:])
        aboard: set[str] = set()
        for stop, ahead in zip(stops, [*metres.tolist(), 0.0], strict=True):
            if stop.action == PICKUP:
                aboard.add(stop.customer)
            elif stop.action == DROPOFF:
                aboard.discard(stop.customer)
            if len(aboard) > 1:
                shared |= aboard
            driven += ahead
            empty += 0.0 if aboard else ahead
    return driven, empty, shared


def _rounded(value: float) -> float:
    return round(value, 4)
