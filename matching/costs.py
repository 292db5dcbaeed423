"""The objective as named terms, in integer thousandths of a second of pickup time.

pickup_time: seconds until the courier is at each new job's pickup. lateness: pickup after the moment the client asked
for. overdue: arrival after the promise, also of those served already. detour: ride beyond the direct way, and what
those served already lose. waiting_at_pickup: the courier waits for the job. deadhead: driving beyond the jobs' direct
ways. shift_end: work after the shift's end. courier_waiting: bonus for being free for long. income_gap: bonus for
earning less than the market's hour; its weight bounds what it can add to anyone's wait. kept_offer: bonus for what is
offered already, so that only a better pair by so much changes it.
"""

from __future__ import annotations

import numpy as np

from geo.units import Floats, Ints
from matching.assignment import MILLI
from matching.problem import Bools, Problem
from matching.schedule import Points, Schedule

# No term may exceed this many milliseconds (three years): sums of all terms over a million jobs stay below 63 bits.
LIMIT = 10**11


def pair_terms(problem: Problem, job: Ints, courier: Ints, seconds: Floats) -> Ints:
    """One job for a courier without a plan: shape (E, T), int64, in the order of assignment.TERMS."""
    weights, jobs, couriers, travel = problem.weights, problem.jobs, problem.couriers, problem.travel
    start = couriers.starts_in_s[courier]
    there = start + seconds + travel.half_pickup_service_s
    ready = jobs.ready_in_s[job]
    pickup = np.maximum(there, ready)
    nothing = np.zeros(job.size)
    overdue, after_shift = nothing, nothing
    if weights.overdue or weights.shift_end:
        _, trip = travel.legs(
            jobs.latitude[job], jobs.longitude[job], jobs.to_latitude[job], jobs.to_longitude[job], problem.at_s
        )
        arrival = pickup + travel.half_pickup_service_s + trip + travel.half_dropoff_service_s
        overdue = np.maximum(arrival - jobs.due_in_s[job], 0)
        after_shift = np.maximum(arrival + travel.half_dropoff_service_s - couriers.shift_left_s[courier], 0)
    return _milli(
        [
            weights.pickup_time * (start + seconds),
            weights.lateness * (pickup - ready),
            weights.overdue * overdue,
            nothing,
            weights.waiting_at_pickup * (pickup - there),
            weights.deadhead * seconds,
            weights.shift_end * after_shift,
            -weights.courier_waiting * couriers.free_s[courier],
            -weights.income_gap * couriers.income_gap[courier],
            -_kept_s(problem, job[:, None], courier),
        ]
    )


def later_cost(
    problem: Problem, courier: Ints, latitude: Floats, longitude: Floats, start_s: Floats
) -> tuple[Ints, Floats, Bools]:
    """Every job behind earlier work: what it costs, when the courier is free again, and whether hard limits allow it.

    ``courier``, ``latitude``, ``longitude``, ``start_s`` (K,): who leaves from where, and when (seconds from now).
    Shapes (K, jobs).
    """
    weights, jobs, travel = problem.weights, problem.jobs, problem.travel
    _, way = travel.legs(latitude[:, None], longitude[:, None], jobs.latitude, jobs.longitude, problem.at_s)
    _, trip = travel.legs(jobs.latitude, jobs.longitude, jobs.to_latitude, jobs.to_longitude, problem.at_s)
    left = problem.couriers.shift_left_s[courier][:, None]
    arrives = start_s[:, None] + way
    there = arrives + travel.half_pickup_service_s
    pickup = np.maximum(there, jobs.ready_in_s)
    dropoff = pickup + travel.half_pickup_service_s + trip + travel.half_dropoff_service_s
    end_s = dropoff + travel.half_dropoff_service_s
    overdue = np.maximum(dropoff - jobs.due_in_s, 0)
    possible: Bools = (pickup <= np.minimum(left, jobs.latest_pickup_s)) & (way <= problem.max_reach_s)
    if problem.keep_promises:
        possible &= overdue <= 0
    cost = (
        weights.pickup_time * arrives
        + weights.lateness * (pickup - jobs.ready_in_s)
        + weights.overdue * overdue
        + weights.waiting_at_pickup * (pickup - there)
        + weights.deadhead * way
        + weights.shift_end * np.maximum(end_s - np.maximum(left, start_s[:, None]), 0)
    )
    return _milli([cost])[..., 0], end_s, possible


def route_terms(
    problem: Problem, courier: Ints, jobs: Ints, points: Points, schedule: Schedule, unchanged: Schedule
) -> Ints:
    """Every order of every pair: shape (P, Q, T), int64. What a plan costs already is not counted again."""
    weights, couriers, old = problem.weights, problem.couriers, points.old
    pickup, arrival = schedule.moment_s[:, :, old::2], schedule.moment_s[:, :, old + 1 :: 2]
    new = np.arange(jobs.shape[1])
    trip = points.leg_s[:, old + 2 * new + 1, old + 2 * new + 1][:, None, :]
    ready = problem.jobs.ready_in_s[jobs][:, None, :]
    due = points.due_s[:, None, old + 1 :: 2]
    rides = points.service_s[:, None, old::2] + trip + points.service_s[:, None, old + 1 :: 2]
    delay = schedule.moment_s[:, :, :old] - unchanged.moment_s[:, :, :old]
    late_now = np.maximum(unchanged.moment_s[:, :, :old] - points.due_s[:, None, :old], 0).sum(axis=2)
    late = np.maximum(schedule.moment_s[:, :, :old] - points.due_s[:, None, :old], 0).sum(axis=2)
    left = couriers.shift_left_s[courier][:, None]
    work_on = np.maximum(schedule.end_s - left, 0) - np.maximum(unchanged.end_s - left, 0)
    alone = np.ones(schedule.end_s.shape)
    return _milli(
        [
            weights.pickup_time * schedule.there_s[:, :, old::2].sum(axis=2),
            weights.lateness * (pickup - ready).sum(axis=2),
            weights.overdue * (np.maximum(arrival - due, 0).sum(axis=2) + late - late_now),
            weights.detour * ((arrival - pickup - rides).sum(axis=2) + delay.sum(axis=2)),
            weights.waiting_at_pickup * (schedule.waited_s - unchanged.waited_s),
            weights.deadhead * (schedule.driven_s - unchanged.driven_s - trip.sum(axis=2)),
            weights.shift_end * work_on,
            -weights.courier_waiting * couriers.free_s[courier][:, None] * alone,
            -weights.income_gap * couriers.income_gap[courier][:, None] * alone,
            -_kept_s(problem, jobs, courier)[:, None] * alone,
        ]
    )


def _kept_s(problem: Problem, jobs: Ints, courier: Ints) -> Floats:
    """Shape (E,): what it is worth, in seconds, that these jobs are offered to these couriers already."""
    offers = problem.open_offers
    if offers is None:
        return np.zeros(courier.size)
    return np.where(offers.kept(jobs, courier), offers.worth_s, 0.0)


def unmatched_cost(problem: Problem) -> Ints:
    """Shape (jobs,), int64: what it costs to leave each job for a later round; it grows with the job's age."""
    return _milli([problem.weights.unmatched + problem.weights.job_age * problem.jobs.age_s])[..., 0]


def _milli(terms: list[Floats]) -> Ints:
    """Return seconds as thousandths, int64, none beyond LIMIT; what is not a number costs the most."""
    stacked = np.clip(np.stack(terms, axis=-1) * MILLI, -LIMIT, LIMIT)
    return np.rint(np.nan_to_num(stacked, copy=False, nan=LIMIT)).astype(np.int64)
