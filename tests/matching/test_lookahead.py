"""Planning a few loads ahead keeps every rule, costs no more than planning one, and offers the first load alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from matching.assignment import NOBODY, TERMS
from matching.candidates import eligible_pairs
from matching.costs import later_cost, pair_terms, unmatched_cost
from matching.lookahead import with_chains
from matching.problem import Problem, Sharing
from matching.solve import solve
from tests.matching.problems import random_problem

SEEDS = st.integers(0, 10**6)


def scarce(seed: int, loads: int, jobs: int = 12, couriers: int = 3) -> Problem:
    """Far more jobs than couriers."""
    return random_problem(seed, jobs, couriers, max_reach_s=3000.0, sharing=Sharing(lookahead_loads=loads))


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.integers(2, 4))
def test_looking_ahead_costs_no_more_and_nobody_is_planned_twice(seed, loads) -> None:
    alone, ahead = solve(scarce(seed, 1)), solve(scarce(seed, loads))
    assert ahead.total_cost <= alone.total_cost
    planned = ahead.planned != NOBODY
    assert not (planned & ahead.matched).any()
    offered = np.unique(ahead.candidates.courier[ahead.edge[ahead.matched]])
    assert offered.size == np.unique(ahead.edge[ahead.matched]).size
    # Only who has a load now can have one after it, and never more than so many.
    followers = np.bincount(ahead.planned[planned], minlength=3)
    assert (followers <= loads - 1).all()
    assert np.isin(np.flatnonzero(followers), offered).all()


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_a_chain_saves_what_its_loads_save_one_after_the_other(seed) -> None:
    problem = scarce(seed, 3)
    candidates, unmatched = eligible_pairs(problem), unmatched_cost(problem)
    columns = with_chains(problem, candidates, unmatched).columns
    jobs, travel = problem.jobs, problem.travel
    for row in range(len(columns)):
        first, *then = [job for job in columns.jobs[row].tolist() if job != NOBODY]
        edge, courier = int(columns.edge[row]), columns.courier[row : row + 1]
        assert candidates.members(edge) == [first]
        saved = unmatched[first] - candidates.cost[edge]
        end = candidates.routes.of(edge)[1][-1] + travel.half_dropoff_service_s
        place = first
        for job in then:
            here = jobs.to_latitude[[place]], jobs.to_longitude[[place]]
            cost, ends, possible = later_cost(problem, courier, *here, np.array([end]))
            assert possible[0, job]
            saved += unmatched[job] - cost[0, job]
            end, place = ends[0, job], job
        assert columns.saved[row] == saved


def test_a_job_behind_nothing_costs_what_it_costs_alone() -> None:
    problem = random_problem(5, 6, 6, max_reach_s=3000.0)
    problem = replace(problem, weights=replace(problem.weights, courier_waiting=0.0, income_gap=0.0))
    couriers = problem.couriers
    who = np.arange(6)
    cost, _, _ = later_cost(problem, who, couriers.latitude, couriers.longitude, couriers.starts_in_s)
    job, courier = np.divmod(np.arange(36), 6)
    _, seconds = problem.travel.legs(
        couriers.latitude[courier],
        couriers.longitude[courier],
        problem.jobs.latitude[job],
        problem.jobs.longitude[job],
        problem.at_s,
    )
    alone = pair_terms(problem, job, courier, seconds).sum(axis=1)
    # Each term of a pair is rounded apart.
    assert (np.abs(cost[courier, job] - alone) <= len(TERMS)).all()
