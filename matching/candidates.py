"""Which pairs are possible: hard constraints as ordered gates, then the k nearest by travel time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from geo.units import Floats, Ints
from matching.assignment import Candidates
from matching.costs import pair_terms
from matching.problem import NOBODY, Bools, Gate, Problem
from matching.shared import shared_edges

# Columns of a row of requirements before the words of the skills (see _classes).
ROW_OF_NEEDS = 7


@dataclass(frozen=True, slots=True)
class Pairs:
    """Jobs with their nearest couriers who pass the gates that need no travel times; ``gates`` (jobs, gates) counts
    whom they removed."""

    job: Ints
    courier: Ints
    gates: Ints


def eligible_pairs(problem: Problem) -> Candidates:
    """The sparse candidate graph: for each job its nearest couriers who pass every gate, and the routes to share."""
    return with_costs(problem, nearest_pairs(problem))


def nearest_pairs(problem: Problem) -> Pairs:
    gates = np.zeros((len(problem.jobs), len(Gate)), np.int64)
    search = _Search(problem)
    found = [search.pairs_of_class(jobs, needs, gates) for jobs, needs in _classes(problem)]
    job = np.concatenate([part[0] for part in found]) if found else np.zeros(0, np.int64)
    courier = np.concatenate([part[1] for part in found]) if found else np.zeros(0, np.int64)
    job, courier = _homeward(problem, job, courier, gates)
    return Pairs(job, courier, gates)


def with_costs(problem: Problem, pairs: Pairs) -> Candidates:
    """Travel times, the gates that need them, and the costs of what is left."""
    sharing = problem.sharing
    if sharing.jobs_per_offer == 1 and sharing.lookahead_loads == 1 and not len(problem.couriers.plans):
        return _alone(problem, pairs.job, pairs.courier, pairs.gates)
    return shared_edges(problem, pairs.job, pairs.courier, pairs.gates)


def _classes(problem: Problem) -> list[tuple[Ints, Ints]]:
    """Jobs grouped by identical requirements: (job indices, row of requirements) of each group.

    A row holds vehicles, persons, parcels, grams, barred vehicles, queue zone, 1 where no courier has all the skills
    asked for, and then the words of the skills. The skills of jobs that no courier can do are left out, so that such
    jobs do not make a group each.
    """
    jobs = problem.jobs
    if not len(jobs):
        return []
    unmet = jobs.unmet_skills > 0
    skills = np.where(unmet[:, None], 0, jobs.needs.skills)
    more = np.stack([jobs.barred, jobs.queue_zone, unmet.astype(np.int64)], axis=-1)
    wanted = np.concatenate([jobs.needs.stacked(), more, skills], axis=1)
    if (wanted == wanted[0]).all():  # the usual case, without a sort
        return [(np.arange(len(jobs)), wanted[0])]
    needs, group = np.unique(wanted, axis=0, return_inverse=True)
    group = group.reshape(-1)
    order = np.argsort(group, kind="stable")
    bounds = np.searchsorted(group[order], np.arange(len(needs) + 1))
    return [(order[bounds[i] : bounds[i + 1]], needs[i]) for i in range(len(needs))]


class _Search:
    """Nearest couriers of jobs; the points of all couriers (where they are, where they will be) are embedded once."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        couriers, plans, travel = problem.couriers, problem.couriers.plans, problem.travel
        self.radius = travel.radius(problem.max_reach_s, problem.at_s)
        latitude = np.concatenate([couriers.latitude, plans.latitude])
        longitude = np.concatenate([couriers.longitude, plans.longitude])
        self.places = travel.embed(latitude, longitude)
        # Whose place it is. A courier under way may be near at any of their stops.
        self.owner = np.concatenate([np.arange(len(couriers)), np.repeat(np.arange(len(couriers)), plans.lengths)])
        self.points = travel.embed(problem.jobs.latitude, problem.jobs.longitude)
        self._tree: tuple[Ints, cKDTree] | None = None

    def pairs_of_class(self, jobs: Ints, needs: Ints, gates: Ints) -> tuple[Ints, Ints]:
        """Candidate pairs of jobs that need the same, job by job; fills their rows of ``gates``."""
        able = self._able(jobs, needs, gates)
        nothing = np.zeros(0, np.int64)
        if not able.size:
            return nothing, nothing
        wanted, width = self.problem.candidates_per_job, len(self.problem.couriers)
        places, tree = self._tree_of(able)
        excluded = self._excluded_within(able)[jobs]
        k = wanted + int(excluded.sum(axis=1).max(initial=0))
        if places.size > able.size:
            k *= 2  # several places may be the same courier's
        k = min(k, places.size)
        _, near = tree.query(self.points[jobs], k=k, distance_upper_bound=self.radius)
        near = np.reshape(near, (jobs.size, k))
        real = near < places.size
        job, courier = np.repeat(jobs, real.sum(axis=1)), self.owner[places[near[real]]]
        if places.size > able.size:
            keep = _first_of_its_kind(job, courier, width)
            job, courier = job[keep], courier[keep]
        within = np.bincount(job, minlength=len(self.problem.jobs))[jobs]
        keep = ~self._is_excluded(job, courier)
        job, courier = job[keep], courier[keep]
        keep = _rank_in_job(job) < wanted
        job, courier = job[keep], courier[keep]
        behind = within - excluded.sum(axis=1) - np.bincount(job, minlength=len(self.problem.jobs))[jobs]
        # Where as many as asked for lie within reach, nobody looked further: the rest are behind the nearest.
        unseen = able.size - within
        looked_on = ~real.all(axis=1) | (k == places.size)
        gates[jobs, Gate.BLOCKED], gates[jobs, Gate.DECLINED] = excluded[:, 0], excluded[:, 1]
        gates[jobs, Gate.REACH] = np.where(looked_on, unseen, 0)
        gates[jobs, Gate.NEAREST] = behind + np.where(looked_on, 0, unseen)
        return job, courier

    def _able(self, jobs: Ints, needs: Ints, gates: Ints) -> Ints:
        """Indices of couriers with the vehicle, the room and the skills, and at the head of the zone's queue."""
        couriers = self.problem.couriers
        offers = couriers.offers
        vehicles, persons, parcels, weight, barred, zone, unmet = needs[:ROW_OF_NEEDS].tolist()
        vehicle = (offers.vehicles & vehicles) != 0
        admitted = vehicle & ((offers.vehicles & barred) == 0)
        room = admitted & (offers.persons >= persons) & (offers.parcels >= parcels) & (offers.weight_g >= weight)
        able = room & offers.hold(needs[ROW_OF_NEEDS:]) if not unmet else np.zeros(len(couriers), bool)
        steps = [int(passed.sum()) for passed in (vehicle, admitted, room, able)]
        for gate, before, after in zip(
            (Gate.VEHICLE, Gate.ZONE, Gate.CAPACITY, Gate.SKILLS), [len(couriers), *steps], steps, strict=False
        ):
            gates[jobs, gate] = before - after
        found = np.flatnonzero(able)
        if zone == NOBODY:
            return found
        queued = found[couriers.queue_zone[found] == zone]
        if not queued.size:  # an empty queue: the job is open to everyone
            return found
        head = queued[np.argsort(couriers.queue_rank[queued], kind="stable")][: jobs.size]
        gates[jobs, Gate.QUEUE] = found.size - head.size
        return np.sort(head)

    def _tree_of(self, able: Ints) -> tuple[Ints, cKDTree]:
        """(places, tree over them) of these couriers; of everyone, it is made once."""
        everyone = able.size == len(self.problem.couriers)
        if everyone and self._tree is not None:
            return self._tree
        mine = np.zeros(len(self.problem.couriers), bool)
        mine[able] = True
        places = np.flatnonzero(mine[self.owner])
        made = places, cKDTree(self.places[places], balanced_tree=False, compact_nodes=False)
        if everyone:
            self._tree = made
        return made

    def _excluded_within(self, able: Ints) -> Ints:
        """Shape (jobs, 2): couriers within reach who are blocked, and who have declined."""
        exclusions, jobs = self.problem.exclusions, len(self.problem.jobs)
        counts = np.zeros((jobs, 2), np.int64)
        if exclusions.job.size:
            far = np.linalg.norm(self.places[exclusions.courier] - self.points[exclusions.job], axis=-1) > self.radius
            counted = ~far & np.isin(exclusions.courier, able)
            kind = (exclusions.gate[counted] == Gate.DECLINED).astype(np.int64)
            np.add.at(counts, (exclusions.job[counted], kind), 1)
        return counts

    def _is_excluded(self, job: Ints, courier: Ints) -> Bools:
        exclusions, width = self.problem.exclusions, len(self.problem.couriers)
        if not exclusions.job.size:
            return np.zeros(job.size, bool)
        return np.isin(job * width + courier, exclusions.job * width + exclusions.courier)


