"""The solvers run elsewhere and give the same answer; when one fails, the round has an answer all the same."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from dataclasses import replace

import numpy as np
import pytest

from matching import solve as solving
from matching.assignment import NOBODY
from matching.problem import Problem, Sharing
from matching.solve import prepare, solve
from matching.solver_processes import SolverProcesses
from tests.matching.problems import SHARED, random_problem

AMPLE_S = 60.0


@pytest.fixture
def solvers() -> Iterator[SolverProcesses]:
    solver = SolverProcesses(2)
    yield solver
    solver.close()


def solve_until_dead(solvers: SolverProcesses, problem: Problem) -> None:
    """The kill may arrive after an answer or two."""
    for _ in range(1000):
        solvers.submit(problem, AMPLE_S).result(60)


def pids(solvers: SolverProcesses) -> list[int]:
    return [future.result(60) for future in solvers.warm_up()]


def two_towns(seed: int = 3) -> Problem:
    """Bundles are possible in each, nobody goes from one to the other; large enough to be solved side by side."""
    problem = random_problem(seed, 160, 160, max_reach_s=900.0, sharing=replace(SHARED, jobs_per_offer=2))
    jobs, couriers = problem.jobs, problem.couriers
    apart = np.arange(160) % 2 * 5.0
    return replace(
        problem,
        candidates_per_job=30,
        jobs=replace(jobs, longitude=jobs.longitude + apart, to_longitude=jobs.to_longitude + apart),
        couriers=replace(couriers, longitude=couriers.longitude + apart),
    )


def test_the_answer_is_the_same_and_dead_solvers_are_replaced(solvers) -> None:
    first, second = pids(solvers)
    assert len({first, second, os.getpid()}) == 3
    problem = random_problem(3, 20, 20)
    assert solvers.submit(problem, AMPLE_S).result(60).digest == solve(problem).digest
    os.kill(first, signal.SIGKILL)
    with pytest.raises(BrokenExecutor):
        solve_until_dead(solvers, problem)
    solvers.replace()
    assert not {first, second} & set(pids(solvers))
    assert solvers.submit(problem, AMPLE_S).result(60).digest == solve(problem).digest


def test_parts_solved_side_by_side_cost_what_the_whole_does(solvers) -> None:
    problem = two_towns()
    assert len(prepare(problem, 2).portions) == 2
    apart, whole = solvers.submit(problem, AMPLE_S).result(60), solve(problem)
    assert (apart.total_cost, apart.digest, apart.fell_back) == (whole.total_cost, whole.digest, False)
    assert apart.bound <= apart.total_cost
    assert np.unique(apart.edge[apart.matched]).size == (apart.taken != NOBODY).sum()


def test_large_rounds_of_single_jobs_are_split_too(monkeypatch) -> None:
    monkeypatch.setattr(solving, "SPLIT_FROM", 10)
    problem = replace(two_towns(), sharing=Sharing())
    prepared = prepare(problem, 2)
    assert (prepared.first, len(prepared.portions)) == (None, 2)
    choices = [
        solving.improve(problem, prepared.candidates.part(edges), prepared.unmatched) for edges in prepared.portions
    ]
    apart, whole = solving.conclude(problem, prepared, solving.merged(prepared, choices)), solve(problem)
    assert apart.total_cost == apart.bound == whole.total_cost
    assert (apart.price == whole.price).all()


@pytest.mark.parametrize("blow", [signal.SIGSTOP, signal.SIGKILL])
def test_when_the_better_choice_fails_the_first_counts(solvers, blow) -> None:
    _, second = pids(solvers)
    problem = two_towns()
    os.kill(second, blow)
    answer = solvers.submit(problem, 3.0).result(60)
    first = prepare(problem).first
    assert answer.fell_back
    assert answer.edge.tolist() == first.edge_of.tolist()
    solvers.replace()
    assert not solvers.submit(problem, AMPLE_S).result(60).fell_back


def test_a_round_without_any_answer_in_time_fails(solvers) -> None:
    first, _ = pids(solvers)
    os.kill(first, signal.SIGSTOP)
    with pytest.raises(TimeoutError):
        solvers.submit(two_towns(), 0.5).result(60)
