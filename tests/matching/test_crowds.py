"""Jobs in a crowd have the same nearest couriers: a round serves as many of them as couriers can, but for a few."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from load_tests.bench.rounds import rides
from load_tests.bench.stranded.oracle import Oracle
from matching import crowds
from matching.problem import Gate, Problem, Solver
from matching.solve import solve
from tests.matching.problems import SHARED


def concert(jobs: int = 300, couriers: int = 900, candidates_per_job: int = 20) -> Problem:
    """Everyone goes home from the same place, and couriers are all over the city."""
    problem = rides(1, jobs, couriers, candidates_per_job)
    here = replace(problem.jobs, latitude=np.full(jobs, 40.75), longitude=np.full(jobs, -73.95))
    return replace(problem, jobs=here, max_reach_s=3_000.0, budget_s=1_000.0)


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    jobs=st.integers(1, 120),
    couriers=st.integers(1, 250),
    candidates_per_job=st.integers(1, 20),
    max_reach_s=st.sampled_from([300.0, 900.0, 3_000.0]),
    unable=st.sampled_from([0.0, 0.3, 0.8]),
)
def test_at_most_as_many_jobs_as_one_compares_couriers_wait_beside_couriers_who_can_take_them(
    seed, jobs, couriers, candidates_per_job, max_reach_s, unable
) -> None:
    """All jobs begin at one place; some couriers end their shift, or are still at work."""
    problem, rng = concert(jobs, couriers, candidates_per_job), np.random.default_rng(seed)
    shift_left_s = np.where(rng.random(couriers) < unable / 2, rng.uniform(0, 900, couriers), np.inf)
    later = rng.random(couriers) < unable / 2
    changed = replace(problem.couriers, shift_left_s=shift_left_s, later=later)
    problem = replace(problem, couriers=changed, max_reach_s=max_reach_s)
    oracle = Oracle(problem)
    feasible = {one for one in oracle.feasible(0) if not later[one]}
    found = solve(problem)
    candidates = found.candidates
    assert not candidates.truncated.size
    assert set(candidates.courier[~later[candidates.courier]].tolist()) <= feasible
    served = int((~later[found.courier[found.matched]]).sum())
    # A job may be planned for a courier who is still at work, although a free one could be sent from further away.
    assert min(jobs, len(feasible)) - candidates_per_job <= int(found.matched.sum())
    assert served <= len(feasible)
    assert (candidates.gates.sum(axis=1) + np.bincount(candidates.job, minlength=jobs) == couriers).all()


def test_a_crowd_is_served_in_one_round() -> None:
    problem = concert()
    found = solve(problem)
    assert found.matched.sum() >= 280
    assert np.bincount(found.candidates.job).max() <= 2 * problem.candidates_per_job + 1
    # The baseline and the fallback compare the nearest couriers alone.
    assert solve(replace(problem, solver=Solver.GREEDY_NEAREST)).matched.sum() == 20


@pytest.mark.parametrize("bound", ["time", "pairs"])
def test_jobs_of_a_crowd_that_a_bound_cuts_off_count_as_truncated(monkeypatch, bound) -> None:
    problem = concert()
    if bound == "time":
        moments = iter(np.arange(10**6))
        monkeypatch.setattr(crowds, "perf_counter", lambda: np.inf if next(moments) else 0.0)
    else:
        monkeypatch.setattr(crowds, "MOST_PAIRS", 300 * 50)
    found = solve(problem)
    assert found.matched.sum() == 40
    cut_off = found.candidates.truncated
    assert set(cut_off.tolist()) >= set(np.flatnonzero(~found.matched).tolist())
    assert (found.candidates.gates[cut_off, Gate.TRUNCATED] > 0).all()


def test_a_crowd_is_served_in_one_round_where_couriers_are_shared_too() -> None:
    problem = replace(concert(120, 400, 10), sharing=SHARED)
    found = solve(problem)
    assert found.matched.sum() >= 110
    assert not found.candidates.truncated.size
