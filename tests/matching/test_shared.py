"""Shared routes keep every promise, cost what they say, and are never worse than one job a courier."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from matching import set_partition
from matching.assignment import NOBODY
from matching.candidates import eligible_pairs
from matching.components import components, portions
from matching.costs import route_terms, unmatched_cost
from matching.orders import orders
from matching.plan_check import check_plan
from matching.problem import Insertion, Problem, Sharing
from matching.relaxation import Relaxation, columns_of
from matching.schedule import gather, play
from matching.solve import choose, fall_back, solve
from tests.matching.problems import SHARED, random_problem, under_way

SEEDS = st.integers(0, 10**6)


def shared_problem(
    seed: int, jobs: int = 8, couriers: int = 8, sharing: Sharing = SHARED, **changes: object
) -> Problem:
    return under_way(random_problem(seed, jobs, couriers, sharing=sharing, **changes), seed)


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.booleans())
def test_every_route_passes_the_plan_check_at_the_moments_that_it_promises(seed, keep) -> None:
    problem = shared_problem(seed, keep_promises=keep)
    candidates = eligible_pairs(problem)
    assert candidates.routes is not None
    for edge in range(len(candidates)):
        courier = int(candidates.courier[edge])
        stop, moment = candidates.routes.of(edge)
        old = int(problem.couriers.plans.lengths[courier])
        order = np.where(stop < 0, -1 - stop, old + stop)
        checked = check_plan(problem, courier, np.array(candidates.members(edge)), order)
        # A promise that only costs may be broken, and is told; all else holds.
        assert [found for found in checked.violations if found.constraint != "promise"] == []
        assert checked.moment_s == pytest.approx(moment)


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.sampled_from([Insertion.APPEND, Insertion.INSERT, Insertion.REORDER]))
def test_no_allowed_order_is_cheaper_than_the_route_that_was_chosen(seed, insertion) -> None:
    problem = shared_problem(seed, 3, 4, sharing=replace(SHARED, jobs_per_offer=1, insertion=insertion))
    assume(len(problem.couriers.plans) > 0)
    candidates = eligible_pairs(problem)
    for edge in range(len(candidates)):
        courier, job = int(candidates.courier[edge]), int(candidates.job[edge])
        old = int(problem.couriers.plans.lengths[courier])
        stop, _ = candidates.routes.of(edge)
        mine = tuple(np.where(stop < 0, -1 - stop, old + stop).tolist())
        reorders = insertion is Insertion.REORDER and bool(problem.couriers.plans.reorder[courier])
        rows = [row for row in permutations(range(old + 2)) if is_allowed(row, old, insertion, reorders)]
        feasible = [row for row in rows if is_feasible(problem, courier, job, row)]
        assert mine in feasible
        costs = order_costs(problem, courier, job, feasible)
        assert candidates.cost[edge] == costs[feasible.index(mine)] == min(costs)


def is_allowed(row: tuple[int, ...], old: int, insertion: Insertion, reorders: bool) -> bool:
    """Return whether the policy allows an order of a courier's accepted stops and of one new job's two."""
    accepted = [point for point in row if point < old]
    if row.index(old) > row.index(old + 1):
        return False
    if insertion is Insertion.APPEND and list(row[:old]) != accepted:
        return False
    return reorders or accepted == sorted(accepted)


def is_feasible(problem: Problem, courier: int, job: int, row: tuple[int, ...]) -> bool:
    """A promise that only costs may be broken."""
    found = check_plan(problem, courier, np.array([job]), np.array(row)).violations
    return {violation.constraint for violation in found} <= {"promise"}


def order_costs(problem: Problem, courier: int, job: int, rows: list[tuple[int, ...]]) -> list[int]:
    """Return the cost of each order, in thousandths of a second."""
    who, jobs, old = np.array([courier]), np.array([[job]]), int(problem.couriers.plans.lengths[courier])
    points = gather(problem, who, jobs, old)
    schedule, unchanged = (play(problem, who, points, np.array(some)) for some in (rows, [range(old)]))
    costs: list[int] = route_terms(problem, who, jobs, points, schedule, unchanged)[0].sum(axis=-1).tolist()
    return costs


def test_orders_are_all_orders_for_small_sets_and_insertions_beyond() -> None:
    assert len(orders(0, 1, Insertion.INSERT, 0)) == 1
    assert len(orders(0, 2, Insertion.INSERT, 0)) == 6
    everything = [row for row in permutations(range(4)) if row.index(2) < row.index(3)]
    assert sorted(map(tuple, orders(2, 1, Insertion.REORDER, 0).tolist())) == sorted(everything)
    assert orders(2, 1, Insertion.APPEND, 0).tolist() == [[0, 1, 2, 3]]
    for row in orders(7, 1, Insertion.INSERT, 2).tolist():
        assert [point for point in row if point < 7] == list(range(7))
        assert row[:2] == [0, 1]
    assert len(orders(7, 1, Insertion.INSERT, 2)) == 6 * 7 // 2


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_sharing_costs_no_more_than_one_job_a_courier_and_its_bound_holds(seed) -> None:
    problem = shared_problem(seed, 10, 5)
    alone = solve(replace(problem, sharing=replace(SHARED, jobs_per_offer=1)))
    shared = solve(problem)
    assert shared.bound <= shared.total_cost <= alone.total_cost
    chosen = np.unique(shared.edge[shared.matched])
    members = [job for edge in chosen for job in shared.candidates.members(edge)]
    assert sorted(members) == np.flatnonzero(shared.matched).tolist()
    assert np.unique(shared.candidates.courier[chosen]).size == chosen.size


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_the_choice_is_the_best_of_all_choices(seed) -> None:
    problem = random_problem(seed, 5, 3, sharing=SHARED)
    candidates, unmatched = eligible_pairs(problem), unmatched_cost(problem)
    best = 0
    members = [set(candidates.members(edge)) for edge in range(len(candidates))]
    saved = [int(sum(unmatched[list(jobs)]) - candidates.cost[edge]) for edge, jobs in enumerate(members)]
    for size in range(1, 4):
        for some in combinations(range(len(candidates)), size):
            jobs = [job for edge in some for job in members[edge]]
            if len(set(jobs)) == len(jobs) and np.unique(candidates.courier[list(some)]).size == size:
                best = max(best, sum(saved[edge] for edge in some))
    columns = columns_of(candidates.jobs, candidates.courier, candidates.cost, unmatched, candidates.jobs.shape[1])
    selection = set_partition.select(Relaxation(columns, 5, 3), 3, np.zeros(len(columns), bool), 10.0)
    assert columns.saved[selection.chosen].sum() == best
    assert selection.saves >= best


def test_when_the_time_is_up_the_start_is_the_least_that_counts() -> None:
    problem = random_problem(3, 30, 15, sharing=SHARED)
    candidates, unmatched = eligible_pairs(problem), unmatched_cost(problem)
    hurried, calm = (choose(candidates, unmatched, 15, budget) for budget in (0.0, 20.0))
    alone = choose(eligible_pairs(replace(problem, sharing=Sharing())), unmatched, 15, 1.0)

    def cost(choice) -> int:
        edges = np.unique(choice.edge_of[choice.edge_of != NOBODY])
        return int(candidates.cost[edges].sum() + unmatched[choice.edge_of == NOBODY].sum())

    assert cost(calm) <= cost(hurried)
    assert cost(hurried) <= alone.bound


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.integers(1, 4), st.booleans())
def test_parts_solved_apart_give_what_the_whole_gives(seed, count, share) -> None:
    problem = random_problem(seed, 25, 25, max_reach_s=150.0, sharing=SHARED if share else Sharing())
    candidates, unmatched = eligible_pairs(problem), unmatched_cost(problem)
    whole = solve(problem)
    component = components(candidates, 25, 25)
    edge_of = np.full(25, NOBODY)
    for part in portions(component, count):
        choice = choose(candidates.part(part), unmatched, 25, 10.0)
        mine = np.flatnonzero(choice.edge_of != NOBODY)
        edge_of[mine] = part[choice.edge_of[mine]]
    edges = np.unique(edge_of[edge_of != NOBODY])
    assert candidates.cost[edges].sum() + unmatched[edge_of == NOBODY].sum() == whole.total_cost


def test_a_pair_may_wait_while_the_courier_is_early_enough() -> None:
    problem = random_problem(4, 12, 12, max_reach_s=3000.0)
    problem = replace(problem, jobs=replace(problem.jobs, ready_in_s=np.linspace(-300, 3000, 12)))
    patient = replace(problem, commitment=replace(problem.commitment, wait_while_safe=True, next_round_s=30.0))
    assignment = solve(patient)
    for job in np.flatnonzero(assignment.matched):
        edge = assignment.edge[job]
        start = problem.couriers.starts_in_s[assignment.courier[job]]
        there = start + assignment.candidates.seconds[edge]
        assert assignment.held[job] == (there + 30.0 <= problem.jobs.ready_in_s[job])
    assert 0 < assignment.held.sum() < assignment.matched.sum()


def test_what_a_round_falls_back_to_spends_no_time_on_bundles() -> None:
    problem = random_problem(3, 30, 15, sharing=SHARED)
    assert not solve(problem).candidates.single().all()
    fallen = fall_back(problem)
    assert fallen.fell_back
    assert fallen.candidates.single().all()


def test_who_is_still_at_work_counts_but_is_not_asked() -> None:
    problem = random_problem(4, 12, 12)
    busy = replace(problem, couriers=replace(problem.couriers, later=np.arange(12) % 2 == 0))
    assignment = solve(busy)
    assert (assignment.held[assignment.matched] == (assignment.courier[assignment.matched] % 2 == 0)).all()
    assert assignment.held.any()
