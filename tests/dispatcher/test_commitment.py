"""An offer without an answer is revised where the policy says so and the gain is large enough, and says why."""

from __future__ import annotations

import pytest
from google.protobuf.duration_pb2 import Duration

from dispatcher import policy
from dispatcher.market import Market, MovedCouriers
from gig.v1 import policy_pb2 as policy_pb
from matching.solve import solve
from tests.kit import HERE, Bench

FAR, NEARER = (40.77, -73.98), (40.755, -73.98)


def revising(seconds: int | None) -> policy_pb.Policy:
    chosen = policy.load("plain")
    if seconds is not None:
        chosen.matching.commitment.revise_when_better_by.CopyFrom(Duration(seconds=seconds))
    return chosen


def offered_far(seconds: int | None) -> Bench:
    """The job is offered to Bo, who is far away; then Cy comes online nearby."""
    bench = Bench(revising(seconds))
    bench.online("bo", FAR)
    bench.place("job")
    bench.round()
    assert bench.job("job").courier_id == "bo"
    bench.online("cy", NEARER)
    return bench


def test_a_much_better_pair_takes_the_place_of_an_open_offer_and_both_say_why() -> None:
    bench = offered_far(60)
    first = bench.job("job").offer_id
    events = bench.round()
    assert [event.WhichOneof("body") for event in events] == ["round_settled", "offer_answered", "offer_made"]
    assert (bench.job("job").courier_id, bench.courier_state("bo")) == ("cy", "FREE")
    withdrawn = events[1].offer_answered
    assert withdrawn.offer_id == first
    assert withdrawn.reason == "revised: another courier for job makes the round better by 60 s or more"
    # Bo was dearer even with what keeping the offer was worth.
    reason = events[2].offer_made.offer.reason
    bo = next(other for other in reason.alternatives if other.courier_id == "bo")
    assert {term.name: term.cost for term in bo.terms}["kept_offer"] == -60_000
    assert bo.cost > reason.cost


@pytest.mark.parametrize("seconds", [3600, None])
def test_a_smaller_gain_or_a_policy_without_it_leaves_the_offer_as_it_is(seconds) -> None:
    bench = offered_far(seconds)
    events = bench.round()
    assert [event for event in events if not event.HasField("round_settled")] == []
    assert bench.job("job").courier_id == "bo"


def test_the_courier_of_an_offer_may_be_the_better_one_for_another_job() -> None:
    bench = Bench(revising(30))
    bench.online("bo", HERE)
    bench.place("old", pickup=FAR)
    bench.round()
    bench.online("cy", FAR)
    bench.place("new", pickup=HERE)
    bench.round()
    assert (bench.job("old").courier_id, bench.job("new").courier_id) == ("cy", "bo")


def test_an_offer_that_was_accepted_while_the_round_was_solved_stands() -> None:
    bench = offered_far(60)
    opened = bench.market.problem(MovedCouriers.none(), bench.now)
    bench.answer(bench.job("job").offer_id, "bo")
    events = bench.market.settle(opened, solve(opened.problem), bench.now)
    assert [event.WhichOneof("body") for event in events] == ["round_settled"]
    assert events[0].round_settled.overtaken == 1


def test_a_revising_round_can_be_recomputed_from_the_log() -> None:
    bench = offered_far(60)
    settled = bench.round()[0].round_settled
    market = Market.fold(bench.log[: settled.state_sequence])
    again = market.problem(MovedCouriers.none(), bench.now)
    assert solve(again.problem).digest == settled.eligible_digest
