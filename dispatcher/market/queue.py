"""The queue of open jobs: for each, the row of numbers that a round needs, made once when it joins."""

from __future__ import annotations

from dataclasses import dataclass

from dispatcher.times import micros, span
from gig.v1 import job_pb2 as job_pb
from gig.v1 import policy_pb2 as policy_pb
from gig.v1 import types_pb2 as types_pb

ANY_VEHICLE = sum(1 << vehicle for vehicle in types_pb.VehicleType.values())


@dataclass(frozen=True, slots=True)
class QueuedJob:
    """``numbers``: latitude, longitude (float degrees), age reference and ready time (microseconds), vehicle mask,
    persons, parcels, grams."""

    numbers: tuple[float, float, int, int, int, int, int, int]
    skills: frozenset[str]


def queued(job: job_pb.Job, policy: policy_pb.Policy) -> QueuedJob:
    spec = job.spec
    placed = micros(job.place_time)
    ready = micros(spec.pickup_after) if spec.HasField("pickup_after") else placed
    since = max(placed, ready - span(policy.matching.lead_time))
    load = needed_load(spec)
    return QueuedJob(
        (
            spec.pickup.position.latitude,
            spec.pickup.position.longitude,
            since,
            ready,
            sum(1 << vehicle for vehicle in spec.vehicle_types) or ANY_VEHICLE,
            load.persons,
            load.parcels,
            load.weight_grams,
        ),
        frozenset(spec.skills),
    )


def needed_load(spec: job_pb.JobSpec) -> types_pb.Load:
    """What the client said, or one person for a ride and one parcel for a delivery."""
    if spec.load.persons or spec.load.parcels or spec.load.weight_grams:
        return spec.load
    return types_pb.Load(persons=1) if spec.kind == types_pb.JOB_KIND_RIDE else types_pb.Load(parcels=1)
