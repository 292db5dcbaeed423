"""A city day made from a seed, as large as one asks for: what benchmarks replay, and whoever has no data yet."""

from __future__ import annotations

import numpy as np

from dispatcher.times import SECOND
from geo.units import Floats, Ints
from load_tests.traces.reading import Trace
from load_tests.traces.schema import OFFERS, Tally, requests_table, shifts_table
from load_tests.traces.source import About

# Monday 2026-01-05, 00:00 UTC.
START_US = 1_767_571_200 * SECOND
HOUR_US = 3600 * SECOND
CENTRE = (50.0, 8.0)
# Degrees: one standard deviation, a kilometre each way.
SPREAD = (0.009, 0.014)
HALF_SIDE = (0.055, 0.085)
# Share of the day's requests by hour: low at night, a morning and an evening peak, as cities have them.
MORNING = (1.6, 1.1, 0.8, 0.6, 0.7, 1.5, 3.1, 5.2, 6.0, 5.2, 4.6, 4.6)
AFTERNOON = (4.9, 4.9, 4.9, 5.2, 5.7, 6.4, 6.9, 6.6, 5.7, 5.0, 4.4, 4.4)
HOURS = np.array((*MORNING, *AFTERNOON))
SHIFT_H = (10.5, 13.5)


def generated_day(requests: int, couriers: int, seed: int, all_day: bool = False) -> Trace:
    """Rides around a centre over 24 hours; each courier works one shift of 10.5 to 13.5 hours, begun so that there are
    most of them when most is asked for; or all day."""
    rng = np.random.default_rng(seed)
    at = _moments(rng, requests)
    start, end = _places(rng, requests), _places(rng, requests)
    homes = _places(rng, couriers)
    length = rng.uniform(*SHIFT_H, couriers) * HOUR_US
    begin = np.clip(_moments(rng, couriers) - rng.uniform(0, 1, couriers) * length, START_US, None)
    begin = np.sort(np.rint(begin).astype(np.int64))
    if all_day:
        begin, length = np.full(couriers, START_US), np.full(couriers, 26.0 * HOUR_US)
    about = About(
        f"generated-{requests}-{couriers}-{seed}", "generated", "everything is drawn from the seed", currency="USD"
    )
    return Trace(
        about,
        requests_table(
            {
                "request_id": [f"job-{number}" for number in range(requests)],
                "kind": ["ride"] * requests,
                "client_id": [f"client-{number}" for number in range(requests)],
                "request_time": at,
                "pickup_latitude": start[:, 0],
                "pickup_longitude": start[:, 1],
                "dropoff_latitude": end[:, 0],
                "dropoff_longitude": end[:, 1],
            }
        ),
        shifts_table(
            {
                "courier_id": [f"courier-{number}" for number in range(couriers)],
                "online_time": begin,
                "offline_time": begin + np.rint(length).astype(np.int64),
                "latitude": homes[:, 0],
                "longitude": homes[:, 1],
                "vehicle": ["car"] * couriers,
            }
        ),
        OFFERS.empty_table(),
        Tally(rows=requests),
    )


def _moments(rng: np.random.Generator, count: int) -> Ints:
    """Microseconds, ascending."""
    hours = rng.choice(24, count, p=HOURS / HOURS.sum()) + rng.uniform(0, 1, count)
    found: Ints = START_US + np.sort(np.rint(hours * HOUR_US).astype(np.int64))
    return found


def _places(rng: np.random.Generator, count: int) -> Floats:
    """Normal around the centre, inside the city; shape (n, 2)."""
    inside = 0.999 * np.array(HALF_SIDE)
    found: Floats = np.clip(
        rng.normal(CENTRE, SPREAD, (count, 2)), np.array(CENTRE) - inside, np.array(CENTRE) + inside
    )
    return found
