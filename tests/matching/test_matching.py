"""A round assigns what is possible, at least cost, and can say why."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from matching import min_cost_flow
from matching.assignment import NOBODY
from matching.costs import unmatched_cost
from matching.problem import Solver
from matching.solve import fall_back, solve
from tests.matching.problems import random_problem

SIZES = st.tuples(st.integers(0, 10**6), st.integers(0, 25), st.integers(0, 25))


@settings(max_examples=60, deadline=None)
@given(SIZES)
def test_the_flow_is_the_optimum_of_a_dense_solver(size) -> None:
    problem = random_problem(*size)
    assignment = solve(problem)
    candidates, unmatched = assignment.candidates, unmatched_cost(problem)
    jobs, couriers = len(problem.jobs), len(problem.couriers)
    dense = np.full((jobs, couriers + jobs), 10**12, np.int64)
    dense[candidates.job, candidates.courier] = candidates.cost
    dense[np.arange(jobs), couriers + np.arange(jobs)] = unmatched
    rows, columns = linear_sum_assignment(dense)
    assert assignment.cost.sum() == dense[rows, columns].sum()


@pytest.mark.parametrize("solver", Solver)
@settings(max_examples=40, deadline=None)
@given(SIZES)
def test_nobody_is_chosen_twice_and_nobody_outside_the_candidates(solver, size) -> None:
    problem = random_problem(*size, solver=solver)
    assignment = solve(problem)
    chosen = assignment.courier[assignment.matched]
    assert np.unique(chosen).size == chosen.size
    for job in np.flatnonzero(assignment.matched):
        edge = assignment.edge[job]
        assert assignment.candidates.job[edge] == job
        assert assignment.candidates.courier[edge] == assignment.courier[job]
        assert assignment.taken[assignment.courier[job]] == edge
        assert assignment.candidates.terms[edge].sum() == assignment.cost[job]


@settings(max_examples=40, deadline=None)
@given(SIZES)
def test_a_couriers_price_is_what_one_more_like_them_would_save(size) -> None:
    problem = random_problem(*size)
    assignment = solve(problem)
    scarce = np.flatnonzero(assignment.price)[:3]
    candidates, unmatched = assignment.candidates, unmatched_cost(problem)
    for courier in scarce:
        twin = np.flatnonzero(candidates.courier == courier)
        edges = np.concatenate([np.arange(len(candidates)), twin])
        couriers = np.where(np.arange(edges.size) < len(candidates), candidates.courier[edges], len(problem.couriers))
        edge_of = min_cost_flow.solve(candidates.job[edges], couriers, candidates.cost[edges], unmatched)
        cost = np.where(edge_of == NOBODY, unmatched, candidates.cost[edges][edge_of])
        assert assignment.cost.sum() - cost.sum() == assignment.price[courier]


@settings(max_examples=30, deadline=None)
@given(SIZES)
def test_the_same_problem_gives_the_same_answer_and_digest(size) -> None:
    first, second = solve(random_problem(*size)), solve(random_problem(*size))
    assert first.digest == second.digest
    assert first.courier.tolist() == second.courier.tolist()


def test_greedy_serves_the_oldest_first_and_flow_costs_no_more() -> None:
    problem = random_problem(5, 20, 10)
    greedy, flow = fall_back(problem), solve(problem)
    assert greedy.fell_back
    assert flow.cost.sum() <= greedy.cost.sum()
    oldest = int(np.argmax(problem.jobs.age_s))
    edges = np.flatnonzero(greedy.candidates.job == oldest)
    if edges.size:
        assert greedy.edge[oldest] == edges[np.argmin(greedy.candidates.seconds[edges])]


def test_a_job_that_costs_more_than_waiting_is_left_where_nobody_is_free() -> None:
    problem = random_problem(1, 5, 5)
    problem = replace(problem, couriers=replace(problem.couriers, later=np.ones(5, bool)))
    assert (solve(problem).courier != NOBODY).any()
    cheap_to_wait = replace(problem, weights=replace(problem.weights, unmatched=-(10.0**6), job_age=0.0))
    assert (solve(cheap_to_wait).courier == NOBODY).all()


def test_alternatives_are_the_cheapest_others() -> None:
    assignment = solve(random_problem(2, 10, 40))
    candidates = assignment.candidates
    for job in np.flatnonzero(assignment.matched):
        others = assignment.alternatives(int(job), 3)
        assert assignment.edge[job] not in others
        assert (candidates.job[others] == job).all()
        of_job = np.flatnonzero((candidates.job == job) & (candidates.courier != assignment.courier[job]))
        assert candidates.cost[others].tolist() == sorted(candidates.cost[of_job].tolist())[:3]
