"""The best route for each courier with each set of new jobs: all orders of their stops, evaluated as arrays."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from geo.units import Floats, Ints
from matching.costs import route_terms
from matching.eligibility import PASSES, Codes
from matching.orders import orders
from matching.problem import NOBODY, TOLERANCE_S, Bools, Gate, Insertion, Problem
from matching.schedule import Points, Schedule, gather, play

# Cells of the largest array that one pass may make: about 20 MB.
LARGEST_PASS = 2_500_000


@dataclass(frozen=True, slots=True)
class BestRoutes:
    """For each of P pairs the cheapest feasible route.

    ``code`` (P,): PASSES, or where no route is feasible the first of the filters reach, capacity, shift end and
    promise that, together with those before it, no route passes. ``stop``, ``moment_s`` (P, L) as in
    assignment.Routes; ``terms`` (P, T) int64; ``metres``, ``seconds`` (P,) to the first new pickup.
    """

    code: Codes
    stop: Ints
    moment_s: Floats
    terms: Ints
    metres: Floats
    seconds: Floats


def best_routes(problem: Problem, courier: Ints, jobs: Ints, insertion: Insertion) -> BestRoutes:
    """``courier`` (P,), ``jobs`` (P, m): all with plans of the same length, and m new jobs each."""
    old = int(problem.couriers.plans.lengths[courier[0]])
    rows = orders(old, jobs.shape[1], insertion, problem.sharing.frozen_stops)
    size = max(LARGEST_PASS // rows.size, 1)
    parts = [
        _best(problem, courier[start : start + size], jobs[start : start + size], old, rows)
        for start in range(0, courier.size, size)
    ]
    return BestRoutes(*(np.concatenate([getattr(part, one.name) for part in parts]) for one in fields(BestRoutes)))


def _best(problem: Problem, courier: Ints, jobs: Ints, old: int, rows: Ints) -> BestRoutes:
    points = gather(problem, courier, jobs, old)
    schedule = play(problem, courier, points, rows)
    feasible, filter_code = _feasible(problem, courier, points, schedule, rows)
    terms = route_terms(problem, courier, jobs, points, schedule, _unchanged(problem, courier, points))
    cost = np.where(feasible, terms.sum(axis=-1), np.iinfo(np.int64).max)
    best = cost.argmin(axis=1)
    pair = np.arange(courier.size)
    stop = rows[best]
    seconds, metres = _to_first_pickup(points, stop)
    moments = np.take_along_axis(schedule.moment_s[pair, best], stop, axis=1)
    code = np.where(stop < old, -1 - stop, stop - old)
    return BestRoutes(filter_code, code, moments, terms[pair, best], metres, seconds)


def _unchanged(problem: Problem, courier: Ints, points: Points) -> Schedule:
    """What the couriers would do without new jobs: one order, the accepted one."""
    return play(problem, courier, points, np.arange(points.old)[None, :])


def _feasible(problem: Problem, courier: Ints, points: Points, schedule: Schedule, rows: Ints) -> tuple[Bools, Codes]:
    """Return which orders are feasible, shape (P, Q), and for each pair BestRoutes.code."""
    couriers, moment = problem.couriers, schedule.moment_s
    way = schedule.there_s[:, :, points.old :: 2] - couriers.starts_in_s[courier][:, None, None]
    new_pickups = moment[:, :, points.old :: 2]
    code = np.full(courier.size, PASSES, np.int8)
    possible: Bools = np.ones(moment.shape[:2], bool)
    for gate, passed in (
        (Gate.REACH, (way <= problem.max_reach_s + TOLERANCE_S).all(axis=2)),
        (Gate.CAPACITY, _fits(problem, courier, points, rows)),
        (Gate.SHIFT_END, (new_pickups <= couriers.shift_left_s[courier][:, None, None] + TOLERANCE_S).all(axis=2)),
        (Gate.PROMISE, _keeps_promises(points, moment)),
    ):
        possible &= passed
        code[~possible.any(axis=1) & (code == PASSES)] = gate
    return possible, code


def _fits(problem: Problem, courier: Ints, points: Points, rows: Ints) -> Bools:
    """Shape (P, Q): whether the loads fit at every stop."""
    capacity = problem.couriers.offers.loads()[courier]
    aboard = problem.couriers.plans.aboard[courier]
    fits: Bools = np.ones((courier.size, rows.shape[0]), bool)
    for kind in range(3):
        filled = aboard[:, None, None, kind] + np.cumsum(points.load[:, :, kind][:, rows], axis=2)
        fits &= (filled <= capacity[:, None, None, kind]).all(axis=2)
    return fits


def _keeps_promises(points: Points, moment: Floats) -> Bools:
    """Shape (P, Q): whether time windows, longest rides and the order of accepted stops are kept."""
    kept: Bools = np.asarray((moment <= points.latest_s[:, None, :] + TOLERANCE_S).all(axis=2))
    begun = np.maximum(points.mate, 0)[:, None, :]
    since = np.where(points.mate[:, None, :] == NOBODY, 0.0, np.take_along_axis(moment, begun, axis=2))
    ride = moment - since
    kept &= ((ride >= 0) & (ride <= points.ride_limit_s[:, None, :] + TOLERANCE_S)).all(axis=2)
    return kept


def _to_first_pickup(points: Points, stop: Ints) -> tuple[Floats, Floats]:
    """Seconds and metres driven until the first new pickup, by the chosen orders (P, N)."""
    pair = np.arange(stop.shape[0])[:, None]
    before = np.concatenate([np.zeros((stop.shape[0], 1), np.int64), stop[:, :-1] + 1], axis=1)
    until = np.argmax(stop >= points.old, axis=1)[:, None] >= np.arange(stop.shape[1])
    seconds: Floats = (points.leg_s[pair, before, stop] * until).sum(axis=1)
    metres: Floats = (points.leg_m[pair, before, stop] * until).sum(axis=1)
    return seconds, metres
