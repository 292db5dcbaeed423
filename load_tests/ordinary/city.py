"""Where ordinary people are, and what they ask for: a few square kilometres, deliveries and rides by any vehicle."""

from __future__ import annotations

import numpy as np

from gig.v1 import job_pb2 as job_pb
from gig.v1 import types_pb2 as types_pb

CENTRE = (40.7484, -73.9857)
# Half the side of the square in degrees: about 2 km.
REACH = 0.02
# Couriers of a run hold it and its jobs ask for it, so that nobody else can take these jobs and leave them.
SKILL = "ordinary"


def position(rng: np.random.Generator) -> types_pb.Position:
    """Draw a position in the city."""
    latitude, longitude = (centre + float(rng.uniform(-REACH, REACH)) for centre in CENTRE)
    return types_pb.Position(latitude=latitude, longitude=longitude)


def job(rng: np.random.Generator, skill: str = SKILL) -> job_pb.JobSpec:
    """Draw a job that a courier of the same city with this skill can serve at once."""
    kind = types_pb.JOB_KIND_RIDE if rng.random() < 0.5 else types_pb.JOB_KIND_DELIVERY
    return job_pb.JobSpec(
        kind=kind,
        pickup=types_pb.Place(position=position(rng)),
        dropoff=types_pb.Place(position=position(rng)),
        skills=[skill] if skill else [],
    )
