"""A job that waits says which constraint keeps how many couriers from it."""

from __future__ import annotations

import pytest

from dispatcher import policy
from dispatcher.errors import WrongState
from dispatcher.market import MovedCouriers
from dispatcher.market.rounds import stranded
from dispatcher.market.waits import WORDS
from gig.v1 import offer_pb2, types_pb2
from matching.solve import solve
from tests.kit import HERE, Bench

FAR = (41.5, -73.0)


def explained(bench: Bench, job_id: str = "job"):
    return bench.market.explain_wait(job_id, MovedCouriers.none(), bench.now)


def crowd() -> Bench:
    """Two who are too far away, one without the skill, and one on a bicycle, for a job that asks for a car."""
    bench = Bench()
    for name, at, more in (
        ("far-1", FAR, {"skills": ["gold"]}),
        ("far-2", FAR, {"skills": ["gold"]}),
        ("unskilled", HERE, {}),
        (
            "cyclist",
            HERE,
            {"vehicle_type": types_pb2.VEHICLE_TYPE_BICYCLE, "capacity": types_pb2.Load(persons=1), "skills": ["gold"]},
        ),
    ):
        bench.online(name, at, **more)
    bench.place("job", vehicle_types=[types_pb2.VEHICLE_TYPE_CAR], skills=["gold"])
    return bench


def test_each_constraint_counts_whom_it_removed() -> None:
    found = explained(crowd())
    assert (found.couriers_considered, found.couriers_eligible) == (4, 0)
    counts = {gate.gate: gate.removed for gate in found.gates}
    assert counts == {offer_pb2.GATE_REACH: 2, offer_pb2.GATE_VEHICLE: 1, offer_pb2.GATE_SKILLS: 1}
    assert found.sentence.startswith("Of 4 couriers who count now: 2 are further away than the market sends anyone; ")
    assert found.sentence.endswith("none is left.")


def test_the_operator_sees_the_same_of_the_round() -> None:
    bench = crowd()
    opened = bench.market.problem(MovedCouriers.none(), bench.now)
    (found,) = stranded(opened, solve(opened.problem), 10)
    assert found.job_id == "job"
    assert {(g.gate, g.removed) for g in found.gates} == {(g.gate, g.removed) for g in explained(bench).gates}


def test_every_gate_has_words_of_its_own() -> None:
    assert WORDS.keys() == set(offer_pb2.Gate.values()) - {offer_pb2.GATE_UNSPECIFIED}
    assert all(WORDS.values())
    assert len(set(WORDS.values())) == len(WORDS)


def test_a_job_says_that_there_is_nobody_and_how_many_could_take_it() -> None:
    bench = Bench(policy.load("shared"))
    bench.place("job")
    assert explained(bench).sentence == "No courier is free or has room."
    bench.online("bo")
    assert "1 could take the job" in explained(bench).sentence


def test_a_job_that_does_not_wait_has_nothing_to_explain() -> None:
    bench = Bench()
    bench.assign()
    with pytest.raises(WrongState, match="assigned"):
        explained(bench)
