"""Which pairs are possible: hard constraints as ordered gates, then the k nearest by travel time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from geo.units import Floats, Ints
from matching.assignment import Candidates, Gate
from matching.costs import pair_terms
from matching.problem import Problem

Bools = npt.NDArray[np.bool_]


def eligible_pairs(problem: Problem) -> Candidates:
    """The sparse candidate graph: for each job its nearest couriers who pass every gate."""
    gates = np.zeros((len(problem.jobs), len(Gate)), np.int64)
    found = [_pairs_of_class(problem, jobs, needs, gates) for jobs, needs in _classes(problem)]
    job = np.concatenate([part[0] for part in found]) if found else np.zeros(0, np.int64)
    courier = np.concatenate([part[1] for part in found]) if found else np.zeros(0, np.int64)
    return _with_costs(problem, job, courier, gates)


def _classes(problem: Problem) -> list[tuple[Ints, Ints]]:
    """Jobs grouped by identical requirements: (job indices, the five requirements) for each group."""
    if not len(problem.jobs):
        return []
    needs, group = np.unique(problem.jobs.needs.stacked(), axis=0, return_inverse=True)
    group = group.reshape(-1)
    order = np.argsort(group, kind="stable")
    bounds = np.searchsorted(group[order], np.arange(len(needs) + 1))
    return [(order[bounds[i] : bounds[i + 1]], needs[i]) for i in range(len(needs))]


def _pairs_of_class(problem: Problem, jobs: Ints, needs: Ints, gates: Ints) -> tuple[Ints, Ints]:
    """Candidate pairs of jobs that need the same; fills their rows of ``gates``."""
    able = _able_couriers(problem, jobs, needs, gates)
    nothing = np.zeros(0, np.int64)
    if not able.size:
        return nothing, nothing
    radius = problem.travel.radius(problem.max_reach_s, problem.at_s)
    places = problem.travel.embed(problem.couriers.latitude, problem.couriers.longitude)
    points = problem.travel.embed(problem.jobs.latitude, problem.jobs.longitude)
    tree = cKDTree(places[able])
    within = np.asarray(tree.query_ball_point(points[jobs], radius, return_length=True), np.int64)
    declined = _declined_within(problem, able, places, points, radius)[jobs]
    k = min(problem.candidates_per_job + int(declined.max(initial=0)), able.size)
    _, neighbours = tree.query(points[jobs], k=k, distance_upper_bound=radius)
    neighbours = np.reshape(neighbours, (jobs.size, k))
    real = neighbours < able.size
    job = np.repeat(jobs, real.sum(axis=1))
    courier = able[neighbours[real]]
    keep = ~_is_excluded(problem, job, courier)
    job, courier = job[keep], courier[keep]
    keep = _rank_in_job(job) < problem.candidates_per_job
    job, courier = job[keep], courier[keep]
    gates[jobs, Gate.REACH] = able.size - within
    gates[jobs, Gate.DECLINED] = declined
    gates[jobs, Gate.NEAREST] = within - declined - np.bincount(job, minlength=len(problem.jobs))[jobs]
    return job, courier


def _able_couriers(problem: Problem, jobs: Ints, needs: Ints, gates: Ints) -> Ints:
    """Indices of couriers with the vehicle, the room and the skills."""
    offers = problem.couriers.offers
    vehicles, skills, persons, parcels, weight = needs
    vehicle = (offers.vehicles & vehicles) != 0
    room = vehicle & (offers.persons >= persons) & (offers.parcels >= parcels) & (offers.weight_g >= weight)
    able = room & ((offers.skills & skills) == skills)
    gates[jobs, Gate.VEHICLE] = vehicle.size - int(vehicle.sum())
    gates[jobs, Gate.CAPACITY] = int(vehicle.sum()) - int(room.sum())
    gates[jobs, Gate.SKILLS] = int(room.sum()) - int(able.sum())
    return np.flatnonzero(able)


def _declined_within(problem: Problem, able: Ints, places: Floats, points: Floats, radius: float) -> Ints:
    """Shape (jobs,): couriers within reach who may not be asked again."""
    job, courier = problem.excluded_jobs, problem.excluded_couriers
    near = np.linalg.norm(places[courier] - points[job], axis=-1) <= radius
    counted = near & np.isin(courier, able)
    return np.bincount(job[counted], minlength=len(problem.jobs))


def _is_excluded(problem: Problem, job: Ints, courier: Ints) -> Bools:
    width = len(problem.couriers)
    return np.isin(job * width + courier, problem.excluded_jobs * width + problem.excluded_couriers)


def _rank_in_job(job: Ints) -> Ints:
    """Position of each pair among the pairs of its job; ``job`` holds equal values side by side."""
    if not job.size:
        return job
    starts = np.flatnonzero(np.r_[True, job[1:] != job[:-1]])
    return np.arange(job.size) - np.repeat(starts, np.diff(np.r_[starts, job.size]))


def _with_costs(problem: Problem, job: Ints, courier: Ints, gates: Ints) -> Candidates:
    """Travel, the gates that need travel times, and costs; sorted by job, then cost, then courier."""
    jobs, couriers = problem.jobs, problem.couriers
    metres, seconds = problem.travel.legs(
        couriers.latitude[courier], couriers.longitude[courier], jobs.latitude[job], jobs.longitude[job], problem.at_s
    )
    pickup_in = np.maximum(seconds + problem.travel.half_pickup_service_s, jobs.ready_in_s[job])
    reachable = seconds <= problem.max_reach_s
    in_shift = pickup_in <= couriers.shift_left_s[courier]
    gates[:, Gate.REACH] += np.bincount(job[~reachable], minlength=len(jobs))
    gates[:, Gate.SHIFT_END] += np.bincount(job[reachable & ~in_shift], minlength=len(jobs))
    keep = reachable & in_shift
    job, courier, metres, seconds = job[keep], courier[keep], metres[keep], seconds[keep]
    terms = pair_terms(problem, job, courier, seconds)
    cost = terms.sum(axis=1)
    order = np.lexsort((courier, cost, job))
    return Candidates(job[order], courier[order], metres[order], seconds[order], terms[order], cost[order], gates)
