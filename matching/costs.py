"""The objective as named terms, in integer thousandths of a second of pickup time."""

from __future__ import annotations

import numpy as np

from geo.units import Floats, Ints
from matching.assignment import MILLI
from matching.problem import Problem

# No term may exceed this many milliseconds (about 3,000 years of flow costs fit in 63 bits).
LIMIT = 10**13


def pair_terms(problem: Problem, job: Ints, courier: Ints, seconds: Floats) -> Ints:
    """Shape (E, 4), int64, in the order of assignment.TERMS."""
    weights, jobs, couriers = problem.weights, problem.jobs, problem.couriers
    at_pickup = seconds + problem.travel.half_pickup_service_s
    ready = jobs.ready_in_s[job]
    pickup = np.maximum(at_pickup, ready)
    return np.stack(
        [
            _milli(weights.pickup_time * seconds),
            _milli(weights.lateness * (pickup - ready)),
            _milli(weights.waiting_at_pickup * (pickup - at_pickup)),
            _milli(-weights.courier_waiting * couriers.free_s[courier]),
        ],
        axis=-1,
    )


def unmatched_cost(problem: Problem) -> Ints:
    """Shape (jobs,), int64: what it costs to leave each job for a later round; it grows with the job's age."""
    return _milli(problem.weights.unmatched + problem.weights.job_age * problem.jobs.age_s)


def _milli(seconds: Floats) -> Ints:
    return np.rint(np.clip(seconds * MILLI, -LIMIT, LIMIT)).astype(np.int64)
