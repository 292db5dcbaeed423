"""Eligibility filters on what jobs need and couriers have: vehicle, zone, capacity and skills."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from geo.units import Ints
from matching.problem import Gate, Problem

# Columns of a row of requirements before the words of the skills (see classes_of).
ROW_OF_NEEDS = 6


@dataclass(frozen=True, slots=True)
class JobClass:
    """Jobs with the same requirements, ascending, and the couriers who meet them, ascending."""

    jobs: Ints
    able: Ints


def classes_of(problem: Problem, gates: Ints) -> list[JobClass]:
    """Return the classes of all jobs. ``gates`` (jobs, filters): receives how many couriers each filter removes."""
    return [JobClass(jobs, _able(problem, jobs, needs, gates)) for jobs, needs in _groups(problem)]


def _groups(problem: Problem) -> list[tuple[Ints, Ints]]:
    """Jobs grouped by identical requirements: (job indices, row of requirements) of each group.

    A row holds vehicles, persons, parcels, grams, barred vehicles, 1 where no courier has all the skills asked for, and
    then the words of the skills. The skills of jobs that no courier can do are left out, so that such jobs do not make
    a group each.
    """
    jobs = problem.jobs
    if not len(jobs):
        return []
    unmet = jobs.unmet_skills > 0
    skills = np.where(unmet[:, None], 0, jobs.needs.skills)
    more = np.stack([jobs.barred, unmet.astype(np.int64)], axis=-1)
    wanted = np.concatenate([jobs.needs.stacked(), more, skills], axis=1)
    if (wanted == wanted[0]).all():  # the usual case, without a sort
        return [(np.arange(len(jobs)), wanted[0])]
    needs, group = np.unique(wanted, axis=0, return_inverse=True)
    group = group.reshape(-1)
    order = np.argsort(group, kind="stable")
    bounds = np.searchsorted(group[order], np.arange(len(needs) + 1))
    return [(order[bounds[i] : bounds[i + 1]], needs[i]) for i in range(len(needs))]


def _able(problem: Problem, jobs: Ints, needs: Ints, gates: Ints) -> Ints:
    """Indices of couriers with the vehicle, the room and the skills."""
    offers = problem.couriers.offers
    vehicles, persons, parcels, weight, barred, unmet = needs[:ROW_OF_NEEDS].tolist()
    vehicle = (offers.vehicles & vehicles) != 0
    admitted = vehicle & ((offers.vehicles & barred) == 0)
    room = admitted & (offers.persons >= persons) & (offers.parcels >= parcels) & (offers.weight_g >= weight)
    able = room & offers.hold(needs[ROW_OF_NEEDS:]) if not unmet else np.zeros(room.size, bool)
    steps = [int(passed.sum()) for passed in (vehicle, admitted, room, able)]
    for gate, before, after in zip(
        (Gate.VEHICLE, Gate.ZONE, Gate.CAPACITY, Gate.SKILLS), [room.size, *steps], steps, strict=False
    ):
        gates[jobs, gate] = before - after
    return np.flatnonzero(able)
