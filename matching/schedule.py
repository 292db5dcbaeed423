"""When a courier serves each stop of a route: all orders of the stops of many couriers, played through as arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from geo.units import Floats, Ints
from matching.problem import NOBODY, Problem


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
