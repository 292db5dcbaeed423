"""Work for a courier beyond the next load: which jobs could follow one another, so that the first is chosen well.

Only the first load of a chain is offered; what follows is planned anew in later rounds. Chains are found by column
generation: a linear relaxation prices jobs and couriers, and the chains that are worth most at these prices join it
(Desaulniers, Desrosiers, Solomon, Column Generation, 2005). Which chains are looked at is a heuristic.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from geo.units import Floats, Ints
from matching.assignment import MILLI, Candidates
from matching.costs import later_cost
from matching.groups import first_of_each
from matching.problem import NOBODY, Bools, Problem
from matching.relaxation import Columns, Relaxation, columns_of

# Pricing rounds; chains that a courier keeps for going on, and that join the relaxation, each time.
ROUNDS = 3
FRONTIER = 10
JOINING = 6
# Cells of the largest array that one pass may make.
LARGEST_PASS = 1_000_000


@dataclass(frozen=True, slots=True)
class Chains:
    """K chains: ``jobs`` (K, G), ``courier``, ``edge`` of the first load; where and when (seconds) they end; ``saved``
    against leaving their jobs, and what remains of it at the present prices (``reduced``)."""

    jobs: Ints
    courier: Ints
    edge: Ints
    latitude: Floats
    longitude: Floats
    end_s: Floats
    saved: Ints
    reduced: Floats

    def part(self, rows: Ints) -> Chains:
        return Chains(
            self.jobs[rows],
            self.courier[rows],
            self.edge[rows],
            self.latitude[rows],
            self.longitude[rows],
            self.end_s[rows],
            self.saved[rows],
            self.reduced[rows],
        )


def with_chains(problem: Problem, candidates: Candidates, unmatched: Ints) -> Relaxation:
    """The edges themselves, and chains of up to the policy's number of loads."""
    width = candidates.jobs.shape[1] + problem.sharing.lookahead_loads - 1
    columns = columns_of(candidates.jobs, candidates.courier, candidates.cost, unmatched, width)
    relaxation = Relaxation(columns, unmatched.size, len(problem.couriers))
    if not len(columns):
        return relaxation
    single = _ends(problem, candidates, columns)
    able = _able(problem)
    for _ in range(ROUNDS):
        relaxed = relaxation.solve()
        job_price, courier_price = relaxed.job_price, relaxed.courier_price
        frontier = _best(_priced(single, job_price, courier_price), FRONTIER)
        found = []
        for _ in range(problem.sharing.lookahead_loads - 1):
            longer = _longer(problem, frontier, unmatched, job_price, able)
            frontier = _best(longer, FRONTIER)
            found.append(_best(longer.part(np.flatnonzero(longer.reduced > MILLI)), JOINING))
        more = Columns(
            np.concatenate([chains.jobs for chains in found]),
            np.concatenate([chains.courier for chains in found]),
            np.concatenate([chains.edge for chains in found]),
            np.concatenate([chains.saved for chains in found]),
        )
        if not len(more):
            break
        relaxation.join(more)
    return relaxation


def _ends(problem: Problem, candidates: Candidates, columns: Columns) -> Chains:
    """The edges as chains of one load: where and when their routes end."""
    routes, couriers, jobs = candidates.routes, problem.couriers, problem.jobs
    assert routes is not None, "looking ahead goes with routes"
    edge = columns.edge
    last = routes.first[edge + 1] - 1
    code, moment = routes.stop[last], routes.moment_s[last]
    member = candidates.jobs[edge, np.maximum(code, 0) // 2]
    latitude, longitude = jobs.to_latitude[member], jobs.to_longitude[member]
    own = code < 0
    stop = (couriers.plans.first[columns.courier] - 1 - code)[own]
    latitude[own], longitude[own] = couriers.plans.latitude[stop], couriers.plans.longitude[stop]
    end_s = moment + problem.travel.half_dropoff_service_s
    nothing = np.zeros(edge.size)
    return Chains(columns.jobs, columns.courier, edge, latitude, longitude, end_s, columns.saved, nothing)


def _able(problem: Problem) -> Bools:
    """Shape (couriers, jobs): vehicle, room, skills, zones and exclusions allow it; not jobs in queue zones."""
    needs, offers, jobs = problem.jobs.needs, problem.couriers.offers, problem.jobs
    able: Bools = (offers.vehicles[:, None] & needs.vehicles) != 0
    able &= (offers.vehicles[:, None] & jobs.barred) == 0
    able &= (offers.loads()[:, None] >= needs.loads()).all(axis=2)
    able &= jobs.unmet_skills == 0
    skilled = np.flatnonzero(needs.skills.any(axis=1))
    for job in skilled.tolist():
        able[:, job] &= offers.hold(needs.skills[job])
    able &= np.isnan(problem.couriers.home_latitude)[:, None] & (jobs.queue_zone == NOBODY)
    able[problem.exclusions.courier, problem.exclusions.job] = False
    return able


def _priced(chains: Chains, job_price: Floats, courier_price: Floats) -> Chains:
    price = np.append(job_price, 0.0)[chains.jobs].sum(axis=1) + courier_price[chains.courier]
    return replace(chains, reduced=chains.saved - price)


def _best(chains: Chains, keep: int) -> Chains:
    """Of each courier the chains that are worth most at the present prices."""
    return chains.part(first_of_each(keep, chains.courier, -chains.reduced, chains.edge))


def _longer(problem: Problem, chains: Chains, unmatched: Ints, job_price: Floats, able: Bools) -> Chains:
    """Every chain with one more job behind it."""
    size = max(LARGEST_PASS // max(len(problem.jobs), 1), 1)
    rows = range(0, max(chains.courier.size, 1), size)
    parts = [_one_more(problem, chains.part(np.arange(start, min(start + size, chains.courier.size))),
                       unmatched, job_price, able) for start in rows]  # fmt: skip
    return Chains(*(np.concatenate([getattr(part, name) for part in parts]) for name in Chains.__slots__))


def _one_more(problem: Problem, chains: Chains, unmatched: Ints, job_price: Floats, able: Bools) -> Chains:
    jobs = problem.jobs
    cost, end_s, possible = later_cost(problem, chains.courier, chains.latitude, chains.longitude, chains.end_s)
    possible &= able[chains.courier]
    row, slot = np.nonzero(chains.jobs != NOBODY)
    possible[row, chains.jobs[row, slot]] = False
    worth = unmatched - cost
    possible &= worth > job_price
    row, job = np.nonzero(possible)
    longer = chains.jobs[row]
    longer[np.arange(row.size), (longer != NOBODY).sum(axis=1)] = job
    return Chains(
        longer,
        chains.courier[row],
        chains.edge[row],
        jobs.to_latitude[job],
        jobs.to_longitude[job],
        end_s[row, job],
        chains.saved[row] + worth[row, job],
        chains.reduced[row] + worth[row, job] - job_price[job],
    )
