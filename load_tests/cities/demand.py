"""Requests as a Poisson process, rides and deliveries mixed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from gig.v1 import types_pb2 as types_pb
from load_tests.cities.city import Demand, Spot

DELIVERY_SHARE = 0.3
RIDERS, RESTAURANTS = 2_000, 120
# Meals are ready this many seconds after the order (uniform).
KITCHEN_S = (420.0, 1_200.0)

Trip = Callable[[np.random.Generator], tuple[Spot, Spot]]


def poisson_demands(
    rng: np.random.Generator,
    jobs_per_minute: float,
    ride: Trip,
    delivery: Callable[[np.random.Generator, int], Spot],
    kitchens: list[Spot],
) -> Iterator[Demand]:
    """Endless. ``ride`` draws a trip; ``delivery`` draws a door for a kitchen's index."""
    at = 0.0
    while True:
        at += rng.exponential(60.0 / jobs_per_minute)
        if rng.random() >= DELIVERY_SHARE:
            pickup, dropoff = ride(rng)
            yield Demand(at, types_pb.JOB_KIND_RIDE, f"rider-{rng.integers(RIDERS)}", pickup, dropoff)
        else:
            kitchen = int(rng.integers(len(kitchens)))
            ready = at + rng.uniform(*KITCHEN_S)
            door = delivery(rng, kitchen)
            yield Demand(
                at, types_pb.JOB_KIND_DELIVERY, f"restaurant-{kitchen}", kitchens[kitchen], door, ready_s=ready
            )
