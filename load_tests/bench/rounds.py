"""Made-up rounds for the matching benchmarks: the same seed gives the same round."""

from __future__ import annotations

import numpy as np

from geo.travel import StraightLine
from matching.problem import (
    NOBODY,
    Couriers,
    Exclusions,
    OpenJobs,
    Plans,
    Problem,
    Requirements,
    Sharing,
    Solver,
    Weights,
)

# A city of about 20 by 20 kilometres, dense in the middle; degrees.
CENTRE = (40.75, -73.95)
CITY, QUARTER = (0.04, 0.05), (0.025, 0.03)
TRAVEL = StraightLine(circuity=1.3, speeds_mps=(5.5,))
CAR, ANY_VEHICLE = 2, 62


def rides(seed: int, jobs: int, couriers: int, candidates_per_job: int) -> Problem:
    """One job a courier; pickup time is what counts, and who has waited for long goes first."""
    rng = np.random.default_rng(seed)
    return Problem(
        jobs=_jobs(_around(rng, jobs, CITY), _around(rng, jobs, CITY), rng.uniform(0, 60, jobs), np.zeros(jobs)),
        couriers=_couriers(_around(rng, couriers, CITY), rng.uniform(0, 600, couriers)),
        exclusions=Exclusions.none(),
        travel=TRAVEL,
        weights=Weights(1.0, 0.0, 0.2, 0.05, 1.0, 3600.0),
        solver=Solver.MIN_COST_FLOW,
        candidates_per_job=candidates_per_job,
        max_reach_s=900.0,
        at_s=0.0,
    )


def deliveries(seed: int, orders: int, couriers: int, budget_s: float, bundles: bool = True) -> Problem:
    """A dinner peak: two orders a courier, four orders a restaurant (some have many), ready within twenty minutes."""
    rng = np.random.default_rng(seed)
    restaurants = _around(rng, max(orders // 4, 1), QUARTER)
    popularity = np.arange(1, restaurants[0].size + 1) ** -0.7
    at = rng.choice(restaurants[0].size, orders, p=popularity / popularity.sum())
    pickup = restaurants[0][at], restaurants[1][at]
    door = pickup[0] + rng.normal(0, 0.012, orders), pickup[1] + rng.normal(0, 0.015, orders)
    ready_in_s = rng.uniform(-120, 1200, orders)
    return Problem(
        jobs=_jobs(pickup, door, rng.uniform(0, 300, orders), ready_in_s, ready_in_s + 2400),
        couriers=_couriers(_around(rng, couriers, QUARTER), rng.uniform(0, 600, couriers)),
        exclusions=Exclusions.none(),
        travel=TRAVEL,
        weights=Weights(0.2, 1.0, 0.2, 0.0, 1.0, 3600.0, overdue=1.0, detour=0.5, deadhead=0.3),
        solver=Solver.MIN_COST_FLOW,
        candidates_per_job=20,
        max_reach_s=1200.0,
        at_s=0.0,
        sharing=Sharing(3, 120.0, 600.0) if bundles else Sharing(),
        budget_s=budget_s,
    )


Points = tuple[np.ndarray, np.ndarray]


def _around(rng: np.random.Generator, count: int, spread: tuple[float, float]) -> Points:
    return rng.normal(CENTRE[0], spread[0], count), rng.normal(CENTRE[1], spread[1], count)


def _jobs(
    pickup: Points, dropoff: Points, age_s: np.ndarray, ready_in_s: np.ndarray, due_in_s: np.ndarray | None = None
) -> OpenJobs:
    count = age_s.size
    unlimited, none = np.full(count, np.inf), np.zeros(count, np.int64)
    no_skills = np.zeros((count, 0), np.int64)
    return OpenJobs(
        latitude=pickup[0],
        longitude=pickup[1],
        to_latitude=dropoff[0],
        to_longitude=dropoff[1],
        age_s=age_s,
        ready_in_s=ready_in_s,
        needs=Requirements(np.full(count, ANY_VEHICLE), no_skills, none, none + 1, none),
        due_in_s=unlimited if due_in_s is None else due_in_s,
        latest_pickup_s=unlimited,
        ride_limit_s=unlimited,
        barred=none,
        queue_zone=np.full(count, NOBODY),
        unmet_skills=none,
    )


def _couriers(at: Points, free_s: np.ndarray) -> Couriers:
    count = free_s.size
    none, nowhere = np.zeros(count, np.int64), np.full(count, np.nan)
    no_skills = np.zeros((count, 0), np.int64)
    return Couriers(
        latitude=at[0],
        longitude=at[1],
        free_s=free_s,
        shift_left_s=np.full(count, np.inf),
        offers=Requirements(np.full(count, CAR), no_skills, none + 4, none + 8, none + 200_000),
        starts_in_s=np.zeros(count),
        later=np.zeros(count, bool),
        income_gap=np.zeros(count),
        home_latitude=nowhere,
        home_longitude=nowhere,
        queue_zone=np.full(count, NOBODY),
        queue_rank=none,
        plans=Plans.none(count),
    )
