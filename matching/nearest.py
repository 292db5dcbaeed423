"""The nearest couriers of jobs: one search tree for each set of couriers, queried for any number of neighbours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from geo.units import Ints
from matching.problem import Bools, Problem


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Pairs (E,), the pairs of a job side by side, nearest first. ``exhausted``, shape (jobs asked for,): every courier
    within reach is among the job's pairs."""

    job: Ints
    courier: Ints
    exhausted: Bools


class Nearest:
    """Points of all couriers, embedded once: where they are, and each stop of their plans."""

    def __init__(self, problem: Problem) -> None:
        couriers, plans, travel = problem.couriers, problem.couriers.plans, problem.travel
        self.count = len(couriers)
        self.radius = travel.radius(problem.max_reach_s, problem.at_s)
        latitude, longitude = couriers.latitude, couriers.longitude
        self.owner = np.arange(self.count)
        if len(plans):
            latitude = np.concatenate([latitude, plans.latitude])
            longitude = np.concatenate([longitude, plans.longitude])
            self.owner = np.concatenate([self.owner, np.repeat(self.owner, plans.lengths)])
        self.places = travel.embed(latitude, longitude)
        self.points = travel.embed(problem.jobs.latitude, problem.jobs.longitude)
        self._everyone: Among | None = None

    def among(self, couriers: Ints) -> Among:
        """Return the search among these couriers, ascending; the one among all couriers is made once."""
        if couriers.size < self.count:
            return Among(self, couriers)
        if self._everyone is None:
            self._everyone = Among(self, couriers)
        return self._everyone


class Among:
    """The search among some of the couriers."""

    def __init__(self, nearest: Nearest, couriers: Ints) -> None:
        from scipy.spatial import cKDTree

        self._nearest = nearest
        self._several = nearest.owner.size > nearest.count
        if couriers.size == nearest.count:
            self._places = np.arange(nearest.owner.size)
        else:
            mine = np.zeros(nearest.count, bool)
            mine[couriers] = True
            self._places = np.flatnonzero(mine[nearest.owner])
        self._tree = cKDTree(nearest.places[self._places], balanced_tree=False, compact_nodes=False)

    def query(self, jobs: Ints, count: int) -> Neighbours:
        """Return about ``count`` couriers nearest to each of the ``jobs``, or all who are in reach."""
        nearest, places = self._nearest, self._places
        # Where couriers have stops, several places may be the same courier's.
        k = min(count * 2 if self._several else count, places.size)
        _, near = self._tree.query(nearest.points[jobs], k=k, distance_upper_bound=nearest.radius)
        near = np.reshape(near, (jobs.size, k))
        real = near < places.size
        found = real.sum(axis=1)
        job, courier = np.repeat(jobs, found), nearest.owner[places[near[real]]]
        if self._several:
            keep = _first_of_its_kind(job, courier, nearest.count)
            job, courier = job[keep], courier[keep]
        return Neighbours(job, courier, (found < k) | (k == places.size))


def _first_of_its_kind(job: Ints, courier: Ints, couriers: int) -> Bools:
    """Return which pairs come for the first time."""
    _, first = np.unique(job * couriers + courier, return_index=True)
    mask = np.zeros(job.size, bool)
    mask[first] = True
    return mask
