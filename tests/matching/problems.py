"""Random matching problems."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from geo.travel import StraightLine
from matching.problem import FreeCouriers, OpenJobs, Problem, Requirements, Solver, Weights


def random_problem(seed: int, jobs: int, couriers: int, **changes: object) -> Problem:
    rng = np.random.default_rng(seed)

    def needs(count: int, vehicles: np.ndarray, spare: int) -> Requirements:
        return Requirements(
            vehicles=vehicles,
            skills=rng.integers(0, 2, count) * spare,
            persons=rng.integers(0, 2, count) + spare,
            parcels=rng.integers(0, 2, count) + spare,
            weight_g=rng.integers(0, 1000, count) + 1000 * spare,
        )

    excluded = np.unique(rng.integers(0, jobs * couriers, 5)) if jobs and couriers else np.zeros(0, np.int64)
    problem = Problem(
        jobs=OpenJobs(
            latitude=rng.normal(40.75, 0.02, jobs),
            longitude=rng.normal(-73.98, 0.02, jobs),
            age_s=rng.uniform(0, 300, jobs),
            ready_in_s=rng.uniform(-300, 600, jobs),
            needs=needs(jobs, rng.choice([2, 6, 62], jobs), 0),
        ),
        couriers=FreeCouriers(
            latitude=rng.normal(40.75, 0.02, couriers),
            longitude=rng.normal(-73.98, 0.02, couriers),
            free_s=rng.uniform(0, 1000, couriers),
            shift_left_s=np.where(rng.random(couriers) < 0.2, rng.uniform(0, 600, couriers), np.inf),
            offers=needs(couriers, 1 << rng.integers(1, 6, couriers), 1),
        ),
        excluded_jobs=excluded // max(couriers, 1),
        excluded_couriers=excluded % max(couriers, 1),
        travel=StraightLine(1.3, (5.5,)),
        weights=Weights(1.0, 0.5, 0.2, 0.05, 1.0, 3600.0),
        solver=Solver.MIN_COST_FLOW,
        candidates_per_job=5,
        max_reach_s=600.0,
        at_s=0.0,
    )
    return replace(problem, **changes)
