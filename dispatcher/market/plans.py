"""What a courier has accepted and not yet done: the plan's stops, when they are expected, and where the plan ends."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from dispatcher.market import lifecycle
from dispatcher.market.queue import NEVER, latest_pickup_us, needed_load, promise_us, ride_limit_us, wanted_us
from dispatcher.market.state import MarketState
from dispatcher.times import SECOND, micros, rounded_us, set_time
from geo.units import Floats
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import job_pb2 as job_pb
from gig.v1 import types_pb2 as types_pb

PICKUP, DROPOFF = job_pb.STOP_KIND_PICKUP, job_pb.STOP_KIND_DROPOFF

# Columns of a plan's rows: degrees, microseconds, place of the pickup in the plan or -1, time of the pickup,
# 1 for a pickup, load.
WIDTH = 12
LATITUDE, LONGITUDE, EARLIEST, PICKUP_BY, DUE, RIDE_LIMIT = range(6)
MATE, PICKED, IS_PICKUP, PERSONS, PARCELS, WEIGHT = range(6, WIDTH)


def stop_position(job: job_pb.Job, kind: job_pb.StopKind) -> types_pb.Position:
    place = job.spec.pickup if kind == PICKUP else job.spec.dropoff
    return place.position


def is_to_do(job: job_pb.Job, courier_id: str, kind: job_pb.StopKind) -> bool:
    """Whether the courier still has this stop before them."""
    if job.courier_id != courier_id or job.state not in lifecycle.HELD:
        return False
    return kind == DROPOFF or job.state != lifecycle.PICKED_UP


def adopt(state: MarketState, courier: courier_pb.Courier, stops: Iterable[job_pb.PlanStop]) -> None:
    """The plan becomes these stops, as far as they are still to do."""
    del courier.plan[:]
    courier.plan.extend(stops)
    drop_what_is_done(state, courier)


def drop_what_is_done(state: MarketState, courier: courier_pb.Courier) -> None:
    """The plan's stops that are done, or belong to others by now, leave it."""
    jobs, courier_id, plan = state.jobs, courier.courier_id, courier.plan
    for place in range(len(plan) - 1, -1, -1):
        stop = plan[place]
        job = jobs.get(stop.job_id)
        if job is None or not is_to_do(job, courier_id, stop.kind):
            del plan[place]


def expect_from(state: MarketState, courier: courier_pb.Courier, position: types_pb.Position, leaves_us: int) -> None:
    """Expected times of all stops for a courier who leaves from ``position`` at ``leaves_us``."""
    travel = state.travel
    assert travel is not None, "a market is opened with its policy"
    latitude, longitude, now = position.latitude, position.longitude, leaves_us
    for stop in courier.plan:
        job = state.jobs[stop.job_id]
        there = stop_position(job, stop.kind)
        to_latitude, to_longitude = there.latitude, there.longitude
        seconds = 0.0
        if (latitude, longitude) != (to_latitude, to_longitude):
            _, seconds = travel.leg(latitude, longitude, to_latitude, to_longitude, now / SECOND)
        service = travel.half_pickup_service_s if stop.kind == PICKUP else travel.half_dropoff_service_s
        served = now + rounded_us((seconds + service) * SECOND)
        if stop.kind == PICKUP:
            served = max(served, wanted_us(job))
        set_time(stop.expected_time, served)
        now = served + rounded_us(service * SECOND)
        latitude, longitude = to_latitude, to_longitude


def rows_of(state: MarketState, number: int) -> Floats:
    """Shape (stops, 12): the plan of a courier as numbers, in the columns above; made once after each change of it."""
    kept = state.columns.plans
    if number not in kept:
        kept[number] = _rows(state, state.couriers[state.columns.ids[number]])
    return kept[number]


def _rows(state: MarketState, courier: courier_pb.Courier) -> Floats:
    found = np.zeros((len(courier.plan), WIDTH))
    places: dict[str, int] = {}
    policy = state.policy
    for place, stop in enumerate(courier.plan):
        job = state.jobs[stop.job_id]
        position, load = stop_position(job, stop.kind), needed_load(job.spec)
        sign = 1 if stop.kind == PICKUP else -1
        aboard = job.state == lifecycle.PICKED_UP
        if stop.kind == PICKUP:
            places[stop.job_id] = place
        found[place] = (
            position.latitude,
            position.longitude,
            wanted_us(job) if stop.kind == PICKUP else 0,
            latest_pickup_us(job, policy) if stop.kind == PICKUP else np.inf,
            promised if stop.kind == DROPOFF and (promised := promise_us(job)) != NEVER else np.inf,
            ride_limit_us(job, policy) if stop.kind == DROPOFF else np.inf,
            places.get(stop.job_id, -1) if stop.kind == DROPOFF else -1,
            micros(job.pickup_time) if aboard else 0,
            stop.kind == PICKUP,
            sign * load.persons,
            sign * load.parcels,
            sign * load.weight_grams,
        )
    return found


def end_of(state: MarketState, courier: courier_pb.Courier) -> tuple[types_pb.Position, int]:
    """Where and when (microseconds) the plan ends; the plan must not be empty."""
    assert state.travel is not None, "a market is opened with its policy"
    last = courier.plan[-1]
    service = state.travel.half_pickup_service_s if last.kind == PICKUP else state.travel.half_dropoff_service_s
    position = stop_position(state.jobs[last.job_id], last.kind)
    return position, micros(last.expected_time) + rounded_us(service * SECOND)
