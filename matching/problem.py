"""What a batch round knows, in columns: open jobs, free couriers, travel model and weights."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt

from geo.travel import TravelTime
from geo.units import Floats, Ints

Masks = npt.NDArray[np.int64]


class Solver(Enum):
    MIN_COST_FLOW = "min_cost_flow"
    GREEDY_NEAREST = "greedy_nearest"


@dataclass(frozen=True, slots=True)
class Weights:
    """Seconds of pickup time that one second of each term is worth; ``unmatched`` is in seconds."""

    pickup_time: float
    lateness: float
    waiting_at_pickup: float
    courier_waiting: float
    job_age: float
    unmatched: float


@dataclass(frozen=True, slots=True)
class Requirements:
    """What jobs ask for, or couriers offer. Each column has shape (n,), int64.

    ``vehicles`` and ``skills`` are bit masks (a courier sets one vehicle bit); loads are persons, parcels and grams.
    """

    vehicles: Masks
    skills: Masks
    persons: Ints
    parcels: Ints
    weight_g: Ints

    def stacked(self) -> Ints:
        """Shape (n, 5)."""
        return np.stack([self.vehicles, self.skills, self.persons, self.parcels, self.weight_g], axis=-1)


@dataclass(frozen=True, slots=True)
class OpenJobs:
    """Jobs that wait for a courier, shape (n,) each.

    ``age_s`` seconds in the queue; ``ready_in_s`` seconds until the client wants the pickup, negative when overdue.
    """

    latitude: Floats
    longitude: Floats
    age_s: Floats
    ready_in_s: Floats
    needs: Requirements

    def __len__(self) -> int:
        return int(self.latitude.size)


@dataclass(frozen=True, slots=True)
class FreeCouriers:
    """Couriers who may be offered a job, shape (n,) each.

    ``free_s`` seconds since they were last free of work; ``shift_left_s`` seconds to the end of the shift, or infinity.
    """

    latitude: Floats
    longitude: Floats
    free_s: Floats
    shift_left_s: Floats
    offers: Requirements

    def __len__(self) -> int:
        return int(self.latitude.size)


@dataclass(frozen=True, slots=True)
class Problem:
    """Everything that decides a round; the same problem always gives the same assignment.

    ``excluded_jobs[i]``, ``excluded_couriers[i]`` is a pair that must not be offered (int64 indices).
    """

    jobs: OpenJobs
    couriers: FreeCouriers
    excluded_jobs: Ints
    excluded_couriers: Ints
    travel: TravelTime
    weights: Weights
    solver: Solver
    candidates_per_job: int
    max_reach_s: float
    at_s: float
