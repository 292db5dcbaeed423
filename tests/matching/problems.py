"""Random matching problems."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from geo.travel import StraightLine
from matching.problem import (
    NOBODY,
    Couriers,
    Exclusions,
    Gate,
    Insertion,
    OpenJobs,
    Plans,
    Problem,
    Requirements,
    Sharing,
    Solver,
    Weights,
)

SHARED = Sharing(jobs_per_offer=3, pickup_spread_s=300.0, ready_spread_s=600.0, insertion=Insertion.INSERT)


def random_problem(seed: int, jobs: int, couriers: int, **changes: object) -> Problem:
    """One job a courier, unless told otherwise."""
    rng = np.random.default_rng(seed)

    def needs(count: int, vehicles: np.ndarray, spare: int) -> Requirements:
        return Requirements(
            vehicles=vehicles,
            skills=rng.integers(0, 2, count)[:, None] * spare,
            persons=rng.integers(0, 2, count) + spare,
            parcels=rng.integers(0, 2, count) + spare,
            weight_g=rng.integers(0, 1000, count) + 1000 * spare,
        )

    pairs = np.unique(rng.integers(0, jobs * couriers, 5)) if jobs and couriers else np.zeros(0, np.int64)
    problem = Problem(
        jobs=OpenJobs(
            latitude=rng.normal(40.75, 0.02, jobs),
            longitude=rng.normal(-73.98, 0.02, jobs),
            to_latitude=rng.normal(40.75, 0.02, jobs),
            to_longitude=rng.normal(-73.98, 0.02, jobs),
            age_s=rng.uniform(0, 300, jobs),
            ready_in_s=rng.uniform(-300, 600, jobs),
            needs=needs(jobs, rng.choice([2, 6, 62], jobs), 0),
            due_in_s=rng.uniform(600, 3000, jobs),
            latest_pickup_s=np.full(jobs, np.inf),
            ride_limit_s=np.full(jobs, np.inf),
            barred=rng.choice([0, 0, 2], jobs),
            queue_zone=np.full(jobs, NOBODY),
            unmet_skills=np.zeros(jobs, np.int64),
        ),
        couriers=Couriers(
            latitude=rng.normal(40.75, 0.02, couriers),
            longitude=rng.normal(-73.98, 0.02, couriers),
            free_s=rng.uniform(0, 1000, couriers),
            shift_left_s=np.where(rng.random(couriers) < 0.2, rng.uniform(0, 600, couriers), np.inf),
            offers=needs(couriers, 1 << rng.integers(1, 6, couriers), 1),
            starts_in_s=np.where(rng.random(couriers) < 0.2, rng.uniform(0, 300, couriers), 0.0),
            later=np.zeros(couriers, bool),
            income_gap=rng.uniform(0, 1, couriers),
            home_latitude=np.full(couriers, np.nan),
            home_longitude=np.full(couriers, np.nan),
            queue_zone=np.full(couriers, NOBODY),
            queue_rank=np.zeros(couriers, np.int64),
            plans=Plans.none(couriers),
        ),
        exclusions=Exclusions(
            pairs // max(couriers, 1), pairs % max(couriers, 1), rng.choice([Gate.BLOCKED, Gate.DECLINED], pairs.size)
        ),
        travel=StraightLine(1.3, (5.5,)),
        weights=Weights(1.0, 0.5, 0.2, 0.05, 1.0, 3600.0, 0.5, 0.5, 0.1, 0.2, 30.0),
        solver=Solver.MIN_COST_FLOW,
        candidates_per_job=5,
        max_reach_s=600.0,
        at_s=0.0,
        budget_s=10.0,
    )
    return replace(problem, **changes)


def under_way(problem: Problem, seed: int, share: float = 0.5) -> Problem:
    """Some couriers are on their way: with one job accepted, or one aboard, or both; room for two more."""
    rng = np.random.default_rng(seed)
    count = len(problem.couriers)
    aboard = rng.random(count) < share / 2
    accepted = rng.random(count) < share
    lengths = aboard.astype(np.int64) + 2 * accepted
    first = np.concatenate([[0], np.cumsum(lengths)])
    stops = int(first[-1])
    pickup, mate = np.zeros(stops, bool), np.full(stops, NOBODY)
    for courier in np.flatnonzero(accepted):
        at = int(first[courier] + aboard[courier])
        pickup[at], mate[at + 1] = True, at
    latest = np.where(pickup, np.inf, rng.uniform(1500, 4000, stops))
    one = np.array([1, 1, 100])
    plans = Plans(
        first=first,
        latitude=rng.normal(40.75, 0.02, stops),
        longitude=rng.normal(-73.98, 0.02, stops),
        earliest_s=np.full(stops, -np.inf),
        latest_s=latest,
        due_s=latest - 300,
        mate=mate,
        ride_limit_s=np.full(stops, np.inf),
        pickup=pickup,
        load=np.where(pickup[:, None], one, -one),
        aboard=aboard[:, None] * one,
        reorder=rng.random(count) < 0.5,
    )
    offers = problem.couriers.offers
    roomy = replace(offers, persons=offers.persons + 2, parcels=offers.parcels + 2, weight_g=offers.weight_g + 2000)
    return replace(problem, couriers=replace(problem.couriers, plans=plans, offers=roomy))
