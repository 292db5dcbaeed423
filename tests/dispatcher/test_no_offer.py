"""Why a job was not offered to somebody: the log's own rounds, run anew, and the gate or the cost that decided."""

from __future__ import annotations

import pytest

from dispatcher import commands, policy
from dispatcher.decisions.no_offer import Reruns
from dispatcher.market import Market, MovedCouriers
from dispatcher.market.set_aside import SetAside
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import offer_pb2 as offer_pb
from gig.v1 import transparency_service_pb2 as pb
from gig.v1 import types_pb2
from matching.solve import solve
from tests.kit import HERE, Bench

NEAR, FAR, AWAY = (40.751, -73.981), (40.77, -73.97), (41.5, -73.98)


def why(bench: Bench, courier_id: str, job_id: str = "job") -> pb.ExplainNoOfferResponse:
    """From nothing but the log."""
    rounds = {event.round_settled.state_sequence: event for event in bench.log if event.HasField("round_settled")}
    asked, market = Reruns(job_id, courier_id, rounds), Market.new()
    for event in bench.log:
        market.apply([event])
        asked.look(market, event)
    answer = asked.answer()
    assert all(one.verified for one in answer.rounds if one.HasField("time"))
    return answer


@pytest.mark.parametrize("name", ["plain", "shared"])
def test_the_one_who_was_chosen_was_offered_it_and_the_next_cost_more(name) -> None:
    bench = Bench(policy.load(name))
    bench.online("near", NEAR)
    bench.online("far", FAR)
    bench.place()
    bench.round()
    assert why(bench, "near").sentence == "It was offered to you."
    told = why(bench, "far").rounds[0]
    assert told.cost > told.chosen_cost
    assert sum(term.cost for term in told.terms) == told.cost
    assert "the courier who was chosen cost" in told.sentence


def test_somebody_who_was_needed_elsewhere_is_told_where() -> None:
    bench = Bench()
    bench.online("near", NEAR)
    bench.online("far", FAR)
    bench.place("job", pickup=HERE)
    bench.place("other", pickup=NEAR)
    bench.round()
    served = {bench.job(name).courier_id: name for name in ("job", "other")}
    told = why(bench, next(courier for courier, name in served.items() if name == "other")).sentence
    assert "chosen for job other instead" in told


def decline(bench: Bench) -> None:
    bench.online("bo", NEAR)
    bench.place()
    bench.round()
    bench.answer(bench.job().offer_id, accept=False)
    bench.wait(5)
    bench.round()


def too_far(bench: Bench) -> None:
    bench.online("bo", AWAY)
    bench.place()
    bench.round()


def wrong_vehicle(bench: Bench) -> None:
    bench.online("bo", NEAR, vehicle_type=types_pb2.VEHICLE_TYPE_BICYCLE)
    bench.place(vehicle_types=[types_pb2.VEHICLE_TYPE_CAR])
    bench.round()


def no_room(bench: Bench) -> None:
    bench.online("bo", NEAR, vehicle_type=types_pb2.VEHICLE_TYPE_BICYCLE)
    bench.place()
    bench.round()


def no_skill(bench: Bench) -> None:
    bench.online("bo", NEAR)
    bench.place(skills=["wheelchair"])
    bench.round()


def kept_apart(bench: Bench) -> None:
    bench.online("bo", NEAR)
    bench.do(commands.SetBlock(client_id="ann", courier_id="bo", blocked=True, operator_id="olu", reason="asked for"))
    bench.place()
    bench.round()


def homeward(bench: Bench) -> None:
    bench.online("bo", NEAR)
    home = types_pb2.Position(latitude=40.70, longitude=-74.01)
    bench.do(commands.SetDestination(courier_id="bo", destination=home))
    bench.place()
    bench.round()


def crowded_out(bench: Bench) -> None:
    for number in range(25):
        bench.online(f"near-{number}", NEAR)
    bench.online("bo", FAR)
    bench.place()
    bench.round()


