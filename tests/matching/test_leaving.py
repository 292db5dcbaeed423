"""Serving beats leaving: no job is left beside a free courier who is a candidate for it, whatever the weights are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matching import min_cost_flow
from matching import solve as rounds
from matching.assignment import NOBODY, Assignment
from matching.costs import LIMIT, unmatched_cost
from matching.leaving import leaving_cost
from matching.problem import Problem, Sharing, Weights
from matching.set_partition import Selection
from tests.matching.problems import SHARED, random_problem, under_way

SEEDS = st.integers(0, 10**6)
WEIGHT = st.sampled_from([0.0, 0.1, 1.0, 2.0, 1000.0]) | st.floats(0, 1000)
WEIGHTS = st.builds(
    Weights,
    pickup_time=WEIGHT,
    lateness=WEIGHT,
    waiting_at_pickup=WEIGHT,
    courier_waiting=WEIGHT,
    job_age=WEIGHT,
    unmatched=st.sampled_from([0.0, 600.0, 3600.0, 1e7]),
    overdue=WEIGHT,
    detour=WEIGHT,
    deadhead=WEIGHT,
    shift_end=WEIGHT,
    income_gap=st.floats(0, 3600),
)
# Seconds that a job has waited: up to two days.
AGES = st.sampled_from([0.0, 900.0, 7_200.0, 172_800.0])
AHEAD = replace(SHARED, lookahead_loads=3)
SHARINGS = st.sampled_from([Sharing(), SHARED, AHEAD])


def aged(problem: Problem, age_s: float) -> Problem:
    """The same jobs, wanted, placed and promised so much earlier."""
    jobs = problem.jobs
    older = replace(jobs, age_s=jobs.age_s + age_s, ready_in_s=jobs.ready_in_s - age_s, due_in_s=jobs.due_in_s - age_s)
    return replace(problem, jobs=older)


def left_beside_somebody_free(problem: Problem, assignment: Assignment) -> list[tuple[int, int]]:
    """Jobs that are neither served nor planned, each with a courier who is free, not chosen, and a candidate for it."""
    candidates = assignment.candidates
    busy = problem.couriers.later | (problem.couriers.plans.lengths > 0)
    is_left = ~assignment.matched & (assignment.planned == NOBODY)
    return [
        (int(candidates.job[edge]), int(candidates.courier[edge]))
        for edge in np.flatnonzero(candidates.single()).tolist()
        if is_left[candidates.job[edge]]
        and not busy[candidates.courier[edge]]
        and assignment.taken[candidates.courier[edge]] == NOBODY
    ]


@settings(max_examples=80, deadline=None)
@given(SEEDS, WEIGHTS, AGES, SHARINGS, st.booleans())
def test_no_job_is_left_beside_a_free_courier_who_is_a_candidate(seed, weights, age_s, sharing, on_the_way) -> None:
    problem = aged(random_problem(seed, 8, 8, weights=weights, sharing=sharing), age_s)
    if on_the_way and sharing != AHEAD:
        problem = under_way(problem, seed)
    assert left_beside_somebody_free(problem, rounds.solve(problem)) == []


@settings(max_examples=30, deadline=None)
@given(SEEDS, WEIGHTS, AGES)
def test_leaving_costs_at_least_what_the_policy_says_and_more_than_any_pair(seed, weights, age_s) -> None:
    problem = aged(random_problem(seed, 12, 8, weights=weights), age_s)
    candidates = rounds.prepare(problem).candidates
    leaving = leaving_cost(problem, candidates)
    assert (leaving >= unmatched_cost(problem)).all()
    assert (candidates.cost < leaving[candidates.job]).all()


def test_usual_weights_leave_the_policys_price_as_it_is() -> None:
    problem = random_problem(3, 30, 30)
    candidates = rounds.prepare(problem).candidates
    assert len(candidates)
    assert leaving_cost(problem, candidates).tolist() == unmatched_cost(problem).tolist()


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_couriers_under_way_and_free_later_do_not_raise_the_price(seed) -> None:
    dear = Weights(1000.0, 1000.0, 0.0, 0.0, 0.0, 0.0)
    problem = under_way(random_problem(seed, 8, 8, weights=dear, sharing=SHARED), seed, share=2.0)
    if (problem.couriers.plans.lengths == 0).any():
        later = replace(problem.couriers, later=problem.couriers.plans.lengths == 0)
        problem = replace(problem, couriers=later)
    candidates = rounds.prepare(problem).candidates
    assert leaving_cost(problem, candidates).tolist() == unmatched_cost(problem).tolist()


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_what_a_selection_leaves_when_its_time_is_up_is_served_after_it(seed) -> None:
    """A selection that chose nothing at all stands for one that ended early."""
    problem = random_problem(seed, 8, 8, sharing=SHARED)
    prepared = rounds.prepare(problem)
    couriers = len(problem.couriers)

    def nothing(*_: object) -> Selection:
        return Selection(np.zeros(0, np.int64), 0, np.zeros(couriers, np.int64))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rounds, "select", nothing)
        choice = rounds.improve(problem, prepared.candidates, prepared.unmatched)
    assignment = rounds.conclude(problem, prepared, choice)
    assert left_beside_somebody_free(problem, assignment) == []


def test_the_dearest_costs_stay_within_what_the_flow_can_count() -> None:
    """Two thousand jobs at the limit of every term."""
    count = 2_000
    job = np.repeat(np.arange(count), 2)
    courier = np.stack([np.arange(count), (np.arange(count) + 1) % count], axis=1).ravel()
    cost = np.full(job.size, 10 * LIMIT)
    edge_of = min_cost_flow.solve(job, courier, cost, np.full(count, 10 * LIMIT + 10**12))
    assert (edge_of != NOBODY).all()
