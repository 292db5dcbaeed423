"""A job that a courier in reach can take has a candidate, and every other courier counts for the filter that removes
them: judged by an oracle that shares no code with matching."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from geo.travel import StraightLine
from load_tests.bench.stranded.generated import SHARED, generated_round
from load_tests.bench.stranded.oracle import Oracle
from matching import search, widening
from matching.assignment import Candidates
from matching.candidates import eligible_pairs
from matching.problem import NOBODY, Exclusions, Gate, Problem, Requirements, Sharing
from matching.widening import widen
from tests.matching.problems import random_problem

SEEDS = st.integers(0, 10**6)
ALONE = Sharing()


def without_lines(problem: Problem) -> Problem:
    return replace(problem, jobs=replace(problem.jobs, queue_zone=np.full(len(problem.jobs), NOBODY)))


def all_free_now(problem: Problem) -> Problem:
    couriers = problem.couriers
    return replace(problem, couriers=replace(couriers, later=np.zeros(len(couriers), bool)))


def couriers_of(candidates: Candidates, job: int) -> list[int]:
    """The couriers of the edges of this job alone, ascending."""
    return sorted(candidates.courier[(candidates.job == job) & candidates.single()].tolist())


def removed(problem: Problem, oracle: Oracle, job: int) -> Counter[Gate]:
    """How many couriers each filter removes, pair by pair."""
    excluded = problem.exclusions
    pairs = zip(excluded.job.tolist(), excluded.courier.tolist(), strict=True)
    gate_of = dict(zip(pairs, map(Gate, excluded.gate.tolist()), strict=True))
    found: Counter[Gate] = Counter()
    for courier in range(len(problem.couriers)):
        name = oracle.removed_by(job, courier)
        if name is not None:
            found[gate_of[job, courier] if name == "EXCLUDED" else Gate[name]] += 1
    return found


def counted(candidates: Candidates, job: int) -> Counter[Gate]:
    return +Counter({gate: int(candidates.gates[job, gate]) for gate in Gate})


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_a_job_with_a_feasible_courier_has_a_candidate_and_all_candidates_are_feasible(seed) -> None:
    problem = generated_round(seed, 12)
    oracle, candidates, now = Oracle(problem), eligible_pairs(problem), ~problem.couriers.later
    assert not candidates.truncated.size
    for job in range(len(problem.jobs)):
        feasible, found = oracle.feasible(job), couriers_of(candidates, job)
        assert set(found) <= set(feasible)
        assert bool(found) == bool(feasible)
        if not candidates.gates[job, Gate.QUEUE]:
            # Couriers who are free now are found behind any number of those who will be free soon.
            assert now[found].any() == now[feasible].any()


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_one_job_each_compares_the_nearest_couriers_whom_no_filter_removes(seed) -> None:
    problem = all_free_now(without_lines(generated_round(seed, 12, ALONE)))
    oracle, candidates = Oracle(problem), eligible_pairs(problem)
    places = list(zip(problem.couriers.latitude.tolist(), problem.couriers.longitude.tolist(), strict=True))
    for job in range(len(problem.jobs)):
        pickup = float(problem.jobs.latitude[job]), float(problem.jobs.longitude[job])
        feasible = sorted(oracle.feasible(job), key=lambda courier: oracle.seconds(places[courier], pickup))
        nearest, found = feasible[: problem.candidates_per_job], couriers_of(candidates, job)
        assert set(nearest) <= set(found) <= set(feasible)
        # Only jobs that are more than the nearest couriers compare couriers further away.
        assert len(found) == len(nearest) or len(problem.jobs) > problem.candidates_per_job


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.sampled_from(SHARED))
def test_every_courier_is_a_candidate_or_counts_for_the_filter_that_removes_them(seed, sharing) -> None:
    problem = without_lines(generated_round(seed, 12, sharing))
    oracle, candidates = Oracle(problem), eligible_pairs(problem)
    for job in range(len(problem.jobs)):
        gates, found = counted(candidates, job), couriers_of(candidates, job)
        assert gates.total() + len(found) == len(problem.couriers)
        if not gates[Gate.NEAREST]:
            assert gates == removed(problem, oracle, job)


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.sampled_from(SHARED), st.integers(1, 4))
def test_at_a_queue_zone_the_first_in_line_who_can_serve_the_jobs_are_asked(seed, sharing, zones) -> None:
    problem = generated_round(seed, 8, sharing)
    rng = np.random.default_rng(seed)
    standing = rng.random(len(problem.couriers)) < 0.6
    problem = replace(
        problem,
        jobs=replace(problem.jobs, queue_zone=rng.integers(0, zones, len(problem.jobs))),
        couriers=replace(
            problem.couriers,
            queue_zone=np.where(standing, rng.integers(0, zones, standing.size), NOBODY),
            queue_rank=rng.permutation(standing.size),
        ),
    )
    oracle, candidates = Oracle(problem), eligible_pairs(problem)
    for zone in range(zones):
        jobs = np.flatnonzero(problem.jobs.queue_zone == zone).tolist()
        feasible = {job: set(oracle.feasible(job)) for job in jobs}
        line = np.flatnonzero(problem.couriers.queue_zone == zone)
        line = line[np.argsort(problem.couriers.queue_rank[line])].tolist()
        asked: list[int] = []
        for courier in line:
            if served_together([*asked, courier], jobs, feasible) > len(asked):
                asked.append(courier)
        for job in jobs:
            found = set(couriers_of(candidates, job))
            if feasible[job] & set(line):
                assert found <= feasible[job] & set(asked)
                assert len(found) == min(len(feasible[job] & set(asked)), problem.candidates_per_job)
                assert counted(candidates, job).total() + len(found) == len(problem.couriers)
            else:
                assert bool(found) == bool(feasible[job])


def served_together(couriers: list[int], jobs: list[int], feasible: dict[int, set[int]]) -> int:
    """How many jobs these couriers can serve, one each."""
    possible = csr_array([[int(courier in feasible[job]) for job in jobs] for courier in couriers], dtype=np.int8)
    return int((maximum_bipartite_matching(possible, perm_type="column") >= 0).sum())


# --- the round's time


@dataclass
class Timed:
    """A travel model that takes a second of the round's time for each call."""

    model: StraightLine
    now: float = 0.0

    def legs(self, *places: object) -> tuple[np.ndarray, np.ndarray]:
        self.now += 1.0
        return self.model.legs(*places)

    def __getattr__(self, name: str) -> object:
        return getattr(self.model, name)

    def clock(self) -> float:
        return self.now


