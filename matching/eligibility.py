"""Eligibility filters that can be evaluated for one job and one courier, without a route."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geo.units import Floats, Ints
from matching.problem import TOLERANCE_S, Gate, Problem

# The filter that removes a pair, or PASSES.
Codes = npt.NDArray[np.int8]
PASSES = np.int8(-1)
# About what share of the jobs in reach a courier with a destination, or near the end of the shift, cannot take.
EXPECTED_REMOVAL = 0.6


@dataclass(frozen=True, slots=True)
class Checked:
    """Shape (E,) each: the first filter that removes the pair, or PASSES; ``metres`` and ``seconds`` from where the
    courier is to the pickup."""

    code: Codes
    metres: Floats
    seconds: Floats


class PairFilters:
    """Reach, blocked, declined, destination, shift end and promise, in this order.

    They are complete for couriers without a plan. For a courier with a plan, only what no route can change is checked:
    blocked, declined and destination.
    """

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        couriers = problem.couriers
        self._idle = couriers.plans.lengths == 0 if len(couriers.plans) else None
        self.excluded = Excluded(problem)
        self._home_s = _seconds_to_destination(problem)
        self._shifts_end = bool(np.isfinite(couriers.shift_left_s).any())
        # Until when a job's pickup keeps what was promised, seconds from now.
        self._pickup_by_s = _latest_pickup(problem)
        self._promised = bool((self._pickup_by_s < np.inf).any())
        self.expected_removal = _expected_removal(problem)

    def check(self, job: Ints, courier: Ints) -> Checked:
        """Evaluate pairs (E,)."""
        problem, jobs, couriers = self._problem, self._problem.jobs, self._problem.couriers
        metres, seconds = problem.travel.legs(
            couriers.latitude[courier], couriers.longitude[courier],
            jobs.latitude[job], jobs.longitude[job], problem.at_s,
        )  # fmt: skip
        code = np.full(job.size, PASSES, np.int8)
        if self._promised or self._shifts_end:
            there = couriers.starts_in_s[courier] + seconds + problem.travel.half_pickup_service_s
            pickup_s = np.maximum(there, jobs.ready_in_s[job])
            if self._promised:
                code[pickup_s > self._pickup_by_s[job] + TOLERANCE_S] = Gate.PROMISE
            if self._shifts_end:
                code[pickup_s > couriers.shift_left_s[courier] + TOLERANCE_S] = Gate.SHIFT_END
        if self._idle is not None:
            code[~self._idle[courier]] = PASSES
        if self._home_s is not None:
            code[self._leads_away(self._home_s, job, courier)] = Gate.DESTINATION
        self.excluded.mark(code, job, courier)
        far = seconds > problem.max_reach_s + TOLERANCE_S
        if self._idle is not None:
            far &= self._idle[courier]
        code[far] = Gate.REACH
        return Checked(code, metres, seconds)

    def _leads_away(self, home_s: Floats, job: Ints, courier: Ints) -> Ints:
        """Return the pairs whose job does not end nearer to the courier's destination, by number."""
        problem, jobs, couriers = self._problem, self._problem.jobs, self._problem.couriers
        bound = np.flatnonzero(~np.isnan(home_s[courier]))
        if not bound.size:
            return bound
        to, at = job[bound], courier[bound]
        _, then = problem.travel.legs(
            jobs.to_latitude[to], jobs.to_longitude[to],
            couriers.home_latitude[at], couriers.home_longitude[at], problem.at_s,
        )  # fmt: skip
        away: Ints = bound[then >= home_s[at]]
        return away


class Excluded:
    """Pairs that must not be offered, by job, then courier; ``counts`` (jobs,): how many each job has."""

    def __init__(self, problem: Problem) -> None:
        exclusions, self._width = problem.exclusions, len(problem.couriers)
        keys = exclusions.job * self._width + exclusions.courier
        order = np.argsort(keys, kind="stable")
        self.job, self.courier = exclusions.job[order], exclusions.courier[order]
        self.gate = exclusions.gate[order].astype(np.int8)
        self._keys = keys[order]
        self.counts = np.bincount(self.job, minlength=len(problem.jobs))

    def mark(self, code: Codes, job: Ints, courier: Ints) -> None:
        """Write the filter of each excluded pair into ``code``."""
        if not self._keys.size:
            return
        maybe = np.flatnonzero(self.counts[job])
        key = job[maybe] * self._width + courier[maybe]
        at = np.minimum(np.searchsorted(self._keys, key), self._keys.size - 1)
        found = self._keys[at] == key
        code[maybe[found]] = self.gate[at[found]]


def _seconds_to_destination(problem: Problem) -> Floats | None:
    """Shape (couriers,): from where each is to the destination that they have set, or NaN; None where nobody has."""
    couriers = problem.couriers
    bound = np.flatnonzero(~np.isnan(couriers.home_latitude))
    if not bound.size:
        return None
    seconds = np.full(len(couriers), np.nan)
    _, seconds[bound] = problem.travel.legs(
        couriers.latitude[bound], couriers.longitude[bound],
        couriers.home_latitude[bound], couriers.home_longitude[bound], problem.at_s,
    )  # fmt: skip
    return seconds


def _expected_removal(problem: Problem) -> float:
    """Return about what share of the pairs the filters remove, by what is known of the couriers alone."""
    couriers = problem.couriers
    if not len(couriers):
        return 0.0
    heads_elsewhere = ~np.isnan(couriers.home_latitude)
    ends_soon = couriers.shift_left_s - couriers.starts_in_s < problem.max_reach_s
    return EXPECTED_REMOVAL * float((heads_elsewhere | ends_soon).mean())


def _latest_pickup(problem: Problem) -> Floats:
    """Shape (jobs,): seconds from now of the last pickup by a courier without other work that keeps every promise.

    -infinity where no pickup does.
    """
    jobs, travel = problem.jobs, problem.travel
    latest = jobs.latest_pickup_s
    rides_are_limited = problem.has_routes and bool(np.isfinite(jobs.ride_limit_s).any())
    if not (problem.keep_promises or rides_are_limited) or not len(jobs):
        return latest
    _, trip = travel.legs(jobs.latitude, jobs.longitude, jobs.to_latitude, jobs.to_longitude, problem.at_s)
    ride_s = travel.half_pickup_service_s + trip + travel.half_dropoff_service_s
    if problem.keep_promises:
        latest = np.minimum(latest, jobs.due_in_s - ride_s)
    if rides_are_limited:
        latest = np.where(ride_s > jobs.ride_limit_s + TOLERANCE_S, -np.inf, latest)
    return latest
