"""The queue of open jobs: for each, the row of numbers that a round needs, made once when it joins."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from dispatcher.times import EARLIEST_US, LATEST_US, LONGEST_US, micros, rounded_us, span
from geo.units import Floats
from geo.zones import ZoneSet
from gig.v1 import job_pb2 as job_pb
from gig.v1 import policy_pb2 as policy_pb
from gig.v1 import types_pb2 as types_pb

ANY_VEHICLE = sum(1 << vehicle for vehicle in types_pb.VehicleType.values())
# Vehicle types that a mask has a bit for.
VEHICLE_BITS = 63
# Later than any time of a market: no limit.
NEVER = 2**62

JobRow = tuple[float, float, float, float, int, int, int, int, int, int, int, int, int, int, int]
JOB_COLUMNS = 15
# Columns before those that zones decide: barred vehicles and queue zone.
ZONE_COLUMNS = 13
# Name, least and greatest value of the whole numbers of a row, in their order. Times are as dispatcher.times has them,
# or sums of one and two spans; loads are uint32 of the contract.
_TIME, _LIMIT = (EARLIEST_US - 2 * LONGEST_US, LATEST_US + 2 * LONGEST_US), (-NEVER, NEVER)
_MASK, _LOAD = (0, 2**VEHICLE_BITS - 1), (0, 2**32 - 1)
WHOLE_COLUMNS: tuple[tuple[str, int, int], ...] = (
    ("age reference", *_TIME),
    ("ready time", *_TIME),
    ("promised arrival", *_LIMIT),
    ("latest pickup", *_LIMIT),
    ("ride limit", *_LIMIT),
    ("vehicles", *_MASK),
    ("persons", *_LOAD),
    ("parcels", *_LOAD),
    ("weight_grams", *_LOAD),
    ("barred vehicles", *_MASK),
    ("queue zone", -1, 2**31),
)


@dataclass(frozen=True, slots=True)
class QueuedJob:
    """``numbers``: latitude, longitude of pickup and of drop-off (degrees); age reference, ready time, promised
    arrival and last possible pickup (microseconds, NEVER for none), longest ride (microseconds); vehicle mask, persons,
    parcels, grams; vehicles that zones bar; index of the queue zone or -1."""

    numbers: JobRow
    skills: frozenset[str]


def queued(job: job_pb.Job, policy: policy_pb.Policy, zones: ZoneSet) -> QueuedJob:
    start, end = job.spec.pickup.position, job.spec.dropoff.position
    barred, queue_zone = 0, -1
    if zones.zones:
        barred = zones.barred(start.latitude, start.longitude) | zones.barred(end.latitude, end.longitude)
        queue_zone = zones.queue_index(start.latitude, start.longitude)
    return _row(job, policy, barred, queue_zone)


def all_queued(jobs: Sequence[job_pb.Job], policy: policy_pb.Policy, zones: ZoneSet) -> list[QueuedJob]:
    """Return the rows of many jobs, as ``queued`` makes each; the zones of all places are looked up together."""
    barred, queue_zone = _of_zones([job.spec for job in jobs], zones)
    return [_row(job, policy, *columns) for job, *columns in zip(jobs, barred, queue_zone, strict=True)]


def rezoned(rows: Sequence[QueuedJob], zones: ZoneSet) -> list[QueuedJob]:
    """Return the rows with what these zones say of their places; all else stays."""
    places = np.array([row.numbers[:4] for row in rows], np.float64).reshape(-1, 4).T
    barred, queue_zone = _zone_columns(places, zones)
    return [
        row
        if row.numbers[ZONE_COLUMNS:] == columns
        else QueuedJob(cast(JobRow, row.numbers[:ZONE_COLUMNS] + columns), row.skills)
        for row, columns in zip(rows, zip(barred, queue_zone, strict=True), strict=True)
    ]


def _of_zones(specs: Sequence[job_pb.JobSpec], zones: ZoneSet) -> tuple[list[int], list[int]]:
    ends = ((spec.pickup.position, spec.dropoff.position) for spec in specs)
    rows = [(start.latitude, start.longitude, end.latitude, end.longitude) for start, end in ends]
    return _zone_columns(np.array(rows, np.float64).reshape(-1, 4).T, zones)


def _zone_columns(places: Floats, zones: ZoneSet) -> tuple[list[int], list[int]]:
    """Return the columns that zones decide. ``places``, shape (4, n): as the first four of a row."""
    barred = zones.barred_of(*places[:2]) | zones.barred_of(*places[2:])
    return barred.tolist(), zones.queue_of(*places[:2]).tolist()


def _row(job: job_pb.Job, policy: policy_pb.Policy, barred: int, queue_zone: int) -> QueuedJob:
    spec, matching = job.spec, policy.matching
    placed = micros(job.place_time)
    ready = wanted_us(job)
    start, end = spec.pickup.position, spec.dropoff.position
    load = needed_load(spec)
    return QueuedJob(
        (
            start.latitude,
            start.longitude,
            end.latitude,
            end.longitude,
            max(placed, ready - span(matching.lead_time)),
            ready,
            promise_us(job),
            latest_pickup_us(job, policy),
            ride_limit_us(job, policy),
            vehicle_mask(spec.vehicle_types) if spec.vehicle_types else ANY_VEHICLE,
            load.persons,
            load.parcels,
            load.weight_grams,
            barred,
            queue_zone,
        ),
        frozenset(spec.skills),
    )


def vehicle_mask(types: Iterable[int]) -> int:
    """Return a bit for each vehicle type; none for types that this version has no bit for."""
    mask = 0
    for vehicle in types:
        if 0 <= vehicle < VEHICLE_BITS:
            mask |= 1 << vehicle
    return mask


def promise_us(job: job_pb.Job) -> int:
    """Return the promised arrival, or NEVER: without a promise, and for one at the end of time or beyond."""
    promised = micros(job.promise_time) if job.HasField("promise_time") else LATEST_US
    return promised if promised < LATEST_US else NEVER


def wanted_us(job: job_pb.Job) -> int:
    """When the client wants to be picked up: the time asked for, or of placing."""
    return micros(job.spec.pickup_after if job.spec.HasField("pickup_after") else job.place_time)


def latest_pickup_us(job: job_pb.Job, policy: policy_pb.Policy) -> int:
    promise = policy.matching.promise
    return wanted_us(job) + span(promise.pickup_within) if promise.HasField("pickup_within") else NEVER


def ride_limit_us(job: job_pb.Job, policy: policy_pb.Policy) -> int:
    """The longest time between pickup and drop-off."""
    promise = policy.matching.promise
    if not promise.HasField("ride_detour_share"):
        return NEVER
    return rounded_us(direct_ride_us(job, policy) * (1 + promise.ride_detour_share))


def direct_ride_us(job: job_pb.Job, policy: policy_pb.Policy) -> int:
    """Return the shortest time between pickup and drop-off: the trip, and service at both ends of it."""
    planar = policy.travel.planar
    return span(job.trip_duration) + (span(planar.pickup_service) + span(planar.dropoff_service) + 1) // 2


def promised_us(job: job_pb.Job, policy: policy_pb.Policy) -> int | None:
    """The latest arrival that a job is promised when it is placed, or None."""
    if job.spec.HasField("dropoff_before"):
        return micros(job.spec.dropoff_before)
    if not policy.matching.HasField("promise"):
        return None
    promise = policy.matching.promise
    ride_us = rounded_us(direct_ride_us(job, policy) * (1 + promise.detour_share))
    return wanted_us(job) + ride_us + span(promise.allowance)


def needed_load(spec: job_pb.JobSpec) -> types_pb.Load:
    """What the client said, or one person for a ride and one parcel for a delivery."""
    if spec.load.persons or spec.load.parcels or spec.load.weight_grams:
        return spec.load
    return types_pb.Load(persons=1) if spec.kind == types_pb.JOB_KIND_RIDE else types_pb.Load(parcels=1)
