"""Any plan, checked: which constraints it breaks, and by how much."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from geo.units import Floats, Ints
from matching.problem import NOBODY, TOLERANCE_S, Problem
from matching.routes import Points, gather, play

LOADS = ("persons", "parcels", "weight_g")


@dataclass(frozen=True, slots=True)
class Violation:
    """``point`` as in matching.routes.Points, or NOBODY where the whole plan is meant; ``amount`` in the constraint's
    unit: seconds, persons, parcels, grams, or 1."""

    constraint: str
    point: int
    amount: float


@dataclass(frozen=True, slots=True)
class Checked:
    """When each stop of the plan is served (seconds from now, in the plan's order), and what the plan breaks."""

    moment_s: Floats
    violations: list[Violation]


def check_plan(problem: Problem, courier: int, jobs: Ints, order: Ints) -> Checked:
    """``order``: points of the courier's accepted stops and of the new ``jobs``, as in matching.routes.Points."""
    who = np.array([courier])
    old = int(problem.couriers.plans.lengths[courier])
    points = gather(problem, who, jobs[None, :], old)
    missing = sorted(set(range(old + 2 * jobs.size)) - set(order.tolist()))
    schedule = play(problem, who, points, order[None, :])
    moment, there = schedule.moment_s[0, 0], schedule.there_s[0, 0]
    found = [Violation("missing_stop", point, 1.0) for point in missing]
    found += _pairs(problem, courier, jobs)
    found += _loads(problem, courier, points, order)
    served = set(order.tolist())
    for point in order.tolist():
        found += _times(points, moment, point, served)
        is_new_pickup = point >= old and (point - old) % 2 == 0
        if is_new_pickup:
            left = float(problem.couriers.shift_left_s[courier])
            found += _over("shift_end", point, float(moment[point]), left)
            way = float(there[point] - problem.couriers.starts_in_s[courier])
            found += _over("reach", point, way, problem.max_reach_s)
    return Checked(moment[order], found)


def _over(constraint: str, point: int, value: float, limit: float) -> list[Violation]:
    return [Violation(constraint, point, value - limit)] if value > limit + TOLERANCE_S else []


def _times(points: Points, moment: Floats, point: int, served: set[int]) -> list[Violation]:
    found = _over("latest", point, float(moment[point]), float(points.latest_s[0, point]))
    if not found:
        found = _over("promise", point, float(moment[point]), float(points.due_s[0, point]))
    mate = int(points.mate[0, point])
    if mate == NOBODY:
        return found + _over("ride", point, float(moment[point]), float(points.ride_limit_s[0, point]))
    if mate in served:
        ride = float(moment[point] - moment[mate])
        if ride < 0:
            return [*found, Violation("pickup_before_dropoff", point, -ride)]
        found += _over("ride", point, ride, float(points.ride_limit_s[0, point]))
    return found


def _loads(problem: Problem, courier: int, points: Points, order: Ints) -> list[Violation]:
    """The worst excess of each kind of load."""
    capacity = problem.couriers.offers.loads()[courier]
    filled = problem.couriers.plans.aboard[courier] + np.cumsum(points.load[0, order], axis=0)
    excess = filled - capacity
    found = []
    for kind, name in enumerate(LOADS):
        worst = int(excess[:, kind].argmax())
        if excess[worst, kind] > 0:
            found.append(Violation(f"capacity_{name}", int(order[worst]), float(excess[worst, kind])))
    return found


def _pairs(problem: Problem, courier: int, jobs: Ints) -> list[Violation]:
    """What keeps this courier from these jobs in any order."""
    needs, offers, exclusions = problem.jobs.needs, problem.couriers.offers, problem.exclusions
    old = int(problem.couriers.plans.lengths[courier])
    found = []
    for place, job in enumerate(jobs.tolist()):
        point = old + 2 * place
        if not offers.vehicles[courier] & needs.vehicles[job]:
            found.append(Violation("vehicle", point, 1.0))
        if offers.vehicles[courier] & problem.jobs.barred[job]:
            found.append(Violation("zone", point, 1.0))
        lacking = np.bitwise_count(needs.skills[job] & ~offers.skills[courier]).sum() + problem.jobs.unmet_skills[job]
        if lacking:
            found.append(Violation("skills", point, float(lacking)))
        apart = (exclusions.job == job) & (exclusions.courier == courier)
        found += [Violation("excluded", point, 1.0)] * int(apart.any())
    return found
