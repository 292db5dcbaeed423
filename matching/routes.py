"""The best route for each courier with each set of new jobs: all orders of their stops, evaluated as arrays."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from geo.units import Floats, Ints
from matching.costs import route_terms
from matching.eligibility import PASSES, Codes
from matching.orders import orders
from matching.problem import NOBODY, TOLERANCE_S, Bools, Gate, Insertion, Problem

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


@dataclass(frozen=True, slots=True)
class Points:
    """The N points of P pairs: a courier's accepted stops, then pickup and drop-off of each new job.

    ``leg_s``, ``leg_m`` (P, N + 1, N): from the courier (row 0) or from a point (row 1 + n). Shape (P, N):
    ``earliest_s``, ``latest_s``, ``due_s``; ``service_s`` between arrival and the moment that counts, and again before
    leaving; ``mate`` the point of the same job's pickup, or NOBODY; ``ride_limit_s``. ``load`` (P, N, 3).
    """

    old: int
    leg_s: Floats
    leg_m: Floats
    earliest_s: Floats
    latest_s: Floats
    due_s: Floats
    service_s: Floats
    mate: Ints
    ride_limit_s: Floats
    load: Ints


@dataclass(frozen=True, slots=True)
class Schedule:
    """Every order of every pair, played through. ``moment_s`` (P, Q, N) when each point is served, ``there_s`` when
    the courier arrives; ``driven_s``, ``waited_s``, ``end_s`` (P, Q) of the whole route."""

    moment_s: Floats
    there_s: Floats
    driven_s: Floats
    waited_s: Floats
    end_s: Floats


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


def gather(problem: Problem, courier: Ints, jobs: Ints, old: int) -> Points:
    """The points of pairs, with all ways between them."""
    all_jobs, plans, travel = problem.jobs, problem.couriers.plans, problem.travel
    pairs, new = jobs.shape
    shape = (pairs, old + 2 * new)
    stops = plans.first[courier][:, None] + np.arange(old)
    latitude, longitude = np.empty(shape), np.empty(shape)
    earliest, latest, due = np.full(shape, -np.inf), np.full(shape, np.inf), np.full(shape, np.inf)
    ride_limit, mate = np.full(shape, np.inf), np.full(shape, NOBODY, np.int64)
    load = np.empty((*shape, 3), np.int64)
    service = np.full(shape, travel.half_dropoff_service_s)
    latitude[:, :old], longitude[:, :old] = plans.latitude[stops], plans.longitude[stops]
    earliest[:, :old], latest[:, :old] = plans.earliest_s[stops], plans.latest_s[stops]
    ride_limit[:, :old], load[:, :old] = plans.ride_limit_s[stops], plans.load[stops]
    due[:, :old] = plans.due_s[stops]
    mates = plans.mate[stops]
    mate[:, :old] = np.where(mates == NOBODY, NOBODY, mates - plans.first[courier][:, None])
    service[:, :old][plans.pickup[stops]] = travel.half_pickup_service_s
    pick, drop = slice(old, None, 2), slice(old + 1, None, 2)
    latitude[:, pick], longitude[:, pick] = all_jobs.latitude[jobs], all_jobs.longitude[jobs]
    latitude[:, drop], longitude[:, drop] = all_jobs.to_latitude[jobs], all_jobs.to_longitude[jobs]
    earliest[:, pick], latest[:, pick] = all_jobs.ready_in_s[jobs], all_jobs.latest_pickup_s[jobs]
    due[:, drop], ride_limit[:, drop] = all_jobs.due_in_s[jobs], all_jobs.ride_limit_s[jobs]
    if problem.keep_promises:
        latest[:, drop] = all_jobs.due_in_s[jobs]
    mate[:, drop] = old + 2 * np.arange(new)
    service[:, pick] = travel.half_pickup_service_s
    loads = all_jobs.needs.loads()[jobs]
    load[:, pick], load[:, drop] = loads, -loads
    here = problem.couriers.latitude[courier][:, None], problem.couriers.longitude[courier][:, None]
    leg_m, leg_s = travel.legs(
        np.concatenate([here[0], latitude], axis=1)[:, :, None],
        np.concatenate([here[1], longitude], axis=1)[:, :, None],
        latitude[:, None, :],
        longitude[:, None, :],
        problem.at_s,
    )
    return Points(old, leg_s, leg_m, earliest, latest, due, service, mate, ride_limit, load)


def play(problem: Problem, courier: Ints, points: Points, rows: Ints) -> Schedule:
    """Times of every order in ``rows`` (Q, n), n <= N: drive, wait until served, serve, drive on."""
    pairs, count = courier.size, rows.shape[0]
    now = np.repeat(problem.couriers.starts_in_s[courier][:, None], count, axis=1)
    moment = np.full((pairs, count, points.mate.shape[1]), np.inf)
    arrived = moment.copy()
    driven, waited = np.zeros((pairs, count)), np.zeros((pairs, count))
    choice = np.arange(count)
    before = np.zeros(count, np.int64)
    for place in range(rows.shape[1]):
        here = rows[:, place]
        leg = points.leg_s[:, before, here]
        service = points.service_s[:, here]
        there = now + leg
        served = np.maximum(there + service, points.earliest_s[:, here])
        driven += leg
        waited += served - there - service
        arrived[:, choice, here] = there
        moment[:, choice, here] = served
        now = served + service
        before = here + 1
    return Schedule(moment, arrived, driven, waited, now)


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
