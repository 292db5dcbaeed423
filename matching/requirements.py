"""Eligibility filters on what jobs need and couriers have: vehicle, zone, capacity and skills."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from geo.units import Ints
from matching.problem import Bools, Gate, Problem

# Columns of a row of requirements before the words of the skills (see _classes).
ROW_OF_NEEDS = 6


@dataclass(frozen=True, slots=True)
class Able:
    """The couriers who have what each job needs.

    ``groups``: different sets of couriers, each ascending; ``group_of`` (jobs,) the set of each job, ``count`` (jobs,)
    its size.
    """

    groups: list[Ints]
    group_of: Ints
    count: Ints
    couriers: int

    @classmethod
    def of(cls, problem: Problem, gates: Ints) -> Able:
        """Evaluate the filters. ``gates`` (jobs, filters): receives how many couriers each filter removes."""
        numbers: dict[bytes, int] = {}
        groups: list[Ints] = []
        group_of = np.zeros(len(problem.jobs), np.int64)
        for jobs, needs in _classes(problem):
            able = _able(problem, jobs, needs, gates)
            number = numbers.setdefault(able.tobytes(), len(numbers))
            group_of[jobs] = number
            if number == len(groups):
                groups.append(able)
        count = np.array([able.size for able in groups], np.int64)[group_of]
        return cls(groups, group_of, count, len(problem.couriers))

    def has(self, job: Ints, courier: Ints) -> Bools:
        """Return which couriers have what the jobs need, shapes broadcast."""
        member = np.zeros((len(self.groups), self.couriers), bool)
        for number, able in enumerate(self.groups):
            member[number, able] = True
        found: Bools = member[self.group_of[job], courier]
        return found


def _classes(problem: Problem) -> list[tuple[Ints, Ints]]:
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