@pytest.mark.parametrize(
    ("happens", "gate"),
    [
        (decline, "DECLINED"),
        (too_far, "REACH"),
        (wrong_vehicle, "VEHICLE"),
        (no_room, "CAPACITY"),
        (no_skill, "SKILLS"),
        (kept_apart, "BLOCKED"),
        (homeward, "DESTINATION"),
        (crowded_out, "NEAREST"),
    ],
)
def test_the_gate_that_kept_somebody_out_is_named(happens, gate) -> None:
    bench = Bench()
    happens(bench)
    told = why(bench, "bo").rounds[-1]
    assert offer_pb.Gate.Name(told.gate) == f"GATE_{gate}"
    assert told.sentence.startswith("You were not compared: ")


def test_somebody_who_was_no_supply_is_told_why() -> None:
    bench = Bench()
    bench.online("near", NEAR)
    bench.online("bo", HERE)
    bench.place("first")
    bench.round()
    bench.answer(bench.job("first").offer_id, "bo")
    bench.place()
    bench.round()
    assert "you had a job in hand" in why(bench, "bo").sentence
    off = Bench()
    off.online("near", NEAR)
    off.online("bo", HERE)
    off.do(commands.GoOffline(courier_id="bo"))
    off.place()
    off.round()
    assert "you were offline" in why(off, "bo").sentence
    assert "you were offline" in why(off, "never seen").sentence
    assert off.market.state.couriers["bo"].state == courier_pb.COURIER_STATE_OFFLINE


def test_a_round_that_looked_further_for_a_crowd_is_rerun_as_it_was() -> None:
    chosen = policy.load("plain")
    chosen.matching.candidates_per_job = 3
    bench = Bench(chosen)
    for number in range(20):
        bench.online(f"courier-{number}", (HERE[0] + 0.001 * number, HERE[1]))
    for number in range(12):
        bench.place(f"job-{number}", client_id=f"client-{number}")
    bench.round()
    assert len(bench.market.state.offers) >= 12 - 3
    for number in (0, 8, 19):
        assert why(bench, f"courier-{number}", "job-0").rounds_in_all == 1


def test_a_job_that_nobody_was_there_for_waited_in_no_round() -> None:
    bench = Bench()
    bench.place()
    bench.round()
    assert "in no round" in why(bench, "bo").sentence


def test_many_rounds_are_summed_up() -> None:
    bench = Bench()
    decline(bench)
    for _ in range(3):
        bench.wait(5)
        bench.round()
    answer = why(bench, "bo")
    assert answer.rounds_in_all == 5
    assert "offered it in 1, kept out by the gate declined in 4" in answer.sentence


@pytest.mark.parametrize("name", ["plain", "shared"])
def test_a_round_that_left_out_a_job_and_a_courier_is_rerun_without_them(name) -> None:
    bench = Bench(policy.load(name))
    for courier_id in ("near", "left-out", "far"):
        bench.online(courier_id, FAR if courier_id == "far" else NEAR)
    for job_id in ("job", "left-out", "other"):
        bench.place(job_id)
    number = bench.market.state.numbers["left-out"]
    set_aside = SetAside(frozenset({"left-out"}), frozenset({number}))
    opened = bench.market.problem(MovedCouriers.none(), bench.now, set_aside)
    events = bench.take(bench.market.settle(opened, solve(opened.problem), bench.now))
    logged = events[0].round_settled
    assert (logged.set_aside_job_ids, logged.set_aside_numbers) == (["left-out"], [number])
    assert "The job was left out of this round" in why(bench, "near", "left-out").sentence
    assert "you were left out of this round" in why(bench, "left-out").sentence
    assert why(bench, "near").rounds[0].verified
    assert {bench.state("job"), bench.state("other")} == {"OFFERED"}
    assert bench.state("left-out") == "QUEUED"


def test_a_round_without_anything_set_aside_is_logged_as_before() -> None:
    bench = Bench()
    bench.online()
    bench.place()
    logged = bench.round()[0].round_settled
    assert not logged.set_aside_job_ids
    assert not logged.set_aside_numbers
    assert not logged.unfilled
