"""Any number of skills in a round; only couriers who have all the skills of a job are offered it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.market import Market, MovedCouriers
from dispatcher.market.skills import skill_columns
from gig.v1 import job_pb2
from matching.candidates import eligible_pairs
from matching.lookahead import _able
from matching.plan_check import check_plan
from matching.problem import Gate
from matching.solve import solve
from tests.kit import HERE, Bench

NAMES = [f"skill_{number}" for number in range(400)]
SETS = st.lists(st.frozensets(st.sampled_from(NAMES), max_size=16), min_size=1, max_size=12)


def _masters(jobs: list[frozenset[str]], extra: list[frozenset[str]]) -> list[frozenset[str]]:
    """Couriers who have exactly what a job asks for, or all but one of it, and others."""
    return [*jobs, *(frozenset(sorted(skills)[1:]) for skills in jobs), *extra]


@given(SETS, SETS)
@settings(max_examples=80)
def test_bit_sets_say_what_sets_of_names_say(jobs: list[frozenset[str]], extra: list[frozenset[str]]) -> None:
    couriers = _masters(jobs, extra)
    columns = skill_columns(jobs, couriers)
    held = set().union(*couriers)
    for job, wanted in enumerate(jobs):
        assert columns.unmet[job] == len(wanted - held)
        able = ((columns.needed[job] & ~columns.held) == 0).all(axis=1) & (columns.unmet[job] == 0)
        assert able.tolist() == [wanted <= has for has in couriers]
        lacking = np.bitwise_count(columns.needed[job] & ~columns.held).sum(axis=1) + columns.unmet[job]
        assert lacking.tolist() == [len(wanted - has) for has in couriers]


def _bench(jobs: list[frozenset[str]], couriers: list[frozenset[str]]) -> Bench:
    bench = Bench()
    for number, skills in enumerate(couriers):
        bench.online(f"courier-{number}", HERE, skills=sorted(skills))
    for number, skills in enumerate(jobs):
        bench.place(f"job-{number}", skills=sorted(skills))
    return bench


@given(SETS, SETS)
@settings(max_examples=25, deadline=None)
def test_a_round_asks_those_with_the_skills_and_counts_the_others(
    jobs: list[frozenset[str]], extra: list[frozenset[str]]
) -> None:
    couriers = _masters(jobs, extra)
    bench = _bench(jobs, couriers)
    opened = bench.market.problem(MovedCouriers.none(), bench.now)
    assert opened is not None
    problem = opened.problem
    candidates, able = eligible_pairs(problem), _able(problem)
    gates = candidates.gates
    for job, wanted in enumerate(jobs):
        allowed = [courier for courier, has in enumerate(couriers) if wanted <= has]
        asked = set(candidates.courier[candidates.job == job].tolist())
        assert asked <= set(allowed)
        assert len(asked) == min(len(allowed), problem.candidates_per_job)
        assert np.flatnonzero(able[:, job]).tolist() == allowed
        assert gates[job, Gate.SKILLS] == len(couriers) - len(allowed)
    for event in bench.take(bench.market.settle(opened, solve(problem), bench.now))[1:]:
        offer = event.offer_made.offer
        has = couriers[int(offer.courier_id.removeprefix("courier-"))]
        assert all(jobs[int(job.job_id.removeprefix("job-"))] <= has for job in offer.jobs)


def test_four_jobs_with_sixteen_skills_each_are_served_by_those_who_have_them() -> None:
    jobs = [frozenset(NAMES[start:end]) for start, end in pairwise(range(0, 65, 16))]
    bench = _bench(jobs, [*jobs, frozenset({"other"})])
    offers = [event.offer_made.offer for event in bench.round()[1:]]
    assert {(offer.jobs[0].job_id, offer.courier_id) for offer in offers} == {
        (f"job-{number}", f"courier-{number}") for number in range(4)
    }


def test_skills_that_no_courier_has_make_a_round_no_wider() -> None:
    jobs = [frozenset(f"unheard_of_{16 * job + number}" for number in range(16)) for job in range(500)]
    columns = skill_columns([*jobs, frozenset({"gold"})], [frozenset({"gold", "silver"})])
    assert columns.needed.shape == (501, 1)
    assert columns.unmet.tolist() == [16] * 500 + [0]


@pytest.mark.parametrize("lacking", [0, 1, 16])
def test_a_checked_plan_counts_the_skills_that_the_courier_lacks(lacking: int) -> None:
    bench = _bench([frozenset(NAMES[:16])], [frozenset(NAMES[lacking:16])])
    opened = bench.market.problem(MovedCouriers.none(), bench.now)
    assert opened is not None
    found = check_plan(opened.problem, 0, np.array([0]), np.array([0, 1])).violations
    assert [found_.amount for found_ in found if found_.constraint == "skills"] == ([lacking] if lacking else [])
    stops = [job_pb2.PlanStop(job_id="job-0", kind=kind) for kind in (1, 2)]
    answer = bench.market.check_plan("courier-0", stops, MovedCouriers.none(), bench.now)
    assert sum(v.constraint == "skills" for v in answer.violations) == bool(lacking)


def test_a_market_folded_again_asks_the_same() -> None:
    jobs = [frozenset(NAMES[start:end]) for start, end in pairwise(range(0, 65, 16))]
    bench = _bench(jobs, [*jobs, frozenset(NAMES[:80])])
    again = Market.fold(bench.log)
    rounds = [market.problem(MovedCouriers.none(), bench.now) for market in (bench.market, again)]
    digests = [solve(opened.problem).digest for opened in rounds if opened is not None]
    assert len(digests) == 2
    assert digests[0] == digests[1]
