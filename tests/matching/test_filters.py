"""Each eligibility filter counts the courier whom it removes, on every path that a round can take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from load_tests.bench.stranded.generated import SHARED
from matching.candidates import eligible_pairs
from matching.problem import NOBODY, Exclusions, Gate, Insertion, Plans, Problem, Requirements, Sharing
from tests.matching.problems import random_problem

LATITUDE, LONGITUDE = 40.0, -73.0
# Degrees of latitude: some hundred metres, a kilometre, and out of reach.
NEAR, NORTH, FAR = 0.001, 0.009, 0.5
OTHERS = 6
# One courier has a rider aboard: nobody, one of the others, or the courier in question.
PATHS = {"one job each": None, "bundles": None, "others under way": 1, "under way": 0}


def pair(path: str) -> Problem:
    """A job, a courier beside its pickup who can take it, and others out of reach."""
    people = 1 + OTHERS
    at = np.full(people, LATITUDE + FAR)
    at[0] = LATITUDE + NEAR
    none, one = np.zeros(people, np.int64), np.ones(1, np.int64)
    problem = random_problem(0, 1, people, sharing=SHARED[2] if path == "bundles" else Sharing())
    problem = replace(problem, exclusions=Exclusions.none(), keep_promises=True)
    problem = with_jobs(
        problem,
        latitude=np.array([LATITUDE]),
        longitude=np.array([LONGITUDE]),
        to_latitude=np.array([LATITUDE + NORTH]),
        to_longitude=np.array([LONGITUDE]),
        ready_in_s=np.zeros(1),
        due_in_s=np.full(1, np.inf),
        needs=Requirements(2 * one, 0 * one[:, None], one, 0 * one, 0 * one),
        barred=np.zeros(1, np.int64),
    )
    return with_couriers(
        problem,
        latitude=at,
        longitude=np.full(people, LONGITUDE),
        shift_left_s=np.full(people, np.inf),
        starts_in_s=np.zeros(people),
        offers=Requirements(none + 2, none[:, None], none + 3, none, none),
        plans=rider_aboard(people, PATHS[path]),
    )


def rider_aboard(people: int, courier: int | None, riders: int = 1, to: float = LATITUDE + NEAR) -> Plans:
    """The courier carries riders who leave at the latitude ``to``."""
    plans = Plans.none(people)
    if courier is None:
        return plans
    aboard = plans.aboard.copy()
    aboard[courier, 0] = riders
    forever = np.full(1, np.inf)
    return replace(
        plans,
        first=(np.arange(people + 1) > courier).astype(np.int64),
        latitude=np.array([to]),
        longitude=np.array([LONGITUDE]),
        earliest_s=-forever,
        latest_s=forever,
        due_s=forever,
        mate=np.array([NOBODY]),
        ride_limit_s=forever,
        pickup=np.zeros(1, bool),
        load=np.array([[-riders, 0, 0]]),
        aboard=aboard,
    )


def with_jobs(problem: Problem, **columns: object) -> Problem:
    return replace(problem, jobs=replace(problem.jobs, **columns))


def with_couriers(problem: Problem, **columns: object) -> Problem:
    return replace(problem, couriers=replace(problem.couriers, **columns))


def first_is(problem: Problem, column: str, value: float) -> Problem:
    """Another value for the courier in question."""
    values = getattr(problem.couriers, column).copy()
    values[0] = value
    return with_couriers(problem, **{column: values})


def another_vehicle(problem: Problem) -> Problem:
    return with_jobs(problem, needs=replace(problem.jobs.needs, vehicles=np.array([4])))


def barred_by_a_zone(problem: Problem) -> Problem:
    return with_jobs(problem, barred=np.array([2]))


def too_many_persons(problem: Problem) -> Problem:
    return with_jobs(problem, needs=replace(problem.jobs.needs, persons=np.array([9])))


def skill_missing(problem: Problem) -> Problem:
    return with_jobs(problem, needs=replace(problem.jobs.needs, skills=np.ones((1, 1), np.int64)))


def out_of_reach(problem: Problem) -> Problem:
    plans = replace(problem.couriers.plans, latitude=problem.couriers.plans.latitude + FAR)
    return with_couriers(first_is(problem, "latitude", LATITUDE + FAR), plans=plans)


def apart(gate: Gate) -> Callable[[Problem], Problem]:
    nobody = np.zeros(1, np.int64)
    return lambda problem: replace(problem, exclusions=Exclusions(nobody, nobody, np.array([gate])))


def heads_elsewhere(problem: Problem) -> Problem:
    return first_is(first_is(problem, "home_latitude", LATITUDE - NORTH), "home_longitude", LONGITUDE)


def shift_ends(problem: Problem) -> Problem:
    return first_is(problem, "shift_left_s", 1.0)


def pickup_promised(problem: Problem) -> Problem:
    return with_jobs(problem, latest_pickup_s=np.ones(1))


def arrival_promised(problem: Problem) -> Problem:
    return with_jobs(problem, due_in_s=np.array([60.0]))


REMOVES = [
    (another_vehicle, Gate.VEHICLE),
    (barred_by_a_zone, Gate.ZONE),
    (too_many_persons, Gate.CAPACITY),
    (skill_missing, Gate.SKILLS),
    (out_of_reach, Gate.REACH),
    (apart(Gate.BLOCKED), Gate.BLOCKED),
    (apart(Gate.DECLINED), Gate.DECLINED),
    (heads_elsewhere, Gate.DESTINATION),
    (shift_ends, Gate.SHIFT_END),
    (pickup_promised, Gate.PROMISE),
    (arrival_promised, Gate.PROMISE),
]


def counts(problem: Problem) -> dict[Gate, int]:
    gates = eligible_pairs(problem).gates[0].tolist()
    return {gate: gates[gate] for gate in Gate if gates[gate]}


@pytest.mark.parametrize("path", PATHS)
def test_without_a_reason_the_courier_is_a_candidate(path) -> None:
    assert counts(pair(path)) == {Gate.REACH: OTHERS}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("change", "gate"), REMOVES)
def test_the_filter_that_removes_the_courier_is_counted(path, change, gate) -> None:
    problem = change(pair(path))
    before = {gate: 1 + OTHERS} if gate <= Gate.SKILLS or gate is Gate.REACH else {Gate.REACH: OTHERS, gate: 1}
    assert counts(problem) == before
    assert not len(eligible_pairs(problem))


def test_every_filter_of_one_pair_is_tested() -> None:
    of_the_round = {Gate.QUEUE, Gate.NEAREST, Gate.TRUNCATED}
    assert {gate for _, gate in REMOVES} == set(Gate) - of_the_round


@pytest.mark.parametrize("path", PATHS)
def test_couriers_behind_in_the_line_count_for_the_queue(path) -> None:
    problem = pair(path)
    zones, ranks = np.zeros(1 + OTHERS, np.int64), np.zeros(1 + OTHERS, np.int64)
    ranks[0] = 9
    latitude = problem.couriers.latitude.copy()
    latitude[-1] = LATITUDE
    problem = with_couriers(problem, queue_zone=zones, queue_rank=ranks, latitude=latitude)
    queued = with_jobs(problem, queue_zone=np.zeros(1, np.int64))
    candidates = eligible_pairs(queued)
    # The last of the others stands first in line and is in reach; so is nobody between.
    assert candidates.courier.tolist() == [OTHERS]
    assert counts(queued) == {Gate.QUEUE: 1, Gate.REACH: OTHERS - 1}


@pytest.mark.parametrize("path", PATHS)
def test_couriers_behind_the_nearest_count_as_such(path) -> None:
    problem = replace(pair(path), candidates_per_job=1)
    latitude = problem.couriers.latitude.copy()
    latitude[-1] = LATITUDE
    found = counts(with_couriers(problem, latitude=latitude))
    assert found[Gate.NEAREST] + found.get(Gate.REACH, 0) == OTHERS


@pytest.mark.parametrize("path", PATHS)
def test_couriers_for_whom_there_is_no_time_count_as_such(path) -> None:
    problem = replace(pair(path), candidates_per_job=1, budget_s=0.0)
    latitude = np.full(1 + OTHERS, LATITUDE)
    latitude[0] += NEAR
    ended = np.full(1 + OTHERS, -1.0)
    ended[0] = np.inf
    found = counts(with_couriers(problem, latitude=latitude, shift_left_s=ended))
    assert found.keys() == {Gate.SHIFT_END, Gate.TRUNCATED}
    assert found[Gate.SHIFT_END] + found[Gate.TRUNCATED] == 1 + OTHERS


def test_a_full_vehicle_counts_for_its_capacity_where_it_could_not_come_back_in_time() -> None:
    plans = rider_aboard(1 + OTHERS, 0, riders=3, to=LATITUDE + FAR)
    problem = replace(with_couriers(pair("under way"), plans=plans), sharing=Sharing(insertion=Insertion.INSERT))
    assert counts(problem) == {Gate.REACH: OTHERS, Gate.CAPACITY: 1}
