"""Any plan, checked: which constraints it breaks, and by how much."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from geo.units import Floats, Ints
from matching.problem import NOBODY, TOLERANCE_S, Problem
from matching.schedule import Points, gather, play


class Constraint(StrEnum):
    """What a plan may break. The values are part of the contract."""

    MISSING_STOP = "missing_stop"
    VEHICLE = "vehicle"
    ZONE = "zone"
    SKILLS = "skills"
    # The pair is kept apart, or the courier has declined the job.
    EXCLUDED = "excluded"
    CAPACITY_PERSONS = "capacity_persons"
    CAPACITY_PARCELS = "capacity_parcels"
    CAPACITY_WEIGHT_G = "capacity_weight_g"
    LATEST = "latest"
    PROMISE = "promise"
    RIDE = "ride"
    PICKUP_BEFORE_DROPOFF = "pickup_before_dropoff"
    SHIFT_END = "shift_end"
    REACH = "reach"


# In the order of the columns of loads.
LOADS = (Constraint.CAPACITY_PERSONS, Constraint.CAPACITY_PARCELS, Constraint.CAPACITY_WEIGHT_G)


@dataclass(frozen=True, slots=True)
class Violation:
    """``point`` as in matching.schedule.Points, or NOBODY where the whole plan is meant; ``amount`` in the constraint's
    unit: seconds, persons, parcels, grams, or 1."""

    constraint: Constraint
    point: int
    amount: float


@dataclass(frozen=True, slots=True)
class Checked:
    """When each stop of the plan is served (seconds from now, in the plan's order), and what the plan breaks."""

    moment_s: Floats
    violations: list[Violation]


def check_plan(problem: Problem, courier: int, jobs: Ints, order: Ints) -> Checked:
    """``order``: points of the courier's accepted stops and of the new ``jobs``, as in matching.schedule.Points."""
    who = np.array([courier])
    old = int(problem.couriers.plans.lengths[courier])
    points = gather(problem, who, jobs[None, :], old)
    missing = sorted(set(range(old + 2 * jobs.size)) - set(order.tolist()))
    schedule = play(problem, who, points, order[None, :])
    moment, there = schedule.moment_s[0, 0], schedule.there_s[0, 0]
    found = [Violation(Constraint.MISSING_STOP, point, 1.0) for point in missing]
    found += _pairs(problem, courier, jobs)
    found += _loads(problem, courier, points, order)
    served = set(order.tolist())
    for point in order.tolist():
        found += _times(points, moment, point, served)
        is_new_pickup = point >= old and (point - old) % 2 == 0
        if is_new_pickup:
            left = float(problem.couriers.shift_left_s[courier])
            found += _over(Constraint.SHIFT_END, point, float(moment[point]), left)
            way = float(there[point] - problem.couriers.starts_in_s[courier])
            found += _over(Constraint.REACH, point, way, problem.max_reach_s)
    return Checked(moment[order], found)


def _over(constraint: Constraint, point: int, value: float, limit: float) -> list[Violation]:
    return [Violation(constraint, point, value - limit)] if value > limit + TOLERANCE_S else []


def _times(points: Points, moment: Floats, point: int, served: set[int]) -> list[Violation]:
    found = _over(Constraint.LATEST, point, float(moment[point]), float(points.latest_s[0, point]))
    if not found:
        found = _over(Constraint.PROMISE, point, float(moment[point]), float(points.due_s[0, point]))
    mate = int(points.mate[0, point])
    if mate == NOBODY:
        return found + _over(Constraint.RIDE, point, float(moment[point]), float(points.ride_limit_s[0, point]))
    if mate in served:
        ride = float(moment[point] - moment[mate])
        if ride < 0:
            return [*found, Violation(Constraint.PICKUP_BEFORE_DROPOFF, point, -ride)]
        found += _over(Constraint.RIDE, point, ride, float(points.ride_limit_s[0, point]))
    return found


def _loads(problem: Problem, courier: int, points: Points, order: Ints) -> list[Violation]:
    """The worst excess of each kind of load."""
    capacity = problem.couriers.offers.loads()[courier]
    filled = problem.couriers.plans.aboard[courier] + np.cumsum(points.load[0, order], axis=0)
    excess = filled - capacity
    found = []
    for kind, constraint in enumerate(LOADS):
        worst = int(excess[:, kind].argmax())
        if excess[worst, kind] > 0:
            found.append(Violation(constraint, int(order[worst]), float(excess[worst, kind])))
    return found


def _pairs(problem: Problem, courier: int, jobs: Ints) -> list[Violation]:
    """What keeps this courier from these jobs in any order."""
    needs, offers, exclusions = problem.jobs.needs, problem.couriers.offers, problem.exclusions
    old = int(problem.couriers.plans.lengths[courier])
    found = []
    for place, job in enumerate(jobs.tolist()):
        point = old + 2 * place
        if not offers.vehicles[courier] & needs.vehicles[job]:
            found.append(Violation(Constraint.VEHICLE, point, 1.0))
        if offers.vehicles[courier] & problem.jobs.barred[job]:
            found.append(Violation(Constraint.ZONE, point, 1.0))
        lacking = np.bitwise_count(needs.skills[job] & ~offers.skills[courier]).sum() + problem.jobs.unmet_skills[job]
        if lacking:
            found.append(Violation(Constraint.SKILLS, point, float(lacking)))
        apart = (exclusions.job == job) & (exclusions.courier == courier)
        found += [Violation(Constraint.EXCLUDED, point, 1.0)] * int(apart.any())
    return found