def _first_of_its_kind(job: Ints, courier: Ints, couriers: int) -> Bools:
    """Pairs come nearest first; of a pair that comes again only the first counts."""
    _, first = np.unique(job * couriers + courier, return_index=True)
    mask = np.zeros(job.size, bool)
    mask[first] = True
    return mask


def _rank_in_job(job: Ints) -> Ints:
    """Position of each pair among the pairs of its job; ``job`` holds equal values side by side."""
    if not job.size:
        return job
    starts = np.flatnonzero(np.r_[True, job[1:] != job[:-1]])
    return np.arange(job.size) - np.repeat(starts, np.diff(np.r_[starts, job.size]))


def _homeward(problem: Problem, job: Ints, courier: Ints, gates: Ints) -> tuple[Ints, Ints]:
    """Couriers who have set a destination are asked only for jobs that end nearer to it."""
    couriers, jobs, travel = problem.couriers, problem.jobs, problem.travel
    bound = ~np.isnan(couriers.home_latitude[courier])
    if not bound.any():
        return job, courier
    at, to = courier[bound], job[bound]
    home = couriers.home_latitude[at], couriers.home_longitude[at]
    _, now = travel.legs(couriers.latitude[at], couriers.longitude[at], *home, problem.at_s)
    _, then = travel.legs(jobs.to_latitude[to], jobs.to_longitude[to], *home, problem.at_s)
    keep = np.ones(job.size, bool)
    keep[bound] = then < now
    gates[:, Gate.DESTINATION] = np.bincount(job[~keep], minlength=len(jobs))
    return job[keep], courier[keep]