def slow_round(monkeypatch, seconds: float) -> Problem:
    """Nobody can take any of the jobs, and everyone is in reach: each job looks at all couriers, alone."""
    problem = random_problem(3, 12, 60, exclusions=Exclusions.none())
    travel = Timed(problem.travel)
    for module in (search, widening):
        monkeypatch.setattr(module, "perf_counter", travel.clock)
    monkeypatch.setattr(search, "LARGEST_STEP", 1)
    needs = Requirements(np.full(12, 62), *4 * [np.zeros(12, np.int64)])
    return replace(
        problem,
        jobs=replace(problem.jobs, needs=replace(needs, skills=np.zeros((12, 1), np.int64)), barred=np.zeros(12, int)),
        couriers=replace(problem.couriers, shift_left_s=np.full(60, -1.0)),
        travel=travel,
        max_reach_s=10.0**5,
        budget_s=seconds / search.SEARCH_TIME,
    )


def test_every_job_that_the_time_cuts_off_has_its_turn(monkeypatch) -> None:
    problem = slow_round(monkeypatch, seconds=6.0)
    jobs = set(range(len(problem.jobs)))
    done: list[int] = []
    cut_off = np.zeros(0, np.int64)
    for _ in jobs:
        candidates = eligible_pairs(replace(problem, truncated=cut_off))
        finished = jobs - set(candidates.truncated.tolist())
        assert finished
        # The first of those who were cut off come first.
        assert finished <= set(cut_off[: len(finished)].tolist()) or not done
        done += finished
        cut_off = candidates.truncated
    assert set(done) == jobs


def test_couriers_whom_the_time_does_not_reach_count_as_such(monkeypatch) -> None:
    problem = slow_round(monkeypatch, seconds=0.0)
    candidates = eligible_pairs(problem)
    assert sorted(candidates.truncated.tolist()) == list(range(len(problem.jobs)))
    for job in range(len(problem.jobs)):
        gates = counted(candidates, job)
        assert gates[Gate.TRUNCATED] > 0 == gates[Gate.NEAREST]
        assert gates.total() == len(problem.couriers)


def test_a_step_of_a_search_is_bounded_and_finishes_the_first_jobs_first() -> None:
    looked: list[tuple[list[int], int]] = []

    def look(jobs: np.ndarray, size: int) -> tuple[np.ndarray, int]:
        looked.append((jobs.tolist(), size))
        return jobs[jobs % 2 == 0] if size < 16 else jobs[:0], 4 * size

    assert not widen(np.array([6, 3, 2, 5]), 4, look, np.inf, 8).size
    assert looked == [([6, 3], 4), ([6], 16), ([2, 5], 4), ([2], 16)]
    assert widen(np.array([6, 3, 2, 5]), 4, look, -np.inf, 8).tolist() == [6, 3, 2, 5]