def _alone(problem: Problem, job: Ints, courier: Ints, gates: Ints) -> Candidates:
    """One job a courier: travel, the gates that need travel times, and costs; sorted by job, then cost."""
    jobs, couriers, travel = problem.jobs, problem.couriers, problem.travel
    metres, seconds = travel.legs(
        couriers.latitude[courier], couriers.longitude[courier], jobs.latitude[job], jobs.longitude[job], problem.at_s
    )
    pickup_in = np.maximum(couriers.starts_in_s[courier] + seconds + travel.half_pickup_service_s, jobs.ready_in_s[job])
    reachable = seconds <= problem.max_reach_s
    in_shift = pickup_in <= couriers.shift_left_s[courier]
    kept = _keeps_promises(problem, job, pickup_in)
    for gate, removed in (
        (Gate.REACH, ~reachable),
        (Gate.SHIFT_END, reachable & ~in_shift),
        (Gate.PROMISE, reachable & in_shift & ~kept),
    ):
        gates[:, gate] += np.bincount(job[removed], minlength=len(jobs))
    keep = reachable & in_shift & kept
    if not keep.all():
        job, courier, metres, seconds = job[keep], courier[keep], metres[keep], seconds[keep]
    terms = pair_terms(problem, job, courier, seconds)
    cost = terms.sum(axis=1)
    order = _by_cost(job, cost)
    return Candidates(job[order, None], courier[order], metres[order], seconds[order], terms[order], cost[order], gates)


def _by_cost(job: Ints, cost: Ints) -> Ints:
    """The order by job, then cost, then nearness, in which the pairs of each job come."""
    if not job.size:
        return job
    order = np.argsort(job, kind="stable")
    sorted_job = job[order]
    rank = _rank_in_job(sorted_job)
    table = np.full((int(sorted_job[-1]) + 1, int(rank.max()) + 1), np.iinfo(np.int64).max)
    table[sorted_job, rank] = cost[order]
    ranks = np.argsort(table, axis=1, kind="stable")
    starts = np.searchsorted(sorted_job, np.arange(table.shape[0]))
    places: Ints = (starts[:, None] + ranks)[np.take_along_axis(table, ranks, axis=1) < np.iinfo(np.int64).max]
    return order[places]


def _keeps_promises(problem: Problem, job: Ints, pickup_in: Floats) -> Bools:
    jobs, travel = problem.jobs, problem.travel
    kept: Bools = pickup_in <= jobs.latest_pickup_s[job]
    if problem.keep_promises:
        _, trip = travel.legs(
            jobs.latitude[job], jobs.longitude[job], jobs.to_latitude[job], jobs.to_longitude[job], problem.at_s
        )
        arrival = pickup_in + travel.half_pickup_service_s + trip + travel.half_dropoff_service_s
        kept &= arrival <= jobs.due_in_s[job]
    return kept
